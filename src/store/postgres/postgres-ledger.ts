import { createSystemClock } from '../../clock.ts'
import { check, storedError } from '../ledger/checks.ts'
import type {
  AbandonReply,
  AbandonRequest,
  ClaimOutcome,
  ClaimReply,
  ClaimRequest,
  EndOutcome,
  LedgerAuthor,
  LedgerJob,
  LedgerReading,
  LedgerStore,
  PruneReply,
  PruneRequest,
  ReadJobsRequest,
  ReadRunsRequest,
  RecordReply,
  RecordRequest,
  RegisterReply,
  RegisterRequest,
  SetPausedRequest,
  SkipOutcome,
  Superseded,
} from '../ledger-store.ts'
import type {
  ReadSchedulesReply,
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'
import type { PostgresClient } from './client.ts'
import { Connection } from './connection.ts'
import { checkMayInstall, checkVersion, exists, install, type Installation } from './install.ts'
import {
  changeOf,
  jobOf,
  runOf,
  skipOf,
  type JobRow,
  type RunRow,
  type ScheduleRow,
  type SkipRow,
} from './ledger-rows.ts'
import { ledgerNames, ledgerSql, type LedgerNames } from './ledger-schema.ts'
import { functionCall } from './patience.ts'
import { placeOf } from './place.ts'
import { isMissingSchema } from './postgres-errors.ts'
import type { PostgresStoreOptions } from './postgres-store.ts'
import { schemaNames, schemaSql } from './schema.ts'

type Value = string | number | boolean | undefined

/** How a claim is answered, as JSON shows it. */
interface ClaimRow {
  readonly kind: ClaimOutcome['kind']
  readonly by?: string | null
}

/** The ledger in the database of the leases, on a connection of its own. */
export class PostgresLedgerStore implements LedgerStore {
  readonly #connection: Connection
  readonly #names: LedgerNames
  readonly #installation: Installation
  /** The tables of the leases, for who stores a job before anybody was a candidate. */
  readonly #leases: Installation

  constructor(options: PostgresStoreOptions) {
    const { Client, clock = createSystemClock() } = options
    const { url, shown, schema } = placeOf(options)
    this.#names = ledgerNames(schema)
    const where = { schema, schemaName: schemaNames(schema).schema, shown }
    this.#installation = {
      ...where,
      versionTable: this.#names.version,
      sql: ledgerSql(schema),
    }
    this.#leases = {
      ...where,
      versionTable: schemaNames(schema).version,
      sql: schemaSql(schema),
    }
    this.#connection = new Connection({
      url,
      shown,
      clock,
      createClient: (config) => new Client(config),
    })
  }

  async tryRegister(request: RegisterRequest, signal: AbortSignal): Promise<RegisterReply> {
    check('tryRegister', request)
    const values = [JSON.stringify(request.jobs)]
    const reply = await this.#write<Answered<{ jobs: readonly JobRow[] }>>(
      this.#names.tryRegister,
      request,
      values,
      signal,
    )
    return reply.kind === 'superseded' ? reply : { ...reply, jobs: reply.jobs.map(jobOf) }
  }

  async tryClaim(request: ClaimRequest, signal: AbortSignal): Promise<ClaimReply> {
    check('tryClaim', request)
    const values = [JSON.stringify(request.claims)]
    const reply = await this.#write<Answered<{ outcomes: readonly ClaimRow[] }>>(
      this.#names.tryClaim,
      request,
      values,
      signal,
    )
    if (reply.kind === 'superseded') return reply
    const outcomes = reply.outcomes.map(({ kind, by }): ClaimOutcome =>
      kind === 'taken' ? { kind, by: by ?? undefined } : { kind },
    )
    return { kind: 'answered', outcomes }
  }

  async tryRecord(request: RecordRequest, signal: AbortSignal): Promise<RecordReply> {
    check('tryRecord', request)
    const ends = request.ends.map((end) => ({ ...end, error: storedError(end.error) }))
    const values = [JSON.stringify(ends), JSON.stringify(request.skips)]
    type Lists = { ends: readonly EndOutcome[]; skips: readonly SkipOutcome[] }
    return this.#write<Answered<Lists>>(this.#names.tryRecord, request, values, signal)
  }

  async tryAbandon(request: AbandonRequest, signal: AbortSignal): Promise<AbandonReply> {
    type Lists = { abandoned: readonly RunRow[]; owed: readonly RunRow[] }
    const reply = await this.#write<Answered<Lists>>(
      this.#names.tryAbandon,
      request,
      [request.atMs],
      signal,
    )
    if (reply.kind === 'superseded') return reply
    const { abandoned, owed } = reply
    return { kind: 'answered', abandoned: abandoned.map(runOf), owed: owed.map(runOf) }
  }

  async tryPrune(request: PruneRequest, signal: AbortSignal): Promise<PruneReply> {
    const { keepRuns, keepAgeMs, forgetAgeMs, nowMs, followedRevision, afterJobId } = request
    type Progress = { removed: number; more: boolean; last: string | null }
    const reply = await this.#write<Answered<Progress>>(
      this.#names.tryPrune,
      request,
      [keepRuns, nowMs - keepAgeMs, nowMs - forgetAgeMs, followedRevision, afterJobId],
      signal,
    )
    if (reply.kind === 'superseded') return reply
    const { removed, more, last } = reply
    return {
      kind: 'answered',
      removed,
      next: more ? { afterJobId: last ?? undefined } : undefined,
    }
  }

  async trySetPaused(request: SetPausedRequest, signal: AbortSignal): Promise<readonly string[]> {
    const { lease, jobIds, paused, registers, nowMs } = request
    check('trySetPaused', request)
    const values = [lease, JSON.stringify(jobIds), paused, registers, nowMs]
    const name = this.#names.trySetPaused
    const reply = registers
      ? await this.#callAnyhow<string[]>(name, values, signal)
      : await this.#call<string[]>(name, values, signal)
    const known = new Set(reply)
    return jobIds.filter((jobId) => known.has(jobId))
  }

  async tryStoreSchedule(
    request: StoreScheduleRequest,
    signal: AbortSignal,
  ): Promise<StoreScheduleReply> {
    check('tryStoreSchedule', request)
    const { jobId, handler, words, text, storedAtMs } = request.schedule
    const what = [jobId, handler, words, text, storedAtMs]
    const values = [request.lease, ...what, request.onConflict === 'replace']
    const name = this.#names.tryStoreSchedule
    return (await this.#callAnyhow<StoreScheduleReply>(name, values, signal)) ?? { kind: 'exists' }
  }

  async tryRemoveSchedule(
    { lease, jobId }: RemoveScheduleRequest,
    signal: AbortSignal,
  ): Promise<RemoveScheduleReply> {
    const { tryRemoveSchedule: name } = this.#names
    const reply = await this.#call<RemoveScheduleReply>(name, [lease, jobId], signal)
    return reply ?? { kind: 'unknown' }
  }

  async readSchedules(
    request: ReadSchedulesRequest,
    signal: AbortSignal,
  ): Promise<ReadSchedulesReply> {
    check('readSchedules', request)
    const { lease, afterRevision, limit } = request
    const { schedule, job } = this.#names
    const rows = await this.#read<ScheduleRow[]>(
      `SELECT coalesce(json_agg(to_json(s)), '[]')::text AS reply FROM (
        SELECT s.*, paused FROM ${schedule} s
          LEFT JOIN ${job} j ON j.lease = s.lease AND j.job_id = s.job_id
          WHERE s.lease = $1 AND revision > $2 ORDER BY revision LIMIT $3) s`,
      [lease, afterRevision, limit],
      signal,
    )
    return { kind: 'answered', changes: (rows ?? []).map(changeOf) }
  }

  async readJobs(request: ReadJobsRequest, signal: AbortSignal): Promise<readonly LedgerJob[]> {
    const { lease, afterJobId = '', limit } = request
    check('readJobs', request)
    const rows = await this.#read<JobRow[]>(
      `SELECT coalesce(json_agg(to_json(j)), '[]')::text AS reply FROM (
        SELECT * FROM ${this.#names.job} WHERE lease = $1 AND job_id > $2
          ORDER BY job_id LIMIT $3) j`,
      [lease, afterJobId, limit],
      signal,
    )
    return (rows ?? []).map(jobOf)
  }

  async readRuns(request: ReadRunsRequest, signal: AbortSignal): Promise<LedgerReading> {
    const { lease, jobId, limit } = request
    check('readRuns', request)
    const { run, skip } = this.#names
    // The sum keeps the server from looking for one job along the index of all of them.
    const [which, plus] =
      jobId === undefined ? ['lease = $1', ''] : ['lease = $1 AND job_id = $3', ' + 0']
    const newest = (table: string, first: string, ...then: readonly string[]): string => {
      const order = [`${first}${plus}`, ...then].map((column) => `${column} DESC`).join(', ')
      return `(SELECT coalesce(json_agg(to_json(t)), '[]') FROM (
        SELECT * FROM ${table} WHERE ${which} ORDER BY ${order} LIMIT $2) t)`
    }
    const reply = await this.#read<{ runs: RunRow[]; skips: SkipRow[] }>(
      `SELECT json_build_object(
        'runs', ${newest(run, 'started_at_ms', 'tick_ms', 'attempt', 'job_id', 'slot')},
        'skips', ${newest(skip, 'until_tick_ms', 'job_id', 'tick_ms')})::text AS reply`,
      jobId === undefined ? [lease, limit] : [lease, limit, jobId],
      signal,
    )
    const { runs = [], skips = [] } = reply ?? {}
    return { runs: runs.map(runOf), skips: skips.map(skipOf) }
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  /** Calls a verb of the last term. */
  async #write<Answer>(
    name: string,
    { lease, token }: LedgerAuthor,
    values: readonly Value[],
    signal: AbortSignal,
  ): Promise<Answer | Superseded> {
    const reply = await this.#call<Answer | Superseded>(name, [lease, token, ...values], signal)
    return reply ?? { kind: 'superseded', token: 0 }
  }

  /**
   * Calls a function of the schema, which is created first where it is missing; not where the
   * tables of the leases are: there nobody has been granted anything, and the reply is `undefined`.
   */
  #call<Reply>(
    name: string,
    values: readonly Value[],
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    return this.#connection.run(async (client, patienceMs) => {
      const { sql, values: given } = functionCall(name, values, patienceMs)
      try {
        return await ask<Reply>(client, sql, given)
      } catch (error) {
        if (!isMissingSchema(error)) throw error
        if (!(await exists(client, this.#names.token))) return undefined
        await install(client, this.#installation, patienceMs)
        return ask<Reply>(client, sql, given)
      }
    }, signal)
  }

  /** The same, also where nobody has been a candidate yet. */
  async #callAnyhow<Reply>(
    name: string,
    values: readonly Value[],
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    const reply = await this.#call<Reply>(name, values, signal)
    if (reply !== undefined) return reply
    await this.#connection.run(
      (client, patienceMs) => install(client, this.#leases, patienceMs),
      signal,
    )
    return this.#call(name, values, signal)
  }

  /** Reads; `undefined` where there are no tables, which whoever only looks does not create. */
  #read<Reply>(
    sql: string,
    values: readonly Value[],
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    return this.#connection.run(async (client) => {
      try {
        return await ask<Reply>(client, sql, values)
      } catch (error) {
        if (!isMissingSchema(error)) throw error
        await checkVersion(client, this.#installation)
        await checkMayInstall(client, this.#installation)
        return undefined
      }
    }, signal)
  }
}

type Answered<Lists> = Lists & { readonly kind: 'answered' }

async function ask<Reply>(
  client: PostgresClient,
  sql: string,
  values: readonly Value[],
): Promise<Reply> {
  const { rows } = await client.query<{ reply: string }>(sql, [...values])
  return JSON.parse(rows[0]?.reply ?? 'null') as Reply
}
