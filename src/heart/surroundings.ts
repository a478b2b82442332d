import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'

import type { Clock } from '../clock.ts'
import type { LeaseStore } from '../store/lease-store.ts'
import type { LedgerStore } from '../store/ledger-store.ts'
import { openLedger } from '../store/open-ledger.ts'
import { openStore, type StoreConfig } from '../store/open-store.ts'

/** What a heart has from the process and the machine around it. A simulator brings its own. */
export interface Surroundings {
  readonly clock: Clock
  readonly environment: Record<string, string | undefined>
  readonly openStore: (config: StoreConfig) => Promise<LeaseStore>
  /** Opens the ledger beside the leases, on a connection of its own; `undefined`: there is none. */
  readonly openLedger: (config: StoreConfig) => Promise<LedgerStore | undefined>
  /** From 0 to below 1. */
  readonly random: () => number
  /** A fresh identity for one acquisition. */
  readonly newHolder: () => string
}

/** The surroundings of a heart in this very process. */
export function createSystemSurroundings(clock: Clock): Surroundings {
  return {
    clock,
    environment: process.env,
    openStore,
    openLedger,
    random: Math.random,
    newHolder: () => `${hostname()}:${process.pid}:${randomBytes(6).toString('hex')}`,
  }
}
