// What a service prints that has no logger: who leads, why it does not any more, and what failed.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import { ownFolder } from '../support/fastify-app.ts'
import { linesOf } from '../support/cli.ts'
import { until } from '../support/until.ts'

const source = new URL('../../src/index.ts', import.meta.url).href

/** A file of its own, in a folder that has no package.json. */
function fileWith(t: TestContext, code: string): string {
  const path = join(ownFolder(t), 'service.mjs')
  writeFileSync(path, code)
  return path
}

/** A service in a folder that has no package.json, which does what it is told on stdin. */
const service = `
  import { DatabaseSync } from 'node:sqlite'
  import { createTenure } from '${source}'

  const tenure = createTenure({ store: "sqlite:" + import.meta.dirname + "/tenure.db", witness: false })
  await tenure.schedule('purge', { every: '1h' }, (run) => {
    run.log.debug('for nobody')
    run.log.info({ rows: 42 }, 'purged \\u009B31m')
    throw new Error('on purpose')
  })
  await tenure.start()
  await new Promise((resolve) => tenure.once('term:acquired', resolve))
  await tenure.runNow('purge')
  const lost = new Promise((resolve) => tenure.once('term:lost', resolve))
  
  new DatabaseSync(import.meta.dirname + "/tenure.db", { timeout: 5000 }).exec("UPDATE tenure_lease SET token = token + 1, holder = 'x:1:y'")
  await tenure.runNow('scheduler_lock_heartbeat')
  await lost
  await tenure.stop()
  await tenure.start()
  await tenure.stop()
`

describe('without a logger', () => {
  test('a service says on stderr that it leads, that a run failed, and why it leads no more', async (t) => {
    const path = fileWith(t, service)
    const child = spawn(process.execPath, [path], {
      cwd: dirname(path),
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TENURE_APPLICATION: '' },
    })
    t.after(() => child.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk) => (stdout += String(chunk)))
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    let closed = false
    child.on('close', () => (closed = true))
    await until('its end', () => closed, 60_000)
    const told = linesOf(stderr).map(({ level, msg, reason, rows, error }) => {
      return [level, msg, reason ?? rows ?? error].filter((part) => part !== undefined)
    })
    assert.deepEqual(
      told.filter(([, msg]) => msg !== 'scheduler_lock_heartbeat_failed'),
      [
        // Once, however often it is started.
        [40, 'application_unknown'],
        [30, 'lease_acquired'],
        [30, 'purged \u009B31m', 42],
        [50, 'run_failed', 'on purpose'],
        [40, 'lease_lost', 'stolen'],
      ],
      stderr,
    )
    assert.equal(stdout, '')
    assert.doesNotMatch(stderr, /[\u0080-\u009F]/, 'what a terminal obeys is escaped')
  })

  test('a reader of stderr that has gone does not end the service', async (t) => {
    const code = `
      import { createTenure } from '${source}'
      process.once('message', async () => {
        const tenure = createTenure({ store: 'memory:', application: 'x' })
        await tenure.schedule('fail', { every: '1h' }, () => { throw new Error('on purpose') })
        await tenure.start()
        await new Promise((resolve) => tenure.isLeader ? resolve() : tenure.once('term:acquired', resolve))
        for (let i = 0; i < 3; i++) await tenure.runNow('fail')
        await tenure.stop()
        process.send('survived', () => process.disconnect())
      })
    `
    const child = spawn(process.execPath, [fileWith(t, code)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    t.after(() => child.kill('SIGKILL'))
    child.stderr?.destroy()
    child.send('go')
    let said: unknown
    child.on('message', (message) => (said = message))
    await until('its end', () => child.exitCode !== null || child.signalCode !== null, 60_000)
    // What is wrong with stderr shows a moment later, and would end the process then.
    assert.deepEqual([said, child.exitCode], ['survived', 0])
  })
})
