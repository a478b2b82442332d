export { FakeClock } from './fake-clock.ts'
export { leaseStoreCases, type LeaseStoreCase, type LeaseStoreHarness } from './lease-store-kit.ts'
export {
  createTestTenure,
  type LossReason,
  type TestTenure,
  type TestTenureOptions,
} from './test-tenure.ts'
