import type { ScheduleChange } from '../stored-schedule.ts'
import type { LedgerJob, LedgerRun, LedgerSkip, SkipReason } from '../ledger-store.ts'

/** A row of `tenure_job`, as JSON shows it. */
export interface JobRow {
  readonly job_id: string
  readonly schedule: string
  readonly anchor_ms: number
  readonly cursor_ms: number
  readonly runs: number
  readonly paused: boolean
}

/** A row of `tenure_run`. */
export interface RunRow {
  readonly job_id: string
  readonly tick_ms: number
  readonly attempt: number
  readonly run_id: string
  readonly trigger: LedgerRun['trigger']
  readonly token: number
  readonly correlation_id: string
  readonly started_at_ms: number
  readonly outcome: Exclude<LedgerRun['outcome'], 'running'> | null
  readonly finished_at_ms: number | null
  readonly error: string | null
  readonly abandoned_by: number | null
  readonly retry_at_ms: number | null
}

/** A row of `tenure_skip`. */
export interface SkipRow {
  readonly job_id: string
  readonly tick_ms: number
  readonly until_tick_ms: number
  readonly count: number
  readonly reason: SkipReason
  readonly token: number
}

/** A row of `tenure_schedule`. */
export interface ScheduleRow {
  readonly job_id: string
  readonly revision: number
  readonly handler: string | null
  readonly words: string
  readonly text: string
  readonly stored_at_ms: number
}

/** A change of a stored job in the words of the interface. */
export function changeOf(row: ScheduleRow): ScheduleChange {
  const { job_id: jobId, revision, handler, words, text, stored_at_ms: storedAtMs } = row
  const isStored = handler !== null
  const schedule = isStored ? { jobId, handler, words, text, storedAtMs } : undefined
  return { revision, jobId, schedule }
}

/** A job in the words of the interface. */
export function jobOf(row: JobRow): LedgerJob {
  const { job_id: jobId, schedule, anchor_ms: anchorMs, cursor_ms: cursorMs, runs, paused } = row
  return { jobId, schedule, anchorMs, cursorMs, runs, paused }
}

/** A run in the words of the interface. */
export function runOf(row: RunRow): LedgerRun {
  return {
    jobId: row.job_id,
    tickMs: row.tick_ms,
    attempt: row.attempt,
    runId: row.run_id,
    trigger: row.trigger,
    token: row.token,
    correlationId: row.correlation_id,
    startedAtMs: row.started_at_ms,
    outcome: row.outcome ?? 'running',
    finishedAtMs: row.finished_at_ms ?? undefined,
    error: row.error ?? undefined,
    abandonedBy: row.abandoned_by ?? undefined,
    retryAtMs: row.retry_at_ms ?? undefined,
  }
}

/** Skipped ticks in the words of the interface. */
export function skipOf(row: SkipRow): LedgerSkip {
  const { job_id: jobId, tick_ms: tickMs, until_tick_ms: untilTickMs, count, reason, token } = row
  return { jobId, tickMs, untilTickMs, count, reason, token }
}
