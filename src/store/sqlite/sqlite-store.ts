import { resolve } from 'node:path'

import { createSystemClock, type Clock } from '../../clock.ts'
import type { TenureError } from '../../errors.ts'
import { nextToken } from '../fencing-token.ts'
import {
  termRecordsMax,
  type AcquireReply,
  type AcquireRequest,
  type EndedTerm,
  type LeaseReading,
  type LeaseRecord,
  type LeaseStore,
  type PushListener,
  type RaiseTokenReply,
  type ReleaseReply,
  type ReleaseRequest,
  type RenewReply,
  type RenewRequest,
  type ResignRequest,
  type ResignRequestReply,
  type StoreNotice,
} from '../lease-store.ts'
import { createBootClock, type BootClock } from './boot-clock.ts'
import { Connection, type Work } from './connection.ts'
import { checkOneName, isChanged } from './database-files.ts'
import { recordOf, termOf } from './lease-rows.ts'
import { Quarantine } from './quarantine.ts'
import { lastTokenSql, leaseSchema, setCounterSql } from './schema.ts'
import { WakeFile } from './wake-file.ts'

type Statements = Parameters<Work<unknown>>[0]

const selectRow = 'SELECT * FROM tenure_lease WHERE lease = ?'

/** What a SQLite store is made of. */
export interface SqliteStoreOptions {
  /** The file; its folder must exist. Not on a network share: see `docs/stores/sqlite.md`. */
  readonly path: string
  /** For tests. @default the clocks of this machine */
  readonly clock?: Clock
  /** For tests. @default the monotonic clock of this boot */
  readonly bootClock?: BootClock
}

/**
 * Leases in a SQLite file, for the instances of one machine.
 *
 * There is no server whose clock could decide, so the monotonic clock of the machine does: it is
 * read once the write lock is held, and it is the same one for all processes of a boot. A record
 * that was written under another boot is taken over only after the candidate has watched it.
 */
export class SqliteLeaseStore implements LeaseStore {
  readonly ttlMsMin = 2_000
  readonly #connection: Connection
  readonly #wakeFile: WakeFile
  readonly #path: string
  readonly #clock: Clock
  readonly #bootClock: BootClock
  readonly #quarantine: Quarantine
  readonly #listeners = new Set<PushListener>()
  #closed = false

  constructor(options: SqliteStoreOptions) {
    // It is opened later, and the working directory may be another one then.
    this.#path = resolve(options.path)
    this.#clock = options.clock ?? createSystemClock()
    this.#bootClock = options.bootClock ?? createBootClock()
    this.#quarantine = new Quarantine(this.#path, this.#clock)
    this.#connection = new Connection({
      path: this.#path,
      clock: this.#clock,
      schema: leaseSchema,
      isKept: () => this.#listeners.size > 0,
      onChange: (error, isHere) => this.#changed(error, isHere),
      onLinks: (links) => this.#linked(links),
    })
    this.#wakeFile = new WakeFile(this.#path, this.#clock)
  }

  async checkStart(): Promise<void> {
    checkOneName(this.#path)
  }

  async tryAcquire(request: AcquireRequest, signal: AbortSignal): Promise<AcquireReply> {
    const { grantWithinMs = Infinity } = request
    const grantByMs = this.#bootClock.nowMs() + grantWithinMs
    this.#wakeFile.follow()
    this.#quarantine.sees(request.ttlMs)
    if (this.#connection.isGone) this.#quarantine.check()
    // Most candidates are refused, and a refusal need not wait for the write lock.
    const held = await this.#connection.read((sql) => this.#heldBy(sql, request), signal)
    if (held !== undefined) {
      this.#quarantine.sees(held.ttlMs)
      return { kind: 'held', record: held }
    }
    this.#quarantine.check()
    const acquire: Work<AcquireReply> = (sql) => this.#acquire(sql, request, grantByMs)
    const reply = await this.#connection.write(acquire, signal)
    if (reply.kind === 'acquired') {
      this.#quarantine.holds(request)
      // The counter is to outlast a `-wal` that somebody removes; the reply does not wait for it.
      this.#soon(() => this.#connection.checkpoint())
    }
    return reply
  }

  async tryRenew(request: RenewRequest, signal: AbortSignal): Promise<RenewReply> {
    this.#wakeFile.follow()
    this.#quarantine.sees(request.ttlMs)
    this.#quarantine.holds(request)
    const gone = { kind: 'refused', cause: 'missing', by: undefined } as const
    if (this.#quarantine.hasEnded(request)) return gone
    try {
      return await this.#connection.write((sql) => this.#renew(sql, request), signal)
    } catch (error) {
      if (isChanged(error)) return gone
      throw error
    }
  }

  async tryRelease(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseReply> {
    const { lease, holder, token } = request
    const released = await this.#again(() =>
      this.#connection.write((sql) => {
        const { changes } = sql(
          'DELETE FROM tenure_lease WHERE lease = ? AND holder = ? AND token = ?',
        ).run(lease, holder, token)
        if (changes === 0) return false
        this.#noteEnd(sql, lease, request)
        return true
      }, signal),
    )
    if (!released) return { kind: 'not-held' }
    this.#wakeFile.touch()
    return { kind: 'released' }
  }

  async tryRequestResign(
    lease: string,
    { token, by, coolDownMs }: ResignRequest,
    signal: AbortSignal,
  ): Promise<ResignRequestReply> {
    const requested = await this.#again(() =>
      this.#connection.write(
        (sql) =>
          sql(
            `UPDATE tenure_lease SET resign_by = ?, resign_cool_down_ms = ?
              WHERE lease = ? AND token = ?`,
          ).run(by, coolDownMs, lease, token).changes,
        signal,
      ),
    )
    if (!requested) return { kind: 'not-held' }
    this.#wakeFile.touch()
    return { kind: 'requested' }
  }

  async tryRaiseToken(lease: string, token: number, signal: AbortSignal): Promise<RaiseTokenReply> {
    nextToken(lease, [token])
    const reply = await this.#connection.write((sql): RaiseTokenReply => {
      const last = Number(sql(lastTokenSql).get(lease)?.['token'])
      if (last >= token) return { kind: 'high-enough', token: last }
      sql(setCounterSql).run(lease, token)
      return { kind: 'raised', token }
    }, signal)
    if (reply.kind === 'raised') this.#wakeFile.touch()
    return reply
  }

  async read(lease: string, signal: AbortSignal): Promise<LeaseReading> {
    const nothing: LeaseReading = { record: undefined, token: 0, terms: [] }
    if (this.#connection.isMissing) return nothing
    const read = (): Promise<LeaseReading> =>
      this.#connection.read((sql) => {
        const row = sql(selectRow).get(lease)
        const last = sql(lastTokenSql).get(lease)
        const terms = sql(
          'SELECT * FROM tenure_term WHERE lease = ? ORDER BY token DESC LIMIT ?',
        ).all(lease, termRecordsMax)
        return {
          record: row && recordOf(row, this.#bootClock),
          token: Number(last?.['token'] ?? 0),
          terms: terms.map(termOf),
        }
      }, signal)
    return (await this.#again(read)) ?? nothing
  }

  async tryNoteEnd(lease: string, ended: EndedTerm, signal: AbortSignal): Promise<void> {
    await this.#again(() =>
      this.#connection.write((sql) => this.#noteEnd(sql, lease, ended), signal),
    )
  }

  watch(_lease: string, listener: PushListener): () => void {
    this.#listeners.add(listener)
    const unwatch = this.#wakeFile.watch(listener)
    return () => {
      this.#listeners.delete(listener)
      unwatch()
    }
  }

  /**
   * Does what depends on no term that was held in other files, and so may be done in those that are
   * there now. Where there are none, there is nothing to do, and none is made.
   */
  async #again<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
    if (this.#connection.isGone) return undefined
    try {
      return await work()
    } catch (error) {
      if (!isChanged(error)) throw error
    }
    return this.#connection.isGone ? undefined : work()
  }

  /** Somebody else has changed the files: what is held here counts for nobody else. */
  #changed(error: TenureError, isHere: boolean): void {
    const { waitMs, isNews } = this.#quarantine.begin()
    if (isNews) {
      const message =
        `${error.message} The term that was held in these files, if any, ends; this instance takes ` +
        `no lease for ${Math.ceil(waitMs)} ms, so that whoever else had them open has ended.`
      this.#notice({ event: 'store_files_changed', message })
    }
    // The ledger has found out: a leader looks at once.
    if (!isHere) this.#soon(() => this.#listeners.forEach((listener) => listener.changed()))
  }

  #linked(links: bigint): void {
    const message =
      `The file ${this.#path} has ${links} names (hard links), perhaps by a backup. Nobody may open it ` +
      'by the other ones: they do not share its locks. An instance that starts while they are there ' +
      'is refused.'
    this.#notice({ event: 'store_file_linked', message })
  }

  #notice(notice: StoreNotice): void {
    this.#soon(() => this.#listeners.forEach((listener) => listener.noticed?.(notice)))
  }

  #soon(work: () => void): void {
    this.#clock.setTimer(0, () => {
      if (!this.#closed) work()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#wakeFile.close()
    this.#connection.close()
  }

  /** The record that stands in the way of this acquisition, if there is one. */
  #heldBy(sql: Statements, { lease, holder, observed }: AcquireRequest): LeaseRecord | undefined {
    const row = sql(selectRow).get(lease)
    if (row === undefined || row['holder'] === holder) return undefined
    const record = recordOf(row, this.#bootClock)
    const unchanged = observed?.token === record.token && observed.renewals === record.renewals
    return unchanged || record.remainingMs === 0 ? undefined : record
  }

  #acquire(sql: Statements, request: AcquireRequest, grantByMs: number): AcquireReply {
    const { lease, holder, application, label, ttlMs, jobsHash = null } = request
    const { knownToken = 0, renewsWithinMs = null } = request
    const held = this.#heldBy(sql, request)
    if (held !== undefined) return { kind: 'held', record: held }
    // The clock is read here, with the write lock held: a reading from before waiting for the
    // lock would be too early, and the lease too short.
    const nowMs = this.#bootClock.nowMs()
    // Whoever has sent it waits no longer.
    if (nowMs > grantByMs) return { kind: 'over' }
    const retried = sql(
      `UPDATE tenure_lease SET ttl_ms = max(?, ttl_ms - max(0, ? - renewed_ms)), renewals = renewals + 1,
          clock = ?, renewed_ms = ?, jobs_hash = ?, renews_within_ms = ?
        WHERE lease = ? AND holder = ? RETURNING token`,
    ).get(ttlMs, nowMs, this.#bootClock.id, nowMs, jobsHash, renewsWithinMs, lease, holder)
    if (retried !== undefined) return { kind: 'acquired', token: Number(retried['token']) }
    const ended = sql(
      'SELECT 1 FROM tenure_term WHERE lease = ? AND holder = ? AND ended_at_ms IS NOT NULL',
    ).get(lease, holder)
    if (ended !== undefined) return { kind: 'over' }

    const last = Number(sql(lastTokenSql).get(lease)?.['token'])
    const token = nextToken(lease, [last, knownToken])
    sql(setCounterSql).run(lease, token)
    sql(
      `INSERT OR REPLACE INTO tenure_lease (lease, holder, token, application, label, ttl_ms,
        renewals, clock, renewed_ms, jobs_hash, renews_within_ms)
        VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?)`,
    ).run(
      lease,
      holder,
      token,
      application,
      label ?? null,
      ttlMs,
      this.#bootClock.id,
      nowMs,
      jobsHash,
      renewsWithinMs,
    )
    const wallMs = Math.round(this.#clock.wallMs())
    sql(
      `UPDATE tenure_term SET ended_at_ms = ?, reason = 'crashed'
        WHERE lease = ? AND ended_at_ms IS NULL`,
    ).run(wallMs, lease)
    sql(
      `INSERT INTO tenure_term (lease, token, holder, application, label, started_at_ms)
        VALUES (?, ?, ?, ?, ?, ?)`,
    ).run(lease, token, holder, application, label ?? null, wallMs)
    // By their number, and not by their tokens, which may have left some out.
    sql(
      `DELETE FROM tenure_term WHERE lease = ? AND token <=
        (SELECT token FROM tenure_term WHERE lease = ? ORDER BY token DESC LIMIT 1 OFFSET ?)`,
    ).run(lease, lease, termRecordsMax)
    return { kind: 'acquired', token }
  }

  #renew(sql: Statements, request: RenewRequest): RenewReply {
    const { lease, holder, token, ttlMs, jobsHash = null, renewsWithinMs = null } = request
    const row = sql(selectRow).get(lease)
    if (row === undefined) return { kind: 'refused', cause: 'missing', by: undefined }
    const record = recordOf(row, this.#bootClock)
    if (record.holder !== holder || record.token !== token) {
      return { kind: 'refused', cause: 'taken', by: record }
    }
    // Of another boot's clock nothing is known, and so not that the lease still stands.
    if (record.remainingMs === undefined || record.remainingMs === 0) {
      return { kind: 'refused', cause: 'expired', by: undefined }
    }
    sql(
      `UPDATE tenure_lease SET ttl_ms = ?, renewals = renewals + 1, renewed_ms = ?, jobs_hash = ?,
          renews_within_ms = ?
        WHERE lease = ? AND holder = ? AND token = ?`,
    ).run(
      Math.max(ttlMs, record.remainingMs),
      this.#bootClock.nowMs(),
      jobsHash,
      renewsWithinMs,
      lease,
      holder,
      token,
    )
    return { kind: 'renewed', resignRequest: record.resignRequest }
  }

  #noteEnd(sql: Statements, lease: string, { holder, token, reason }: EndedTerm): void {
    sql(
      `UPDATE tenure_term SET reason = ?, ended_at_ms = ifnull(ended_at_ms, ?)
        WHERE lease = ? AND token = ? AND holder = ? AND ifnull(reason, 'crashed') = 'crashed'`,
    ).run(reason, Math.round(this.#clock.wallMs()), lease, token, holder)
  }
}
