import { createHash } from 'node:crypto'

import { createSystemClock, type Clock } from '../../clock.ts'
import { invariant } from '../../invariant.ts'
import { nextToken, tokenLimitError } from '../fencing-token.ts'
import {
  termRecordsMax,
  type AcquireReply,
  type AcquireRequest,
  type EndedTerm,
  type EndReason,
  type LeaseReading,
  type LeaseRecord,
  type LeaseStore,
  type PushedRenewal,
  type PushListener,
  type RaiseTokenReply,
  type ReleaseReply,
  type ReleaseRequest,
  type RenewReply,
  type RenewRequest,
  type ResignRequest,
  type ResignRequestReply,
  type TermRecord,
} from '../lease-store.ts'
import type { PostgresClient, PostgresClientClass } from './client.ts'
import { Connection } from './connection.ts'
import { checkMayInstall, checkVersion, install, type Installation } from './install.ts'
import { functionCall } from './patience.ts'
import { placeOf } from './place.ts'
import { isMissingSchema } from './postgres-errors.ts'
import { schemaNames, schemaSql, type SchemaNames } from './schema.ts'
import { ServerClock } from '../server/server-clock.ts'

/** What a PostgreSQL store is made of. */
export interface PostgresStoreOptions {
  /** `postgres://user:password@host:port/database`, as others write it: see its document. */
  readonly url: string
  /** The schema of the tables. @default what the URL says, or 'tenure' */
  readonly schema?: string
  /** The class `Client` of the package `pg`. */
  readonly Client: PostgresClientClass
  /** For tests. @default the clocks of this machine */
  readonly clock?: Clock
}

/**
 * Leases in a PostgreSQL database, for the instances of many machines. The server's clock decides
 * about expiry, as long as it does not outrun that of whoever asks.
 */
export class PostgresLeaseStore implements LeaseStore {
  readonly ttlMsMin = 2_000
  readonly #connection: Connection
  readonly #schema: string
  readonly #names: SchemaNames
  readonly #installation: Installation
  readonly #clock: Clock
  readonly #serverClock = new ServerClock()

  constructor(options: PostgresStoreOptions) {
    const { Client } = options
    const { url, shown, schema } = placeOf(options)
    this.#schema = schema
    this.#names = schemaNames(this.#schema)
    this.#installation = {
      schema: this.#schema,
      schemaName: this.#names.schema,
      versionTable: this.#names.version,
      sql: schemaSql(this.#schema),
      shown,
    }
    this.#clock = options.clock ?? createSystemClock()
    this.#connection = new Connection({
      url,
      shown,
      clock: this.#clock,
      createClient: (config) => new Client(config),
    })
  }

  async tryAcquire(request: AcquireRequest, signal: AbortSignal): Promise<AcquireReply> {
    const { lease, holder, application, label, jobsHash, ttlMs, observed } = request
    const { knownToken = 0, renewsWithinMs, grantWithinMs = Infinity } = request
    // What cannot be granted is refused here, so that the server is given whole numbers only.
    nextToken(lease, [knownToken])
    const grantByMs = this.#serverClock.lastlyAt(this.#clock.monotonicMs() + grantWithinMs)
    const who = [lease, holder, application, label, jobsHash]
    const watched = [observed?.token, observed?.renewals]
    const bounds = [knownToken, renewsWithinMs, grantByMs]
    const values = [...who, ttlMs, ...watched, ...bounds, this.#channelOf(lease)]
    const reply = await this.#call(this.#names.tryAcquire, values, signal)
    if (reply.kind === 'acquired') return { kind: 'acquired', token: Number(reply.token) }
    if (reply.kind === 'over') return { kind: 'over' }
    if (reply.kind === 'limit') throw tokenLimitError(lease, Number(reply.token))
    invariant(reply.record !== undefined, 'who is refused is told by what record')
    return { kind: 'held', record: this.#recordOf(lease, reply.record, reply) }
  }

  async tryRenew(request: RenewRequest, signal: AbortSignal): Promise<RenewReply> {
    const { lease, holder, token, ttlMs, jobsHash, renewsWithinMs } = request
    const who = [lease, holder, token]
    const values = [...who, ttlMs, jobsHash, renewsWithinMs, this.#channelOf(lease)]
    const reply = await this.#call(this.#names.tryRenew, values, signal)
    const record = reply.record && this.#recordOf(lease, reply.record, reply)
    if (reply.kind === 'renewed') return { kind: 'renewed', resignRequest: record?.resignRequest }
    return { kind: 'refused', cause: reply.cause ?? 'missing', by: record }
  }

  async tryRelease(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseReply> {
    const { lease, holder, token, reason } = request
    const values = [lease, holder, token, reason, this.#channelOf(lease)]
    const { kind } = await this.#call(this.#names.tryRelease, values, signal)
    return { kind: kind === 'released' ? 'released' : 'not-held' }
  }

  async tryRequestResign(
    lease: string,
    { token, by, coolDownMs }: ResignRequest,
    signal: AbortSignal,
  ): Promise<ResignRequestReply> {
    const values = [lease, token, by, coolDownMs, this.#channelOf(lease)]
    const { kind } = await this.#call(this.#names.tryRequestResign, values, signal)
    return { kind: kind === 'requested' ? 'requested' : 'not-held' }
  }

  async tryNoteEnd(lease: string, ended: EndedTerm, signal: AbortSignal): Promise<void> {
    const { holder, token, reason } = ended
    await this.#call(this.#names.tryNoteEnd, [lease, holder, token, reason], signal)
  }

  async tryRaiseToken(lease: string, token: number, signal: AbortSignal): Promise<RaiseTokenReply> {
    nextToken(lease, [token])
    const values = [lease, token, this.#channelOf(lease)]
    const reply = await this.#call(this.#names.tryRaiseToken, values, signal)
    const kind = reply.kind === 'raised' ? 'raised' : 'high-enough'
    return { kind, token: Number(reply.token) }
  }

  async read(lease: string, signal: AbortSignal): Promise<LeaseReading> {
    const names = this.#names
    const sql = `SELECT json_build_object(
      'now_ms', extract(epoch FROM clock_timestamp()) * 1000,
      'record', (SELECT to_json(r) FROM ${names.lease} r WHERE lease = $1),
      'token', ${names.lastToken}($1),
      'terms', (SELECT coalesce(json_agg(to_json(t)), '[]') FROM (
        SELECT * FROM ${names.term} WHERE lease = $1 ORDER BY token DESC LIMIT ${termRecordsMax}
      ) t))::text AS reply`
    const ask = async (client: PostgresClient): Promise<LeaseReading> => {
      const reply = await this.#ask<ReadingReply>(client, sql, [lease])
      return {
        record: reply.record ? this.#recordOf(lease, reply.record, reply) : undefined,
        token: reply.token,
        terms: reply.terms.map(termOf),
      }
    }
    return this.#connection.run(async (client) => {
      try {
        return await ask(client)
      } catch (error) {
        if (!isMissingSchema(error)) throw error
        // Whoever only looks creates nothing.
        await checkVersion(client, this.#installation)
        await checkMayInstall(client, this.#installation)
        return { record: undefined, token: 0, terms: [] }
      }
    }, signal)
  }

  watch(lease: string, listener: PushListener): () => void {
    return this.#connection.listen(this.#channelOf(lease), {
      works: () => listener.works('renewals'),
      failed: (error) => listener.failed(error),
      notified: (payload) => {
        const renewal = renewalOf(payload)
        if (renewal === undefined) return listener.changed()
        this.#serverClock.hear(renewal.nowMs, this.#clock.monotonicMs())
        listener.renewed(renewal)
      },
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  /** Calls a function of the schema, which is created first if it is missing. */
  async #call(name: string, values: Values, signal: AbortSignal): Promise<Reply> {
    // These two decide about expiry, and compare the server's clock with what we have seen of it.
    const comparesClocks = name === this.#names.tryAcquire || name === this.#names.tryRenew
    const [lease] = values
    return this.#connection.run(async (client, patienceMs) => {
      const call = (): Promise<Reply> => {
        const seen = this.#serverClock.seen(String(lease), this.#clock.monotonicMs())
        const all = comparesClocks ? [...values, seen?.seenMs, seen?.sinceMs] : values
        const { sql, values: given } = functionCall(name, all, patienceMs)
        return this.#ask(client, sql, given)
      }
      try {
        return await call()
      } catch (error) {
        if (!isMissingSchema(error)) throw error
        // Where nothing is, nothing is held.
        if (name === this.#names.tryRelease) return {}
      }
      await install(client, this.#installation, patienceMs)
      return call()
    }, signal)
  }

  /** One statement, and what the server's clock says of itself by its reply. */
  async #ask<Answer extends ReadingReply | Reply>(
    client: PostgresClient,
    sql: string,
    values: Values,
  ): Promise<Answer> {
    const sentMs = this.#clock.monotonicMs()
    const { rows } = await client.query<{ reply: string }>(sql, [...values])
    const reply = JSON.parse(rows[0]?.reply ?? '{}') as Answer
    if (reply.now_ms === undefined) return reply
    const gainMs = this.#serverClock.read(reply.now_ms, sentMs, this.#clock.monotonicMs())
    return { ...reply, gainMs }
  }

  /** The channel of a lease: any name, within the length of an identifier. */
  #channelOf(lease: string): string {
    const hash = createHash('sha256').update(`${this.#schema}\0${lease}`).digest('hex')
    return `tenure_${hash.slice(0, 40)}`
  }

  #recordOf(lease: string, row: LeaseRow, reply: Pick<Reply, 'now_ms' | 'gainMs'>): LeaseRecord {
    const { holder, token, application, ttl_ms: ttlMs, renewals } = row
    const ageMs = (reply.now_ms ?? 0) - row.renewed_ms
    const identity = { token, renewals, ttlMs }
    const isBelieved = this.#serverClock.isBelieved(lease, identity, reply.gainMs ?? 0)
    // A clock that was set back tells nothing either.
    const isKnown = isBelieved && ageMs >= 0
    return {
      holder,
      token,
      application,
      label: row.label ?? undefined,
      ttlMs,
      renewals,
      ageMs: isKnown ? ageMs : undefined,
      remainingMs: isKnown ? Math.max(0, ttlMs - ageMs) : undefined,
      resignRequest:
        row.resign_by === null
          ? undefined
          : { token, by: row.resign_by, coolDownMs: row.resign_cool_down_ms ?? 0 },
      jobsHash: row.jobs_hash ?? undefined,
      renewsWithinMs: row.renews_within_ms ?? undefined,
    }
  }
}

/** What a function is called with. */
type Values = readonly (string | number | undefined)[]

/** A row of `tenure_lease`, as JSON shows it. */
interface LeaseRow {
  readonly holder: string
  readonly token: number
  readonly application: string
  readonly label: string | null
  readonly ttl_ms: number
  readonly renewals: number
  readonly renewed_ms: number
  readonly resign_by: string | null
  readonly resign_cool_down_ms: number | null
  readonly renews_within_ms: number | null
  readonly jobs_hash: string | null
}

/** A row of `tenure_term`. */
interface TermRow {
  readonly holder: string
  readonly token: number
  readonly application: string
  readonly label: string | null
  readonly started_at_ms: number
  readonly ended_at_ms: number | null
  readonly reason: EndReason | null
}

/** What a function of the schema answers. */
interface Reply {
  readonly kind?: string
  readonly cause?: 'expired' | 'taken' | 'missing'
  readonly token?: number
  /** The server's clock, read with the locks held. */
  readonly now_ms?: number
  readonly record?: LeaseRow
  /** What the server's clock has gained on ours: added by us. */
  readonly gainMs?: number
}

interface ReadingReply extends Omit<Reply, 'record'> {
  readonly record: LeaseRow | null
  readonly token: number
  readonly terms: readonly TermRow[]
}

function termOf(row: TermRow): TermRecord {
  const { holder, token, application } = row
  return {
    holder,
    token,
    application,
    label: row.label ?? undefined,
    startedAtMs: row.started_at_ms,
    endedAtMs: row.ended_at_ms ?? undefined,
    reason: row.reason ?? undefined,
  }
}

/**
 * What a push says: a renewal, or nothing but that something has changed. Anybody who may connect to
 * the database can send one, and so may a later Tenure, in a form of its own.
 */
function renewalOf(payload: string): (PushedRenewal & { readonly nowMs: number }) | undefined {
  let pushed: Partial<Record<string, unknown>> | null
  try {
    pushed = JSON.parse(payload) as typeof pushed
  } catch {
    return undefined
  }
  const { token, renewals, ttl_ms: ttlMs, now_ms: nowMs } = pushed ?? {}
  if (!isCount(token) || !isCount(renewals) || !isTime(ttlMs) || !isTime(nowMs)) return undefined
  return { token, renewals, ttlMs, nowMs }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isTime(value: unknown): value is number {
  return Number.isFinite(value) && Number(value) > 0
}
