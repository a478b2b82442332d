import type { LedgerCase } from './kit/harness.ts'
import { claiming } from './kit/ledger/claiming.ts'
import { ledgerFaults } from './kit/ledger/faults.ts'
import { keeping } from './kit/ledger/keeping.ts'
import { recording } from './kit/ledger/recording.ts'
import { storing } from './kit/ledger/storing.ts'

export type { LedgerCase, LedgerHarness } from './kit/harness.ts'

/**
 * The conformance kit of ledgers: every case holds for every ledger, also for one of your own. It is
 * run as `leaseStoreCases` is, on the same harness, with `openLedger` besides.
 */
export const ledgerCases: readonly LedgerCase[] = [
  ...claiming,
  ...recording,
  ...keeping,
  ...storing,
  ...ledgerFaults,
]
