import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'
import { promisify } from 'node:util'

/** Defines the test that starts and stops a Tenure so many times. */
export function testStartStop(times: number): void {
  test(`started and stopped ${times} times at random moments, a Tenure leaves nothing behind`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tenure-start-stop-'))
    try {
      const path = join(folder, 'tenure.db')
      const program = new URL('./start-stop.ts', import.meta.url).pathname
      // Each thread compiles the same modules again, unless the cache of Node.js is allowed to help.
      const cache = { NODE_COMPILE_CACHE: join(folder, 'compiled') }
      // A thousand threads would write a thousand reports of the lines that they have run.
      const env = { ...process.env, ...cache, NODE_V8_COVERAGE: undefined }
      const options = { timeout: 540_000, env }
      const args = [program, path, String(times), '6']
      // That the program ends at all shows that nothing keeps it alive.
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options)
      assert.equal(stderr, '')
      const { before, after, led } = JSON.parse(stdout) as {
        before: Record<string, number>
        after: Record<string, number>
        led: number
      }
      assert.deepEqual(after, before)
      assert.ok(led >= times / 4, `in ${led} of the cycles it led`)

      const database = new DatabaseSync(path)
      const leases = database.prepare('SELECT lease, holder FROM tenure_lease').all()
      database.close()
      assert.deepEqual(leases, [], 'and each lease that was acquired has been released')
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}
