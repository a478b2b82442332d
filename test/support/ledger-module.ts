// A store of one's own that has a ledger: both live in the memory that the options name.
import type { LeaseStore } from '../../src/index.ts'
import type { LedgerStore } from '../../src/store/ledger-store.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { MemoryLeaseStore, sharedMemory } from '../../src/store/memory/memory-store.ts'

export function openLeaseStore(name: string): LeaseStore {
  return new MemoryLeaseStore(sharedMemory(name))
}

export function openLedgerStore(name: string): LedgerStore {
  return new MemoryLedgerStore(sharedMemory(name))
}
