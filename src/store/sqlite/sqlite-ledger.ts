import { resolve } from 'node:path'

import { createSystemClock, type Clock } from '../../clock.ts'
import {
  checkBatch,
  checkChanges,
  checkClaims,
  checkRecords,
  checkRegistrations,
  checkStored,
  storedError,
} from '../ledger-checks.ts'
import {
  ledgerBatchMax,
  prunedRowsMax,
  type AbandonReply,
  type AbandonRequest,
  type ClaimOutcome,
  type ClaimReply,
  type ClaimRequest,
  type EndOutcome,
  type JobRegistration,
  type LedgerAuthor,
  type LedgerJob,
  type LedgerReading,
  type LedgerStore,
  type PruneReply,
  type PruneRequest,
  type ReadJobsRequest,
  type ReadRunsRequest,
  type RecordReply,
  type RecordRequest,
  type RegisterReply,
  type RegisterRequest,
  type RunClaim,
  type RunEnd,
  type RunKey,
  type RunTrigger,
  type SetPausedRequest,
  type SkipOutcome,
  type Superseded,
  type TickSkip,
} from '../ledger-store.ts'
import type {
  ReadSchedulesReply,
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'
import { Connection, type Work } from './connection.ts'
import { isChanged } from './database-files.ts'
import { jobOf, runOf, skipOf, type Row } from './ledger-rows.ts'
import { ledgerSchema } from './ledger-schema.ts'
import { lastTokenSql, setCounterSql } from './schema.ts'
import {
  forgetSchedules,
  isStored,
  readSchedules,
  removeSchedule,
  storeSchedule,
  touchSchedule,
} from './schedule-rows.ts'

type Statements = Parameters<Work<unknown>>[0]

const whereRun =
  'WHERE lease = ? AND job_id = ? AND tick_ms = ? AND attempt = ? AND slot = ? AND run_id = ?'

/** What a SQLite ledger is made of. */
export interface SqliteLedgerOptions {
  /** The file of the leases. */
  readonly path: string
  /** For tests. @default the clocks of this machine */
  readonly clock?: Clock
}

/**
 * The ledger in the file of the leases, on a connection of its own. The write lock is what no
 * acquisition can come between: it is held from the comparison of the token to the commit.
 */
export class SqliteLedgerStore implements LedgerStore {
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

  async tryRegister(request: RegisterRequest, signal: AbortSignal): Promise<RegisterReply> {
    checkRegistrations(request)
    return this.#write(request, signal, (sql) => ({
      kind: 'answered',
      jobs: request.jobs.map((job) => register(sql, request, job)),
    }))
  }

  async tryClaim(request: ClaimRequest, signal: AbortSignal): Promise<ClaimReply> {
    checkClaims(request)
    return this.#write(request, signal, (sql) => ({
      kind: 'answered',
      outcomes: request.claims.map((run) => claim(sql, request, run)),
    }))
  }

  async tryRecord(request: RecordRequest, signal: AbortSignal): Promise<RecordReply> {
    checkRecords(request)
    return this.#write(request, signal, (sql) => ({
      kind: 'answered',
      ends: request.ends.map((run) => end(sql, request, run)),
      skips: request.skips.map((ticks) => skip(sql, request, ticks)),
    }))
  }

  async tryAbandon(request: AbandonRequest, signal: AbortSignal): Promise<AbandonReply> {
    const { lease, token, atMs } = request
    return this.#write(request, signal, (sql) => {
      // Without statistics SQLite would rather go through all runs of the lease than through these.
      sql(
        `UPDATE tenure_run INDEXED BY tenure_run_running
          SET outcome = 'abandoned', finished_at_ms = ?, abandoned_by = ?,
            retry_at_ms = iif(rerun = 1, ?, NULL)
          WHERE lease = ? AND outcome IS NULL AND token <> ?`,
      ).run(atMs, token, atMs, lease, token)
      const abandoned = sql(
        `SELECT * FROM tenure_run INDEXED BY tenure_run_abandoned
          WHERE lease = ? AND abandoned_by = ? AND abandoned_by IS NOT NULL
          ORDER BY started_at_ms, tick_ms, attempt`,
      ).all(lease, token)
      const owed = sql(
        `SELECT * FROM tenure_run INDEXED BY tenure_run_owed
          WHERE lease = ? AND retry_at_ms IS NOT NULL
          ORDER BY started_at_ms, tick_ms, attempt`,
      ).all(lease)
      return { kind: 'answered', abandoned: abandoned.map(runOf), owed: owed.map(runOf) }
    })
  }

  async tryPrune(request: PruneRequest, signal: AbortSignal): Promise<PruneReply> {
    return this.#write(request, signal, (sql) => {
      forgetSchedules(sql, request.lease, request.followedRevision)
      return prune(sql, request)
    })
  }

  async trySetPaused(request: SetPausedRequest, signal: AbortSignal): Promise<readonly string[]> {
    checkBatch(request.jobIds.length, 'jobs')
    if (this.#connection.isMissing && !request.registers) return []
    return this.#connection.write((sql) => setPaused(sql, request), signal)
  }

  async tryStoreSchedule(
    request: StoreScheduleRequest,
    signal: AbortSignal,
  ): Promise<StoreScheduleReply> {
    checkStored(request)
    return this.#connection.write((sql) => storeSchedule(sql, request), signal)
  }

  async tryRemoveSchedule(
    request: RemoveScheduleRequest,
    signal: AbortSignal,
  ): Promise<RemoveScheduleReply> {
    if (this.#connection.isMissing) return { kind: 'unknown' }
    return this.#connection.write((sql) => removeSchedule(sql, request), signal)
  }

  async readSchedules(
    request: ReadSchedulesRequest,
    signal: AbortSignal,
  ): Promise<ReadSchedulesReply> {
    checkChanges(request)
    if (this.#connection.isMissing) return { kind: 'answered', changes: [] }
    const changes = await this.#connection.read((sql) => readSchedules(sql, request), signal)
    return { kind: 'answered', changes }
  }

  async readJobs(request: ReadJobsRequest, signal: AbortSignal): Promise<readonly LedgerJob[]> {
    checkBatch(request.limit, 'jobs')
    if (this.#connection.isMissing) return []
    return this.#connection.read((sql) => readJobs(sql, request), signal)
  }

  async readRuns(request: ReadRunsRequest, signal: AbortSignal): Promise<LedgerReading> {
    const { lease, jobId, limit } = request
    checkBatch(limit, 'runs')
    if (this.#connection.isMissing) return { runs: [], skips: [] }
    // The plus keeps SQLite from looking for one job along the index of all of them.
    const [ofJob, plus] = jobId === undefined ? ['', ''] : ['AND job_id = ?', '+']
    const values = jobId === undefined ? [lease, limit] : [lease, jobId, limit]
    return this.#connection.read((sql) => {
      const newest = (table: string, order: string): Row[] =>
        sql(
          `SELECT * FROM ${table} WHERE lease = ? ${ofJob} ORDER BY ${plus}${order} DESC LIMIT ?`,
        ).all(...values)
      const runs = newest('tenure_run', 'started_at_ms')
      const skips = newest('tenure_skip', 'until_tick_ms')
      return { runs: runs.map(runOf), skips: skips.map(skipOf) }
    }, signal)
  }

  async close(): Promise<void> {
    this.#connection.close()
  }

  /** Writes, if the token is the last one that was granted. */
  async #write<Reply>(
    { lease, token }: LedgerAuthor,
    signal: AbortSignal,
    work: Work<Reply>,
  ): Promise<Reply | Superseded> {
    // Where the file is gone, nobody has been granted anything; and it is not created here.
    const gone = { kind: 'superseded', token: 0 } as const
    if (this.#connection.isGone || token <= this.#endedToken) {
      signal.throwIfAborted()
      return gone
    }
    this.#lastToken = token
    try {
      return await this.#connection.write((sql) => {
        const granted = Number(sql(lastTokenSql).get(lease)?.['token'])
        if (granted !== token) return { kind: 'superseded', token: granted }
        // Where the counter was lost, the record's token is kept, whatever happens to the record.
        sql(setCounterSql).run(lease, token)
        return work(sql)
      }, signal)
    } catch (error) {
      if (isChanged(error)) return gone
      throw error
    }
  }
}

/** What tells a run by hand from others of the same instant; an attempt at a tick has one row. */
function slotOf({ trigger, runId }: { trigger: RunTrigger; runId: string }): string {
  return trigger === 'tick' ? '' : runId
}

function keyOf(lease: string, run: RunKey & { trigger: RunTrigger }): (string | number)[] {
  return [lease, run.jobId, run.tickMs, run.attempt, slotOf(run)]
}

function register(
  sql: Statements,
  { lease, token }: LedgerAuthor,
  { jobId, schedule, anchorMs, cursorMs }: JobRegistration,
): LedgerJob {
  const row = sql(
    `INSERT INTO tenure_job (lease, job_id, schedule, anchor_ms, cursor_ms, runs, paused, token)
      VALUES (?, ?, ?, ?, ?, 0, 0, ?)
      ON CONFLICT (lease, job_id) DO UPDATE SET
        schedule = excluded.schedule,
        anchor_ms = iif(schedule = excluded.schedule, anchor_ms, excluded.anchor_ms),
        cursor_ms = iif(schedule = excluded.schedule, cursor_ms, excluded.cursor_ms),
        runs = iif(schedule = excluded.schedule, runs, 0),
        token = excluded.token
      RETURNING *`,
  ).get(lease, jobId, schedule, anchorMs, cursorMs, token)
  return jobOf(row ?? {})
}

function claim(sql: Statements, { lease, token }: LedgerAuthor, run: RunClaim): ClaimOutcome {
  const { jobId, tickMs, attempt, runId, trigger, correlationId, startedAtMs, follows } = run
  const key = keyOf(lease, run)
  const isTick = trigger === 'tick' && attempt === 1
  const inserted = sql(
    `INSERT INTO tenure_run (lease, job_id, tick_ms, attempt, slot, run_id, "trigger", token,
        correlation_id, rerun, started_at_ms)
      SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM tenure_job
        WHERE lease = ? AND job_id = ? AND (cursor_ms < ? OR NOT ?)
      ON CONFLICT DO NOTHING`,
  ).run(
    ...key,
    runId,
    trigger,
    token,
    correlationId,
    run.rerun ? 1 : 0,
    startedAtMs,
    lease,
    jobId,
    tickMs,
    isTick ? 1 : 0,
  )
  if (inserted.changes > 0) {
    if (isTick) {
      sql(
        'UPDATE tenure_job SET cursor_ms = ?, runs = runs + 1 WHERE lease = ? AND job_id = ?',
      ).run(tickMs, lease, jobId)
    }
    if (follows !== undefined) {
      const before = { jobId, tickMs, attempt: attempt - 1, runId: follows, trigger }
      sql(`UPDATE tenure_run SET retry_at_ms = NULL ${whereRun}`).run(
        ...keyOf(lease, before),
        follows,
      )
    }
    return { kind: 'claimed' }
  }
  const found = sql(
    `SELECT run_id, token FROM tenure_run
      WHERE lease = ? AND job_id = ? AND tick_ms = ? AND attempt = ? AND slot = ?`,
  ).get(...key)
  if (found !== undefined) {
    const isOurs = found['run_id'] === runId && Number(found['token']) === token
    return isOurs ? { kind: 'claimed' } : { kind: 'taken', by: String(found['run_id']) }
  }
  return isRegistered(sql, lease, jobId)
    ? { kind: 'taken', by: undefined }
    : { kind: 'unregistered' }
}

function isRegistered(sql: Statements, lease: string, jobId: string): boolean {
  const job = sql('SELECT 1 FROM tenure_job WHERE lease = ? AND job_id = ?').get(lease, jobId)
  return job !== undefined
}

function end(sql: Statements, { lease }: LedgerAuthor, run: RunEnd): EndOutcome {
  const key = [...keyOf(lease, run), run.runId]
  const { changes } = sql(
    `UPDATE tenure_run SET outcome = ?, finished_at_ms = ?, error = ?, retry_at_ms = ?
      ${whereRun} AND outcome IS NULL`,
  ).run(
    run.outcome,
    run.finishedAtMs,
    storedError(run.error) ?? null,
    run.retryAtMs ?? null,
    ...key,
  )
  if (changes > 0) return { kind: 'recorded' }
  const row = sql(`SELECT * FROM tenure_run ${whereRun}`).get(...key)
  if (row === undefined) return { kind: 'unknown' }
  const { outcome, finishedAtMs } = runOf(row)
  const isSame = outcome === run.outcome && finishedAtMs === run.finishedAtMs
  return isSame ? { kind: 'recorded' } : { kind: 'stands', outcome }
}

function skip(sql: Statements, { lease, token }: LedgerAuthor, ticks: TickSkip): SkipOutcome {
  const { jobId, tickMs, untilTickMs, count, reason } = ticks
  const inserted = sql(
    `INSERT INTO tenure_skip (lease, job_id, tick_ms, until_tick_ms, count, reason, token)
      SELECT ?, ?, ?, ?, ?, ?, ? FROM tenure_job
        WHERE lease = ? AND job_id = ? AND cursor_ms < ?
      ON CONFLICT DO NOTHING`,
  ).run(lease, jobId, tickMs, untilTickMs, count, reason, token, lease, jobId, tickMs)
  if (inserted.changes > 0) {
    sql('UPDATE tenure_job SET cursor_ms = ? WHERE lease = ? AND job_id = ?').run(
      untilTickMs,
      lease,
      jobId,
    )
    return { kind: 'recorded' }
  }
  const same = sql(
    `SELECT 1 FROM tenure_skip WHERE lease = ? AND job_id = ? AND tick_ms = ?
      AND until_tick_ms = ? AND count = ? AND reason = ? AND token = ?`,
  ).get(lease, jobId, tickMs, untilTickMs, count, reason, token)
  if (same !== undefined) return { kind: 'recorded' }
  return { kind: isRegistered(sql, lease, jobId) ? 'taken' : 'unregistered' }
}

function setPaused(sql: Statements, request: SetPausedRequest): readonly string[] {
  const { lease, jobIds, paused, registers, nowMs } = request
  return jobIds.filter((jobId) => {
    const isKnown = isRegistered(sql, lease, jobId) || isStored(sql, lease, jobId)
    if (!isKnown && !registers) return false
    sql(
      `INSERT INTO tenure_job (lease, job_id, schedule, anchor_ms, cursor_ms, runs, paused, token)
        VALUES (?, ?, '', ?, ?, 0, ?, 0)
        ON CONFLICT (lease, job_id) DO UPDATE SET paused = excluded.paused`,
    ).run(lease, jobId, nowMs, nowMs, paused ? 1 : 0)
    touchSchedule(sql, lease, jobId)
    return true
  })
}

function readJobs(
  sql: Statements,
  { lease, afterJobId, limit }: ReadJobsRequest,
): readonly LedgerJob[] {
  // No id is empty, so that every one comes after the empty one.
  return sql('SELECT * FROM tenure_job WHERE lease = ? AND job_id > ? ORDER BY job_id LIMIT ?')
    .all(lease, afterJobId ?? '', limit)
    .map(jobOf)
}

function prune(sql: Statements, request: PruneRequest): PruneReply {
  const { lease, token, afterJobId, nowMs, forgetAgeMs } = request
  let removed = pruneByAge(sql, request)
  let last = afterJobId
  const page = readJobs(sql, { lease, afterJobId, limit: ledgerBatchMax })
  for (const { jobId } of page) {
    if (removed >= prunedRowsMax) return { kind: 'answered', removed, next: { afterJobId: last } }
    removed += pruneByCount(sql, request, jobId, prunedRowsMax - removed)
    if (removed >= prunedRowsMax) continue
    sql(
      `DELETE FROM tenure_job WHERE lease = ? AND job_id = ? AND token <> ? AND cursor_ms < ?
        AND NOT EXISTS (SELECT 1 FROM tenure_run r WHERE r.lease = tenure_job.lease
          AND r.job_id = tenure_job.job_id AND outcome IS NULL)`,
    ).run(lease, jobId, token, nowMs - forgetAgeMs)
    last = jobId
  }
  if (removed >= prunedRowsMax || page.length === ledgerBatchMax) {
    return { kind: 'answered', removed, next: { afterJobId: last } }
  }
  return { kind: 'answered', removed, next: undefined }
}

function pruneByAge(sql: Statements, { lease, token, nowMs, keepAgeMs }: PruneRequest): number {
  const beforeMs = nowMs - keepAgeMs
  const runs = sql(
    `DELETE FROM tenure_run WHERE (lease, job_id, tick_ms, attempt, slot) IN (
      SELECT lease, job_id, tick_ms, attempt, slot FROM tenure_run
        WHERE lease = ? AND started_at_ms < ? AND outcome IS NOT NULL AND abandoned_by IS NOT ?
        LIMIT ?)`,
  ).run(lease, beforeMs, token, prunedRowsMax)
  const skips = sql(
    `DELETE FROM tenure_skip WHERE (lease, job_id, tick_ms) IN (
      SELECT lease, job_id, tick_ms FROM tenure_skip
        WHERE lease = ? AND until_tick_ms < ? LIMIT ?)`,
  ).run(lease, beforeMs, prunedRowsMax - Number(runs.changes))
  return Number(runs.changes) + Number(skips.changes)
}

function pruneByCount(
  sql: Statements,
  { lease, token, keepRuns }: PruneRequest,
  jobId: string,
  rowsMax: number,
): number {
  const runs = sql(
    `DELETE FROM tenure_run WHERE (lease, job_id, tick_ms, attempt, slot) IN (
      SELECT lease, job_id, tick_ms, attempt, slot FROM (
        SELECT * FROM tenure_run WHERE lease = ? AND job_id = ?
          ORDER BY tick_ms DESC, attempt DESC, slot DESC LIMIT -1 OFFSET ?)
      WHERE outcome IS NOT NULL AND abandoned_by IS NOT ? AND retry_at_ms IS NULL LIMIT ?)`,
  ).run(lease, jobId, keepRuns, token, rowsMax)
  const skips = sql(
    `DELETE FROM tenure_skip WHERE (lease, job_id, tick_ms) IN (
      SELECT lease, job_id, tick_ms FROM tenure_skip WHERE lease = ? AND job_id = ?
        ORDER BY tick_ms DESC LIMIT ? OFFSET ?)`,
  ).run(lease, jobId, rowsMax - Number(runs.changes), keepRuns)
  return Number(runs.changes) + Number(skips.changes)
}
