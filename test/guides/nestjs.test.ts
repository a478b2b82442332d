import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { nestPackages, openGuide, readGuide } from '../support/guide.ts'

const { packages, ...rest } = readGuide('nestjs')
const guide = { ...rest, packages: [...packages, ...nestPackages] }

test('the guide to NestJS runs as written, in a CommonJS project', async (t) => {
  const project = openGuide(t, guide)
  for (const transcript of guide.transcripts) await project.follow(transcript)
  process.kill(project.number('4003'), 'SIGTERM')
  // Nest sends itself the signal again when all of its hooks have been called.
  assert.deepEqual(await project.exits(), [0, 'SIGTERM', 'SIGKILL', 'SIGTERM'])
  assert.deepEqual(await project.ended(), ['stopped', 'crashed', 'stopped'])
  const compiled = readFileSync(join(project.folder, 'dist/tenure.module.js'), 'utf8')
  assert.match(compiled, /require\("tenure"\)/)
})

test('the guide to NestJS runs in a project of ES modules', async (t) => {
  const project = openGuide(t, guide)
  project.write('package.json', '{ "type": "module" }')
  await project.follow(`
$ npx tsc
$ node dist/main.js &
[4001] purges carts, token 1
$ kill 4001
`)
  assert.deepEqual(await project.exits(), [0, 'SIGTERM'])
  assert.deepEqual(await project.ended(), ['stopped'])
})
