// A deploy takes the package, and the folder it was started in, away from a leader; then that dies.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { atEnd } from '../support/fastify-app.ts'
import { createTestStore, onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'
import { descendantsOf, endWitness } from '../support/witness.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

const application = `
import { createTenure } from 'tenure'
const [store, witness] = process.argv.slice(2)
const tenure = createTenure({ store, witness, ttl: '60s' })
tenure.on('term:acquired', () => process.stdout.write('leads'))
await tenure.start()
`

onEachStore((on) => {
  describe('a leader whose files a deploy has deleted is killed', { concurrency: 2 }, () => {
    for (const witness of ['auto', 'warm'] as const) {
      test(`its witness '${witness}' releases all the same`, async (t) => {
        assert.ok(
          statSync(join(root, 'dist/heart/tenure-witness.cjs')),
          'npm run build comes first',
        )
        const store = await createTestStore(on)
        atEnd(t, () => store.end())
        const release = join(store.folder, 'release')
        const modules = join(release, 'node_modules')
        mkdirSync(join(modules, 'tenure'), { recursive: true })
        for (const name of ['dist', 'package.json']) {
          cpSync(join(root, name), join(modules, 'tenure', name), { recursive: true })
        }
        for (const name of ['croner', 'pg']) {
          symlinkSync(join(root, 'node_modules', name), join(modules, name))
        }
        writeFileSync(join(release, 'app.mjs'), application)
        const leader = spawn(process.execPath, ['app.mjs', store.url, witness], {
          cwd: release,
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const ended = once(leader, 'exit')
        let waiting: readonly number[] = []
        atEnd(t, async () => {
          for (const pid of waiting) endWitness(pid)
          leader.kill('SIGKILL')
          await ended
        })
        await once(leader.stdout, 'data')
        waiting = descendantsOf(leader.pid ?? 0)
        const client = store.open()
        atEnd(t, () => client.close())
        rmSync(release, { recursive: true })
        leader.kill('SIGKILL')
        await until('it is released', async () => {
          const { record, terms } = await client.read('scheduler', new AbortController().signal)
          return record === undefined && terms[0]?.reason === 'crashed'
        })
      })
    }
  })
})
