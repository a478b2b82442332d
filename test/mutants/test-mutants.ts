import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Mutant } from './mutant.ts'
import { assertCaught, hasTest, runSuite, testsOf, type Outcome } from './run-suite.ts'

/** Runs each suite unchanged, and once on each mutant that it has to catch, so many at a time. */
export function testMutants(mutants: readonly Mutant[], concurrency = 2): void {
  describe('of the broken variants', { concurrency }, () => {
    for (const [suite, ofSuite] of Map.groupBy(mutants, (mutant) => mutant.suite)) {
      const names = ofSuite.map(testsOf)
      const tests = names.every(({ length }) => length > 0) ? names.flat() : []
      let running: Promise<Outcome> | undefined
      const control = (): Promise<Outcome> => (running ??= runSuite(suite, [], tests))

      test(`none is needed for ${suite} to fail: unchanged it passes`, async () => {
        const { passed, failed, end } = await control()
        assert.deepEqual([...failed], [], end)
        assert.match(end, /^it ended with 0\n/)
        for (const name of names.flat()) assert.ok(hasTest(passed, name), `there is no "${name}"`)
        assert.ok(passed.size > 0)
      })
      for (const mutant of ofSuite) {
        test(`"${mutant.what}" is caught by ${suite}`, async () =>
          assertCaught(mutant, (await control()).passed))
      }
    }
  })
}
