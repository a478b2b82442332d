import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { leaseStoreCases, type LeaseStoreHarness } from '../../src/testing/lease-store-kit.ts'
import { ledgerCases, type LedgerHarness } from '../../src/testing/ledger-kit.ts'

/** Cases that are left out, for a written reason. */
export type Left = readonly { reason: string; cases: readonly string[] }[]

/** Runs the kit on a store. A case may be left out only for a written reason. */
export function runKit(
  store: string,
  createHarness: () => Promise<LeaseStoreHarness>,
  left: Left = [],
): void {
  runCases(`the kit on ${store}`, leaseStoreCases, createHarness, left)
  // The kit leaves it to the stores of others whether they keep it.
  test(`the hash over a leader's jobs is kept by ${store}`, async () => {
    const harness = await createHarness()
    try {
      const store = await harness.open()
      const [lease, label, observed] = ['scheduler', undefined, undefined]
      const request = { lease, holder: 'a', ttlMs: 20_000, application: 'kit', label, observed }
      await store.tryAcquire({ ...request, jobsHash: 'f00d' }, AbortSignal.timeout(20_000))
      const { record } = await store.read(lease, AbortSignal.timeout(20_000))
      assert.equal(record?.jobsHash, 'f00d')
    } finally {
      await harness.close()
    }
  })
}

/** Runs the kit of ledgers, likewise. */
export function runLedgerKit(
  store: string,
  createHarness: () => Promise<LedgerHarness>,
  left: Left = [],
): void {
  runCases(`the kit of ledgers on ${store}`, ledgerCases, createHarness, left)
}

function runCases<Harness extends LeaseStoreHarness>(
  title: string,
  cases: readonly { name: string; run: (harness: Harness) => Promise<void> }[],
  createHarness: () => Promise<Harness>,
  left: Left,
): void {
  const names = new Set(cases.map(({ name }) => name))
  const reasons = new Map<string, string>()
  for (const { reason, cases: leftOut } of left) {
    assert.ok(reason.length > 10, 'a case is left out for a written reason')
    for (const name of leftOut) {
      assert.ok(names.has(name), `the kit has no case "${name}"`)
      reasons.set(name, reason)
    }
  }
  describe(title, () => {
    for (const { name, run } of cases) {
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
