import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

import type { CrowdReport } from './crowd.ts'
import { createTestStore, onEachStore } from './test-store.ts'

const program = new URL('./crowd.ts', import.meta.url).pathname

/** Defines the test of a crowd of candidates that hand over so many times, on each store. */
export function testHandovers({
  candidates,
  handovers,
}: {
  readonly candidates: number
  readonly handovers: number
}): void {
  onEachStore((on) => {
    test(`${candidates} candidates, ${handovers} handovers: one leader at a time, each token one higher`, async () => {
      const store = await createTestStore(on)
      // An unhandled rejection would end the program, and reject here.
      const args = [program, store.url, String(candidates), String(handovers)]
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
      const report = JSON.parse(stdout) as CrowdReport
      const expected = Array.from({ length: handovers + 1 }, (_, index) => index + 1)
      assert.deepEqual(report.tokens.slice(0, handovers + 1), expected)
      assert.equal(report.trustedMax, 1)
      assert.equal(report.leadersMax, 1)
      assert.ok(report.looks > handovers, `${report.looks} looks`)
      assert.equal(stderr, '')
      await store.end()
    })
  })
}
