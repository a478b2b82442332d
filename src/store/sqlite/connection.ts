import { accessSync, constants } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

import { sleep, type Clock } from '../../clock.ts'
import { messageOf, TenureError } from '../../errors.ts'
import {
  changedError,
  clearTraces,
  createFile,
  DatabaseFiles,
  fileAt,
  isChanged,
  isEmpty,
  isSame,
} from './database-files.ts'
import { OpenDescriptors } from './open-descriptors.ts'
import type { Schema } from './schema.ts'
import { closedError, folderCause, isBusy, isOfChanged, unusableError } from './sqlite-errors.ts'

/** How long one call of SQLite may wait for a lock. It blocks its thread meanwhile. */
export const busyTimeoutMs = 25
/** The pause between two tries for a lock, drawn at random up to this, without blocking. */
const busyPauseMsMax = 25

/**
 * To how many bytes the `-wal` is cut when a checkpoint has emptied it: as much as it has where
 * nobody holds a checkpoint up, which SQLite makes after 1,000 pages. A long reader makes it grow.
 */
export const walBytesMax = 4_194_304

/** What a connection is made of. */
export interface ConnectionParts {
  readonly path: string
  readonly clock: Clock
  readonly schema: Schema
  /** Whether the locks of the process are looked at: see `OpenDescriptors`. @default true */
  readonly looksAtLocks?: boolean
  /**
   * Whether it stays open between two calls. Else it does so only beside another one of its thread
   * that does: what SQLite knows of the files it knows once for the process, so that one which lies
   * idle would hold all others to files that were changed.
   */
  readonly isKept?: () => boolean
  /**
   * Somebody else has removed, replaced or unlocked the files. What was done in them is lost.
   * `isHere`: a call of this connection has found it, and rejects with the error.
   */
  readonly onChange?: (error: TenureError, isHere: boolean) => void
  /** The file has got so many names. */
  readonly onLinks?: (links: bigint) => void
}

/**
 * The connections of this thread that are open. What SQLite knows of its locks it knows once for the
 * process, and so this list is no less common: when the locks are lost, only closing all connections
 * to the file makes SQLite take them again.
 */
const openConnections = new Set<Connection>()

/**
 * One connection to the file, opened on first use. After a fault it is thrown away, but not its
 * guard: a second connection, idle and read-only, which keeps SQLite from removing `-wal` and `-shm`
 * when one of ours is closed. It can do so by itself neither, because that takes a lock for writing.
 *
 * - SQLite works synchronously, so that no transaction ever spans an `await`. A lock that another
 *   process holds is waited for in short pieces, with the thread free in between.
 * - Before and after each unit of work the files are looked at. One that is found changed afterwards
 *   has failed: nobody else may see what it wrote.
 */
export class Connection {
  readonly #parts: ConnectionParts
  // In this order: when a thread ends, Node.js closes what was made first, and the guard shall be last.
  readonly #work: DatabaseSync
  readonly #guard: DatabaseSync
  /** Whether the connection for the work is open, and set up. */
  #isReady = false
  #files: DatabaseFiles | undefined
  #descriptors: OpenDescriptors | undefined
  #statements = new Map<string, StatementSync>()
  /** Whether a unit of work has succeeded in these files. */
  #proven = false
  #hasWritten = false
  /** Whether the files were changed by somebody else, and have not been opened since. */
  #isChanged = false
  #links = 1n
  #closed = false

  constructor(parts: ConnectionParts) {
    this.#parts = parts
    const options = { open: false, timeout: busyTimeoutMs }
    this.#work = new DatabaseSync(parts.path, options)
    this.#guard = new DatabaseSync(parts.path, { ...options, readOnly: true })
  }

  /** Calls `work` in a transaction. In WAL mode readers neither wait for a writer nor hold one up. */
  async read<Result>(work: Work<Result>, signal: AbortSignal): Promise<Result> {
    return this.#unit('BEGIN', work, signal)
  }

  /** Whether there is no file, or an empty one: whoever releases does not create one. */
  get isGone(): boolean {
    return !this.#closed && this.#files === undefined && isEmpty(this.#parts.path)
  }

  /**
   * Whether there is no file *yet*: whoever only looks does not create one.
   *
   * @throws TenureError `TENURE_ERR_STORE_UNUSABLE` if there is none and none can be made: that
   * nobody can ever lead is not the same as that nobody has led
   */
  get isMissing(): boolean {
    if (!this.isGone) return false
    const { path } = this.#parts
    const folder = dirname(path)
    try {
      // As a folder it also has to be searched; what is no folder says ENOTDIR or ENOENT.
      accessSync(`${folder}/.`, constants.W_OK | constants.X_OK)
      return true
    } catch (cause) {
      throw new TenureError(
        'TENURE_ERR_STORE_UNUSABLE',
        `Expected a folder at ${folder} in which ${path} can be made; got "${messageOf(cause)}". ` +
          `Likely cause: ${folderCause}.`,
        { cause },
      )
    }
  }

  /** Calls `work` with the write lock held, and commits what it did, or none of it. */
  async write<Result>(work: Work<Result>, signal: AbortSignal): Promise<Result> {
    const result = await this.#unit('BEGIN IMMEDIATE', work, signal)
    this.#hasWritten = true
    return result
  }

  /**
   * Has the database itself hold what was written, as far as nobody reads older things: so that it
   * is not lost with the `-wal`.
   */
  checkpoint(mode: 'PASSIVE' | 'TRUNCATE' = 'PASSIVE'): void {
    try {
      if (this.#findChange() !== undefined) return
      if (this.#isReady) this.#work.exec(`PRAGMA wal_checkpoint(${mode})`)
    } catch {
      // It is a precaution: everything that was acknowledged is in the `-wal`.
    }
  }

  /** Closes everything, with `-wal` and `-shm` left in their place, and the `-wal` empty if it can be. */
  close(): void {
    this.#closed = true
    if (this.#hasWritten) this.checkpoint('TRUNCATE')
    this.#abandon()
  }

  /** One unit of work: tried again while the file is locked, and closed whatever happens. */
  async #unit<Result>(begin: Begin, work: Work<Result>, signal: AbortSignal): Promise<Result> {
    for (;;) {
      signal.throwIfAborted()
      if (this.#closed) throw closedError()
      try {
        const result = this.#attempt(begin, work)
        if (!this.#isKept) this.#abandon()
        return result
      } catch (error) {
        if (isChanged(error)) throw error
        if (!isBusy(error)) {
          if (isOfChanged(error)) {
            if (this.#isLogShort()) throw this.#change('its -wal was cut off', error)
            if (this.#proven) throw this.#change(messageOf(error), error)
          }
          this.#letGo()
          throw unusableError(this.#parts.path, error)
        }
      }
      try {
        await sleep(this.#parts.clock, Math.random() * busyPauseMsMax, signal)
      } catch (reason) {
        this.#letGo()
        throw reason
      }
    }
  }

  get #isKept(): boolean {
    const { isKept } = this.#parts
    return isKept?.() ?? [...openConnections].some((other) => this.#isOfSameFiles(other))
  }

  /** Whether another connection of this thread stays open on the same files. */
  #isOfSameFiles(other: Connection): boolean {
    if (other === this || other.#parts.isKept?.() !== true || !this.#files) return false
    return other.#files?.isSameAs(this.#files) ?? false
  }

  #attempt<Result>(begin: Begin, work: Work<Result>): Result {
    this.#look()
    const database = this.#open(begin)
    const { looksAtLocks = true } = this.#parts
    database.exec(begin)
    let result: Result
    try {
      result = work((sql) => this.#statement(database, sql))
      if (looksAtLocks && this.#isKept && this.#descriptors?.areLocksLost()) {
        throw this.#change('the locks of this process are gone')
      }
      database.exec('COMMIT')
    } catch (error) {
      // Some errors have rolled back already (sqlite.org/lang_transaction.html).
      if (database.isOpen && database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
    this.#look()
    this.#proven = true
    return result
  }

  /** Whether the `-wal` was cut off before it was opened here: whoever has it open knows of more. */
  #isLogShort(): boolean {
    return this.#files?.isLogShort(() => this.#descriptors?.logBytes()) ?? false
  }

  #findChange(): string | undefined {
    return this.#files?.findChange(() => this.#descriptors?.logBytes())
  }

  /** Are the files those that were opened? If not, nobody else may have seen what we see. */
  #look(): void {
    if (this.#files === undefined) return
    const change = this.#findChange()
    if (change !== undefined) throw this.#change(change)
    const { links } = this.#files
    if (links > this.#links) this.#parts.onLinks?.(links)
    this.#links = links
  }

  /** Lets go of files that are not ours alone any more, on all connections of this thread. */
  #change(change: string | TenureError, cause?: unknown): TenureError {
    const error =
      typeof change === 'string' ? changedError(this.#parts.path, change, cause) : change
    const files = this.#files
    const others = [...openConnections].filter(
      (other) => other !== this && files && other.#files?.isSameAs(files),
    )
    try {
      files?.restoreLength()
      files?.removeRemains(cause !== undefined)
    } catch {
      // Nothing can be done about it here; whoever may not write the files could not use them either.
    }
    for (const connection of [this, ...others]) {
      connection.#abandon()
      connection.#isChanged = true
      connection.#parts.onChange?.(error, connection === this)
    }
    return error
  }

  #open(begin: Begin): DatabaseSync {
    if (this.#isReady) return this.#work
    const { path, schema, onChange } = this.#parts
    if (this.#files === undefined) {
      const hasTraces = clearTraces(path)
      // Of what we have left ourselves we know already.
      if (hasTraces && !this.#isChanged) {
        onChange?.(changedError(path, 'one of the three is gone'), true)
      }
      createFile(path)
    }
    const before = this.#files?.database ?? fileAt(path)
    const database = this.#work
    database.open()
    try {
      const mode = database.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode']
      if (mode !== 'wal') {
        throw new TenureError(
          'TENURE_ERR_STORE_UNUSABLE',
          `Expected that ${path} can be used in WAL mode; got the mode ${String(mode)}. ` +
            'Likely cause: the file is on a network share, which is not supported.',
        )
      }
      // FULL: a token that was handed out survives a power failure (sqlite.org/pragma.html).
      database.exec('PRAGMA synchronous = FULL')
      database.exec(`PRAGMA journal_size_limit = ${walBytesMax}`)
      if (!schema.isThere(database)) {
        database.exec('BEGIN IMMEDIATE')
        schema.create(database)
        database.exec('COMMIT')
      }
      if (!this.#guard.isOpen) this.#openGuard()
      const files = (this.#files ??= new DatabaseFiles(path))
      this.#descriptors ??= new OpenDescriptors(files)
      const isOpened = before !== undefined && isSame(before, files.database)
      // A look that keeps nothing open need not pay for this, which goes through all descriptors.
      const matters = this.#isKept || begin === 'BEGIN IMMEDIATE'
      if (!isOpened || (matters && !this.#descriptors.areOfFiles())) {
        throw changedError(path, 'others are there than those that are open')
      }
    } catch (error) {
      if (isChanged(error)) throw this.#change(error)
      this.#letGo()
      throw error
    }
    openConnections.add(this)
    this.#isChanged = false
    this.#isReady = true
    return database
  }

  #openGuard(): void {
    this.#guard.open()
    // Only what reads has `-wal` and `-shm` open, and its share of the locks.
    this.#guard.prepare('SELECT count(*) FROM sqlite_schema').get()
  }

  #statement(database: DatabaseSync, sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, (statement = database.prepare(sql)))
    return statement
  }

  #discard(): void {
    this.#statements.clear()
    this.#isReady = false
    if (this.#work.isOpen) this.#work.close()
  }

  /** After a fault: throws the connection away, but keeps the guard of one that stays open. */
  #letGo(): void {
    if (this.#files !== undefined && this.#isKept) this.#discard()
    else this.#abandon()
  }

  /** Closes the connection, and then its guard: so that neither removes anything. */
  #abandon(): void {
    this.#discard()
    if (this.#guard.isOpen) this.#guard.close()
    this.#files = undefined
    this.#descriptors = undefined
    this.#proven = false
    this.#links = 1n
    openConnections.delete(this)
  }
}

/** What a unit of work does: synchronously, with statements that are prepared once. */
export type Work<Result> = (statement: (sql: string) => StatementSync) => Result

type Begin = 'BEGIN' | 'BEGIN IMMEDIATE'
