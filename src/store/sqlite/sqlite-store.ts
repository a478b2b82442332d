import { resolve } from 'node:path'
import type { SQLOutputValue } from 'node:sqlite'

import { createSystemClock, type Clock } from '../../clock.ts'
import {
  termRecordsMax,
  type AcquireReply,
  type AcquireRequest,
  type EndedTerm,
  type EndReason,
  type LeaseReading,
  type LeaseRecord,
  type LeaseStore,
  type PushListener,
  type ReleaseReply,
  type ReleaseRequest,
  type RenewReply,
  type RenewRequest,
  type ResignRequest,
  type ResignRequestReply,
  type TermRecord,
} from '../lease-store.ts'
import { createBootClock, type BootClock } from './boot-clock.ts'
import { Connection, type Work } from './connection.ts'
import { leaseSchema } from './schema.ts'
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
  readonly #clock: Clock
  readonly #bootClock: BootClock

  constructor(options: SqliteStoreOptions) {
    this.#clock = options.clock ?? createSystemClock()
    this.#bootClock = options.bootClock ?? createBootClock()
    // It is opened later, and the working directory may be another one then.
    const path = resolve(options.path)
    this.#connection = new Connection(path, this.#clock, leaseSchema)
    this.#wakeFile = new WakeFile(path, this.#clock)
  }

  async tryAcquire(request: AcquireRequest, signal: AbortSignal): Promise<AcquireReply> {
    // Most candidates are refused, and a refusal need not wait for the write lock.
    const held = await this.#connection.read((sql) => this.#heldBy(sql, request), signal)
    if (held !== undefined) return { kind: 'held', record: held }
    return this.#connection.write((sql) => this.#acquire(sql, request), signal)
  }

  async tryRenew(request: RenewRequest, signal: AbortSignal): Promise<RenewReply> {
    return this.#connection.write((sql) => this.#renew(sql, request), signal)
  }

  async tryRelease(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseReply> {
    const { lease, holder, token } = request
    if (this.#connection.isMissing) return { kind: 'not-held' }
    const released = await this.#connection.write((sql) => {
      const { changes } = sql(
        'DELETE FROM tenure_lease WHERE lease = ? AND holder = ? AND token = ?',
      ).run(lease, holder, token)
      if (changes === 0) return false
      this.#noteEnd(sql, lease, request)
      return true
    }, signal)
    if (!released) return { kind: 'not-held' }
    this.#wakeFile.touch()
    return { kind: 'released' }
  }

  async tryRequestResign(
    lease: string,
    { token, by, coolDownMs }: ResignRequest,
    signal: AbortSignal,
  ): Promise<ResignRequestReply> {
    const requested = await this.#connection.write(
      (sql) =>
        sql(
          `UPDATE tenure_lease SET resign_by = ?, resign_cool_down_ms = ?
            WHERE lease = ? AND token = ?`,
        ).run(by, coolDownMs, lease, token).changes,
      signal,
    )
    if (requested === 0) return { kind: 'not-held' }
    this.#wakeFile.touch()
    return { kind: 'requested' }
  }

  async read(lease: string, signal: AbortSignal): Promise<LeaseReading> {
    if (this.#connection.isMissing) return { record: undefined, token: 0, terms: [] }
    return this.#connection.read((sql) => {
      const row = sql(selectRow).get(lease)
      const counter = sql('SELECT token FROM tenure_token WHERE lease = ?').get(lease)
      const terms = sql(
        'SELECT * FROM tenure_term WHERE lease = ? ORDER BY token DESC LIMIT ?',
      ).all(lease, termRecordsMax)
      return {
        record: row && this.#recordOf(row),
        token: Number(counter?.['token'] ?? 0),
        terms: terms.map(termOf),
      }
    }, signal)
  }

  async tryNoteEnd(lease: string, ended: EndedTerm, signal: AbortSignal): Promise<void> {
    await this.#connection.write((sql) => this.#noteEnd(sql, lease, ended), signal)
  }

  watch(_lease: string, listener: PushListener): () => void {
    return this.#wakeFile.watch(listener)
  }

  async close(): Promise<void> {
    this.#wakeFile.close()
    this.#connection.close()
  }

  /** The record that stands in the way of this acquisition, if there is one. */
  #heldBy(sql: Statements, { lease, holder, observed }: AcquireRequest): LeaseRecord | undefined {
    const row = sql(selectRow).get(lease)
    if (row === undefined || row['holder'] === holder) return undefined
    const record = this.#recordOf(row)
    const unchanged = observed?.token === record.token && observed.renewals === record.renewals
    return unchanged || record.remainingMs === 0 ? undefined : record
  }

  #acquire(sql: Statements, request: AcquireRequest): AcquireReply {
    const { lease, holder, application, label, ttlMs, jobsHash = null } = request
    const held = this.#heldBy(sql, request)
    if (held !== undefined) return { kind: 'held', record: held }
    // The clock is read here, with the write lock held: a reading from before waiting for the
    // lock would be too early, and the lease too short.
    const nowMs = this.#bootClock.nowMs()
    const retried = sql(
      `UPDATE tenure_lease SET ttl_ms = max(?, ttl_ms - max(0, ? - renewed_ms)), renewals = renewals + 1,
          clock = ?, renewed_ms = ?, jobs_hash = ?
        WHERE lease = ? AND holder = ? RETURNING token`,
    ).get(ttlMs, nowMs, this.#bootClock.id, nowMs, jobsHash, lease, holder)
    if (retried !== undefined) return { kind: 'acquired', token: Number(retried['token']) }

    const counter = sql(
      `INSERT INTO tenure_token (lease, token) VALUES (?, 1)
        ON CONFLICT (lease) DO UPDATE SET token = token + 1 RETURNING token`,
    ).get(lease)
    const token = Number(counter?.['token'])
    sql(
      `INSERT OR REPLACE INTO tenure_lease
        (lease, holder, token, application, label, ttl_ms, renewals, clock, renewed_ms, jobs_hash)
        VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
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
    sql('DELETE FROM tenure_term WHERE lease = ? AND token <= ?').run(lease, token - termRecordsMax)
    return { kind: 'acquired', token }
  }

  #renew(sql: Statements, request: RenewRequest): RenewReply {
    const { lease, holder, token, ttlMs, jobsHash = null } = request
    const row = sql(selectRow).get(lease)
    if (row === undefined) return { kind: 'refused', cause: 'missing', by: undefined }
    const record = this.#recordOf(row)
    if (record.holder !== holder || record.token !== token) {
      return { kind: 'refused', cause: 'taken', by: record }
    }
    // Of another boot's clock nothing is known, and so not that the lease still stands.
    if (record.remainingMs === undefined || record.remainingMs === 0) {
      return { kind: 'refused', cause: 'expired', by: undefined }
    }
    sql(
      `UPDATE tenure_lease SET ttl_ms = ?, renewals = renewals + 1, renewed_ms = ?, jobs_hash = ?
        WHERE lease = ? AND holder = ? AND token = ?`,
    ).run(
      Math.max(ttlMs, record.remainingMs),
      this.#bootClock.nowMs(),
      jobsHash,
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

  #recordOf(row: Row): LeaseRecord {
    const ttlMs = Number(row['ttl_ms'])
    const token = Number(row['token'])
    const ageMs = this.#ageMs(row)
    const by = textOf(row['resign_by'])
    return {
      holder: String(row['holder']),
      token,
      application: String(row['application']),
      label: textOf(row['label']),
      ttlMs,
      renewals: Number(row['renewals']),
      ageMs,
      remainingMs: ageMs === undefined ? undefined : Math.max(0, ttlMs - ageMs),
      resignRequest:
        by === undefined
          ? undefined
          : { token, by, coolDownMs: Number(row['resign_cool_down_ms']) },
      jobsHash: textOf(row['jobs_hash']),
    }
  }

  /** The age of a renewal that was written on the clock that is read here; else unknown. */
  #ageMs(row: Row): number | undefined {
    if (row['clock'] !== this.#bootClock.id) return undefined
    const ageMs = this.#bootClock.nowMs() - Number(row['renewed_ms'])
    return ageMs < 0 ? undefined : ageMs
  }
}

type Row = Record<string, SQLOutputValue>

function termOf(row: Row): TermRecord {
  const endedAtMs = row['ended_at_ms']
  return {
    holder: String(row['holder']),
    token: Number(row['token']),
    application: String(row['application']),
    label: textOf(row['label']),
    startedAtMs: Number(row['started_at_ms']),
    endedAtMs: endedAtMs === null ? undefined : Number(endedAtMs),
    reason: (textOf(row['reason']) as EndReason | undefined) ?? undefined,
  }
}

function textOf(value: SQLOutputValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
