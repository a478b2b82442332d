import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { test } from 'node:test'

import { until } from '../support/until.ts'
import { atEnd } from '../support/fastify-app.ts'
import { isAlive, openGuide, readGuide, stopMsMax } from '../support/guide.ts'

test('the guide to PM2 runs as written', async (t) => {
  const guide = readGuide('pm2')
  const project = openGuide(t, guide)
  const home = join(project.folder, '.pm2')
  // A daemon of its own; and nothing is asked of PM2's own servers.
  project.env['PM2_HOME'] = home
  project.env['PM2_DISABLE_VERSION_CHECK'] = 'true'
  atEnd(t, () => project.run('pm2 kill'))
  for (const transcript of guide.transcripts) await project.follow(transcript)

  const daemon = Number(readFileSync(join(home, 'pm2.pid'), 'utf8'))
  assert.ok(isAlive(daemon))
  await project.run('pm2 kill')
  await until('the end of the daemon', () => !isAlive(daemon))
  const [first, ...others] = await project.ended()
  assert.equal(first, 'crashed')
  assert.ok(others.length > 0 && others.every((reason) => reason === 'stopped'))
})

test("the guide to PM2 gives a stop the time that Tenure's may take", (t) => {
  const { folder } = openGuide(t, readGuide('pm2'))
  const config = createRequire(import.meta.url)(join(folder, 'ecosystem.config.cjs')) as {
    apps: [{ kill_timeout: number }]
  }
  assert.ok(config.apps[0].kill_timeout > stopMsMax({}))
})
