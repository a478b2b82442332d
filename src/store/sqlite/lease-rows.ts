import type { SQLOutputValue } from 'node:sqlite'

import type { EndReason, LeaseRecord, TermRecord } from '../lease-store.ts'
import type { BootClock } from './boot-clock.ts'

type Row = Record<string, SQLOutputValue>

/** A row of `tenure_lease`, as it is now by the clock of this boot. */
export function recordOf(row: Row, bootClock: BootClock): LeaseRecord {
  const ttlMs = Number(row['ttl_ms'])
  const token = Number(row['token'])
  const ageMs = ageMsOf(row, bootClock)
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
      by === undefined ? undefined : { token, by, coolDownMs: Number(row['resign_cool_down_ms']) },
    jobsHash: textOf(row['jobs_hash']),
    renewsWithinMs: numberOf(row['renews_within_ms']),
  }
}

/** The age of a renewal that was written on the clock that is read here; else unknown. */
function ageMsOf(row: Row, bootClock: BootClock): number | undefined {
  if (row['clock'] !== bootClock.id) return undefined
  const ageMs = bootClock.nowMs() - Number(row['renewed_ms'])
  return ageMs < 0 ? undefined : ageMs
}

/** A row of `tenure_term`. */
export function termOf(row: Row): TermRecord {
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

function numberOf(value: SQLOutputValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined
}
