import type { SQLOutputValue } from 'node:sqlite'

import type { LedgerJob, LedgerRun, LedgerSkip, SkipReason } from '../ledger-store.ts'

/** A row as SQLite gives it. */
export type Row = Record<string, SQLOutputValue>

/** A row of `tenure_job`. */
export function jobOf(row: Row): LedgerJob {
  return {
    jobId: String(row['job_id']),
    schedule: String(row['schedule']),
    anchorMs: Number(row['anchor_ms']),
    cursorMs: Number(row['cursor_ms']),
    runs: Number(row['runs']),
    paused: row['paused'] === 1,
  }
}

/** A row of `tenure_run`. */
export function runOf(row: Row): LedgerRun {
  return {
    jobId: String(row['job_id']),
    tickMs: Number(row['tick_ms']),
    attempt: Number(row['attempt']),
    runId: String(row['run_id']),
    trigger: String(row['trigger']) as LedgerRun['trigger'],
    token: Number(row['token']),
    correlationId: String(row['correlation_id']),
    startedAtMs: Number(row['started_at_ms']),
    outcome: String(row['outcome'] ?? 'running') as LedgerRun['outcome'],
    finishedAtMs: numberOf(row['finished_at_ms']),
    error: row['error'] === null ? undefined : String(row['error']),
    abandonedBy: numberOf(row['abandoned_by']),
    retryAtMs: numberOf(row['retry_at_ms']),
  }
}

/** A row of `tenure_skip`. */
export function skipOf(row: Row): LedgerSkip {
  return {
    jobId: String(row['job_id']),
    tickMs: Number(row['tick_ms']),
    untilTickMs: Number(row['until_tick_ms']),
    count: Number(row['count']),
    reason: String(row['reason']) as SkipReason,
    token: Number(row['token']),
  }
}

function numberOf(value: SQLOutputValue | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}
