export { FakeClock } from './fake-clock.ts'
export { leaseStoreCases, type LeaseStoreCase, type LeaseStoreHarness } from './lease-store-kit.ts'
