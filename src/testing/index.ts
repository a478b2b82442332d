export { FakeClock } from './fake-clock.ts'
export { leaseStoreCases, type LeaseStoreCase, type LeaseStoreHarness } from './lease-store-kit.ts'
export { ledgerCases, type LedgerCase, type LedgerHarness } from './ledger-kit.ts'
export {
  createTestTenure,
  type LossReason,
  type TestTenure,
  type TestTenureOptions,
} from './test-tenure.ts'
