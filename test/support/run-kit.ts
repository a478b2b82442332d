import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { leaseStoreCases, type LeaseStoreHarness } from '../../src/testing/lease-store-kit.ts'

/** Runs the kit on a store. A case may be left out only for a written reason. */
export function runKit(
  store: string,
  createHarness: () => Promise<LeaseStoreHarness>,
  left: readonly { reason: string; cases: readonly string[] }[] = [],
): void {
  const names = new Set(leaseStoreCases.map(({ name }) => name))
  const reasons = new Map<string, string>()
  for (const { reason, cases } of left) {
    assert.ok(reason.length > 10, 'a case is left out for a written reason')
    for (const name of cases) {
      assert.ok(names.has(name), `the kit has no case "${name}"`)
      reasons.set(name, reason)
    }
  }
  describe(`the kit on ${store}`, () => {
    for (const { name, run } of leaseStoreCases) {
      test(name, { skip: reasons.get(name) ?? false }, async () => {
        const harness = await createHarness()
        try {
          await run(harness)
        } finally {
          await harness.close()
        }
      })
    }
  })
}
