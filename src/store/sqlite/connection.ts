import { accessSync, constants, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

import { sleep, type Clock } from '../../clock.ts'
import { messageOf, TenureError } from '../../errors.ts'
import type { Schema } from './schema.ts'

/** How long one call of SQLite may wait for a lock. It blocks its thread meanwhile. */
export const busyTimeoutMs = 25
/** The pause between two tries for a lock, drawn at random up to this, without blocking. */
const busyPauseMsMax = 25

/** The primary result codes that pass by themselves (sqlite.org/rescode.html). */
const busyCodes: ReadonlySet<number> = new Set([5 /* SQLITE_BUSY */, 6 /* SQLITE_LOCKED */])

/** The primary result codes of a file that stays unusable until somebody mends it. */
const unusableCauses: Readonly<Record<number, string>> = {
  3: 'the process may not access the file',
  8: 'the file or its folder is read-only for this process',
  10: 'the disk reports an error, or is full',
  11: 'the file is damaged',
  13: 'the disk is full',
  14: 'the folder does not exist, or the process may not access it',
  26: 'the file is something else than a database',
}

/**
 * One connection to the file, opened on first use, and thrown away after a fault.
 *
 * SQLite works synchronously, so that no transaction ever spans an `await`. A lock that another
 * process holds is waited for in short pieces, with the thread free in between.
 */
export class Connection {
  readonly #path: string
  readonly #clock: Clock
  readonly #schema: Schema
  #database: DatabaseSync | undefined
  #inode = 0
  #statements = new Map<string, StatementSync>()
  #closed = false

  constructor(path: string, clock: Clock, schema: Schema) {
    this.#path = path
    this.#clock = clock
    this.#schema = schema
  }

  /**
   * Calls `work` with a prepared-statement factory, outside of any transaction. In WAL mode
   * readers neither wait for a writer nor hold one up.
   */
  async read<Result>(work: Work<Result>, signal: AbortSignal): Promise<Result> {
    return this.#unit((database) => work((sql) => this.#statement(database, sql)), signal)
  }

  /** Whether there is no file: whoever releases does not create one. */
  get isGone(): boolean {
    return !this.#closed && inodeOf(this.#path) === 0
  }

  /**
   * Whether there is no file *yet*: whoever only looks does not create one.
   *
   * @throws TenureError `TENURE_ERR_STORE_UNUSABLE` if there is none and none can be made: that
   * nobody can ever lead is not the same as that nobody has led
   */
  get isMissing(): boolean {
    if (this.#closed) return false
    const folder = dirname(this.#path)
    try {
      if (inodeOf(this.#path) !== 0) return false
      // As a folder it also has to be searched; what is no folder says ENOTDIR or ENOENT.
      accessSync(`${folder}/.`, constants.W_OK | constants.X_OK)
      return true
    } catch (cause) {
      throw new TenureError(
        'TENURE_ERR_STORE_UNUSABLE',
        `Expected a folder at ${folder} in which ${this.#path} can be made; got ` +
          `"${messageOf(cause)}". Likely cause: ${unusableCauses[14]}.`,
        { cause },
      )
    }
  }

  /** Calls `work` with the write lock held, and commits what it did, or none of it. */
  async write<Result>(work: Work<Result>, signal: AbortSignal): Promise<Result> {
    return this.#unit((database) => {
      database.exec('BEGIN IMMEDIATE')
      try {
        const result = work((sql) => this.#statement(database, sql))
        database.exec('COMMIT')
        return result
      } catch (error) {
        // Some errors have rolled back already (sqlite.org/lang_transaction.html).
        if (database.isTransaction) database.exec('ROLLBACK')
        throw error
      }
    }, signal)
  }

  close(): void {
    this.#closed = true
    this.#discard()
  }

  /** One unit of work: tried again while the file is locked, and closed whatever happens. */
  async #unit<Result>(
    work: (database: DatabaseSync) => Result,
    signal: AbortSignal,
  ): Promise<Result> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#closed) throw closedError()
      try {
        return work(this.#open())
      } catch (error) {
        if (!isBusy(error)) {
          this.#discard()
          throw this.#describe(error)
        }
      }
      try {
        await sleep(this.#clock, Math.random() * busyPauseMsMax, signal)
      } catch (reason) {
        this.#discard()
        throw reason
      }
    }
  }

  #open(): DatabaseSync {
    if (this.#database !== undefined) {
      if (this.#inode === inodeOf(this.#path)) return this.#database
      // Somebody has deleted or replaced the file: what is open is not what the others see.
      this.#discard()
    }
    const database = new DatabaseSync(this.#path, { timeout: busyTimeoutMs })
    try {
      const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode']
      if (mode !== 'wal') {
        throw new TenureError(
          'TENURE_ERR_STORE_UNUSABLE',
          `Expected that ${this.#path} can be used in WAL mode; got the mode ${String(mode)}. ` +
            'Likely cause: the file is on a network share, which is not supported.',
        )
      }
      // FULL: a token that was handed out survives a power failure (sqlite.org/pragma.html).
      database.exec('PRAGMA synchronous = FULL')
      if (!this.#schema.isThere(database)) {
        database.exec('BEGIN IMMEDIATE')
        this.#schema.create(database)
        database.exec('COMMIT')
      }
    } catch (error) {
      database.close()
      throw error
    }
    this.#inode = inodeOf(this.#path)
    this.#database = database
    return database
  }

  #statement(database: DatabaseSync, sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = database.prepare(sql)))
    return statement
  }

  #discard(): void {
    this.#statements.clear()
    this.#database?.close()
    this.#database = undefined
  }

  #describe(error: unknown): unknown {
    const code = resultCodeOf(error)
    if (code === undefined) return error
    const cause = unusableCauses[code]
    return new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected a SQLite database that can be written at ${this.#path}; got ` +
        `"${messageOf(error)}" (result code ${code}).` +
        (cause === undefined ? '' : ` Likely cause: ${cause}.`),
      { cause: error },
    )
  }
}

/** What a unit of work does: synchronously, with statements that are prepared once. */
export type Work<Result> = (statement: (sql: string) => StatementSync) => Result

function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
}

/** The primary result code of SQLite, if the error is one of SQLite's. */
function resultCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

function isBusy(error: unknown): boolean {
  const code = resultCodeOf(error)
  return code !== undefined && busyCodes.has(code)
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0
}
