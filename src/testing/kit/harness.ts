import type { LeaseStore } from '../../store/lease-store.ts'
import type { LedgerStore } from '../../store/ledger-store.ts'

/**
 * What the kit needs of a store under test, besides the store itself. A fresh harness, with an
 * empty store, is made for each case.
 */
export interface LeaseStoreHarness {
  /** Opens one more client of the same store. */
  readonly open: () => Promise<LeaseStore>
  /** Lets the record expire now, by moving its times into the past: the kit never sleeps. */
  readonly expire: (lease: string) => Promise<void>
  /** Deletes the record, as an operator would by hand. */
  readonly deleteRecord: (lease: string) => Promise<void>
  /** Sets the counter of tokens, as an operator would by hand; `undefined`: deletes it. */
  readonly setCounter: (lease: string, token: number | undefined) => Promise<void>
  /** Deletes the history of terms, as an operator would by hand. */
  readonly deleteHistory: (lease: string) => Promise<void>
  /** Closes all clients and starts the store again. */
  readonly restart: () => Promise<void>
  /** Lets every call of the store, and of its ledger, hang, until the returned function is called. */
  readonly block: () => Promise<() => Promise<void>>
  /** Cuts all connections that exist. */
  readonly dropConnections: () => Promise<void>
  /** Opens a client in whose process the wall clock is wrong by `offsetMs`. */
  readonly openWithWallClock: (offsetMs: number) => Promise<LeaseStore>
  /** How many connections and files of the store are open. */
  readonly countHandles: () => Promise<number>
  /** Closes what is open, and removes what was made. */
  readonly close: () => Promise<void>
}

/** One case of the kit: a fact that holds for every store. */
export interface LeaseStoreCase {
  readonly name: string
  readonly run: (harness: LeaseStoreHarness) => Promise<void>
}

/** What the kit of ledgers needs: the store that the ledger lives in, and the ledger itself. */
export interface LedgerHarness extends LeaseStoreHarness {
  /** Opens one more client of the ledger of this store. */
  readonly openLedger: () => Promise<LedgerStore>
}

/** One case of the kit of ledgers: a fact that holds for every ledger. */
export interface LedgerCase {
  readonly name: string
  readonly run: (harness: LedgerHarness) => Promise<void>
}
