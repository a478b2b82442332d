import { createSystemClock } from '../../src/clock.ts'
import type { LeaseStore } from '../../src/store/lease-store.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import type { LedgerHarness } from '../../src/testing/ledger-kit.ts'
import { runKit, runLedgerKit } from '../support/run-kit.ts'

async function createHarness(): Promise<LedgerHarness> {
  const clock = createSystemClock()
  const memory = new Memory(clock)
  const stores: LeaseStore[] = []
  const open = async (): Promise<LeaseStore> => {
    const store = new MemoryLeaseStore(memory)
    stores.push(store)
    return store
  }
  const left = async (): Promise<never> => {
    throw new Error('this case is left out for the memory store')
  }
  return {
    open,
    openLedger: async () => new MemoryLedgerStore(memory),
    expire: async (lease) => memory.table.expire(lease),
    deleteRecord: async (lease) => memory.table.deleteRecord(lease),
    setCounter: async (lease, token) => memory.table.setCounter(lease, token),
    deleteHistory: async (lease) => memory.table.deleteHistory(lease),
    restart: left,
    block: left,
    dropConnections: left,
    openWithWallClock: open,
    countHandles: left,
    close: async () => {
      await Promise.all(stores.map((store) => store.close()))
    },
  }
}

runKit('memory', createHarness, [
  {
    reason: 'the memory ends with its process, by design',
    cases: ['the counter survives a restart of the store'],
  },
  {
    reason: 'a call is over before anybody could interrupt it, and holds no handle',
    cases: [
      'a connection dropped in mid-call rejects, and the next call connects again',
      'an abort signal ends a wait, with its reason',
      'each call closes what it opened: after success, refusal, timeout and error',
    ],
  },
  {
    reason: 'there is one process, and thus one clock',
    cases: ["the caller's clock set wrong changes nothing"],
  },
])

runLedgerKit('memory', createHarness, [
  {
    reason: 'the memory ends with its process, by design',
    cases: [
      'the ledger survives a restart of the store',
      'stored jobs outlive a restart of the store',
    ],
  },
  {
    reason: 'a call is over before anybody could interrupt it, and holds no handle',
    cases: [
      'a claim whose connection is dropped rejects, and its repetition finds out',
      'an aborted claim is done as a whole or not at all, and can be repeated',
      'a call of a ledger closes what it opened, whatever came of it',
    ],
  },
])
