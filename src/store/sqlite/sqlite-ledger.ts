import { resolve } from 'node:path'

import { createSystemClock, type Clock } from '../../clock.ts'
import { carryOut, nothing, type Call, type LedgerEngine } from '../ledger/engine.ts'
import { Ledger } from '../ledger/ledger.ts'
import type { Superseded } from '../ledger-store.ts'
import { Connection } from './connection.ts'
import { isChanged } from './database-files.ts'
import { SqliteLedgerRows } from './ledger-rows.ts'
import { ledgerSchema } from './ledger-schema.ts'

/** What a SQLite ledger is made of. */
export interface SqliteLedgerOptions {
  /** The file of the leases. */
  readonly path: string
  /** For tests. @default the clocks of this machine */
  readonly clock?: Clock
}

/** The ledger in the file of the leases, on a connection of its own. */
export class SqliteLedgerStore extends Ledger {
  constructor(options: SqliteLedgerOptions) {
    super(new SqliteLedgerEngine(options))
  }
}

/**
 * Each call is one transaction. The write lock is what no acquisition can come between: it is held
 * from the comparison of the token to the commit.
 */
class SqliteLedgerEngine implements LedgerEngine {
  readonly #connection: Connection
  /** The last token that wrote here, and the last of those that wrote in files which are gone. */
  #lastToken = -Infinity
  #endedToken = -Infinity

  constructor({ path, clock = createSystemClock() }: SqliteLedgerOptions) {
    this.#connection = new Connection({
      // It is opened later, and the working directory may be another one then.
      path: resolve(path),
      clock,
      schema: ledgerSchema,
      // The heartbeat does so, which shares this thread and its locks; here each call would cost it.
      looksAtLocks: false,
      onChange: () => (this.#endedToken = this.#lastToken),
    })
  }

  async run<Reply>(call: Call<Reply>, signal: AbortSignal): Promise<Reply | Superseded> {
    const { lease, token, kind } = call
    // Nothing is created for whoever only looks, and in files that are gone nobody is granted anything.
    if (this.#isNothing(call)) {
      signal.throwIfAborted()
      return carryOut(nothing, call)
    }
    this.#lastToken = token ?? this.#lastToken
    try {
      const carry = kind === 'look' ? 'read' : 'write'
      return await this.#connection[carry](
        (sql) => carryOut(new SqliteLedgerRows(sql, lease), call),
        signal,
      )
    } catch (error) {
      if (token !== undefined && isChanged(error)) return carryOut(nothing, call)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  #isNothing({ token, kind }: Call<unknown>): boolean {
    if (token !== undefined) return this.#connection.isGone || token <= this.#endedToken
    return kind !== 'create' && this.#connection.isMissing
  }
}
