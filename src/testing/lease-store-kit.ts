import { acquiring, names, outrunning } from './kit/acquiring.ts'
import { faults } from './kit/faults.ts'
import type { LeaseStoreCase } from './kit/harness.ts'
import { reading } from './kit/reading.ts'
import { renewing } from './kit/renewing.ts'

export type { LeaseStoreCase, LeaseStoreHarness } from './kit/harness.ts'

/**
 * The conformance kit: every case holds for every store, also for one of your own.
 *
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { leaseStoreCases } from 'tenure/testing'
 * import { createHarness } from './my-harness.ts'
 *
 * for (const { name, run } of leaseStoreCases) {
 *   test(name, async () => {
 *     const harness = await createHarness()
 *     try {
 *       await run(harness)
 *     } finally {
 *       await harness.close()
 *     }
 *   })
 * }
 * ```
 */
export const leaseStoreCases: readonly LeaseStoreCase[] = [
  ...acquiring,
  ...outrunning,
  ...renewing,
  ...names,
  ...faults,
  ...reading,
]
