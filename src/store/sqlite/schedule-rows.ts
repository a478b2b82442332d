import type {
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  ScheduleChange,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'
import type { Work } from './connection.ts'
import type { Row } from './ledger-rows.ts'

type Statements = Parameters<Work<unknown>>[0]

/** Stores a job; with the write lock held. */
export function storeSchedule(
  sql: Statements,
  { lease, schedule, onConflict }: StoreScheduleRequest,
): StoreScheduleReply {
  const { jobId, handler, words, text, storedAtMs } = schedule
  if (onConflict !== 'replace' && isStored(sql, lease, jobId)) return { kind: 'exists' }
  sql(
    `INSERT INTO tenure_schedule (lease, job_id, revision, handler, words, text, stored_at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (lease, job_id) DO UPDATE SET
        revision = excluded.revision,
        stored_at_ms = iif(handler IS NOT NULL AND words = excluded.words,
          stored_at_ms, excluded.stored_at_ms),
        handler = excluded.handler,
        words = excluded.words,
        text = excluded.text`,
  ).run(lease, jobId, nextRevision(sql, lease), handler, words, text, storedAtMs)
  return { kind: 'stored' }
}

/** Removes a stored job; with the write lock held. */
export function removeSchedule(
  sql: Statements,
  { lease, jobId }: RemoveScheduleRequest,
): RemoveScheduleReply {
  const { changes } = sql(
    `UPDATE tenure_schedule SET handler = NULL, words = '', text = ''
      WHERE lease = ? AND job_id = ? AND handler IS NOT NULL`,
  ).run(lease, jobId)
  if (changes === 0) return { kind: 'unknown' }
  touchSchedule(sql, lease, jobId)
  return { kind: 'removed' }
}

/** Whether a job is stored, and was not removed. */
export function isStored(sql: Statements, lease: string, jobId: string): boolean {
  const found = sql(
    'SELECT 1 FROM tenure_schedule WHERE lease = ? AND job_id = ? AND handler IS NOT NULL',
  ).get(lease, jobId)
  return found !== undefined
}

/** Something about a job has changed; with the write lock held. */
export function touchSchedule(sql: Statements, lease: string, jobId: string): void {
  sql(
    `INSERT INTO tenure_schedule (lease, job_id, revision, words, text, stored_at_ms)
      VALUES (?, ?, ?, '', '', 0)
      ON CONFLICT (lease, job_id) DO UPDATE SET revision = excluded.revision`,
  ).run(lease, jobId, nextRevision(sql, lease))
}

/** What has changed since a revision. */
export function readSchedules(
  sql: Statements,
  { lease, afterRevision, limit }: ReadSchedulesRequest,
): readonly ScheduleChange[] {
  return sql(
    `SELECT s.*, paused FROM tenure_schedule s
      LEFT JOIN tenure_job j ON j.lease = s.lease AND j.job_id = s.job_id
      WHERE s.lease = ? AND revision > ? ORDER BY revision LIMIT ?`,
  )
    .all(lease, afterRevision, limit)
    .map(changeOf)
}

/** Forgets what was removed, up to a revision; with the write lock held. */
export function forgetSchedules(sql: Statements, lease: string, untilRevision: number): void {
  sql('DELETE FROM tenure_schedule WHERE lease = ? AND revision <= ? AND handler IS NULL').run(
    lease,
    untilRevision,
  )
}

function nextRevision(sql: Statements, lease: string): number {
  const row = sql(
    `INSERT INTO tenure_schedule_revision (lease, revision) VALUES (?, 1)
      ON CONFLICT (lease) DO UPDATE SET revision = revision + 1 RETURNING revision`,
  ).get(lease)
  return Number(row?.['revision'])
}

function changeOf(row: Row): ScheduleChange {
  const revision = Number(row['revision'])
  const jobId = String(row['job_id'])
  const paused = row['paused'] === 1
  if (row['handler'] === null) return { revision, jobId, schedule: undefined, paused }
  const schedule = {
    jobId,
    handler: String(row['handler']),
    words: String(row['words']),
    text: String(row['text']),
    storedAtMs: Number(row['stored_at_ms']),
  }
  return { revision, jobId, schedule, paused }
}
