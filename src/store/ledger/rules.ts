import type * as port from '../ledger-store.ts'
import type * as stored from '../stored-schedule.ts'
import { storedError } from './checks.ts'
import type { Conditions, Draft } from './engine.ts'
import { jobOf, keyOfRun, type JobRow, type Keys, type RunRow, type ScheduleRow } from './rows.ts'

// The rules of the ledger: what is decided over rows that were loaded. See `LedgerStore`.

/** The job as it is after its registration. */
export function register(draft: Draft, token: number, job: port.JobRegistration): port.LedgerJob {
  const before = draft.get('job', job)
  const isSame = before?.schedule === job.schedule
  const { jobId, schedule, anchorMs, cursorMs } = job
  const begun = { jobId, schedule, anchorMs, cursorMs, runs: 0, paused: before?.paused ?? false }
  const row = { ...(isSame ? before : begun), token }
  draft.put('job', job, row)
  return jobOf(row)
}

/** The run that the next attempt follows, if there is one. */
export function keyOfFollowed({ follows, attempt, ...run }: port.RunClaim): Keys['run'][] {
  if (follows === undefined) return []
  return [keyOfRun({ ...run, attempt: attempt - 1, runId: follows })]
}

/** Claims a run, if nothing is in its way. */
export function claim(draft: Draft, token: number, run: port.RunClaim): port.ClaimOutcome {
  const { jobId, tickMs, attempt, runId, trigger, follows } = run
  const key = keyOfRun(run)
  const known = draft.get('run', key)
  if (known !== undefined) {
    const isOurs = known.runId === runId && known.token === token
    return isOurs ? { kind: 'claimed' } : { kind: 'taken', by: known.runId }
  }
  const job = draft.get('job', { jobId })
  if (job === undefined) return { kind: 'unregistered' }
  if (trigger === 'tick' && attempt === 1) {
    if (tickMs <= job.cursorMs) return { kind: 'taken', by: undefined }
    draft.put('job', job, { cursorMs: tickMs, runs: job.runs + 1 })
  }
  for (const followed of keyOfFollowed(run)) {
    if (draft.get('run', followed)?.runId === follows) {
      draft.put('run', followed, { retryAtMs: undefined })
    }
  }
  draft.put('run', key, {
    ...key,
    runId,
    trigger,
    correlationId: run.correlationId,
    rerun: run.rerun,
    startedAtMs: run.startedAtMs,
    token,
    outcome: undefined,
    finishedAtMs: undefined,
    error: undefined,
    abandonedBy: undefined,
    retryAtMs: undefined,
  })
  return { kind: 'claimed' }
}

/** Records how a run ended, if that is not recorded yet. */
export function end(draft: Draft, ended: port.RunEnd): port.EndOutcome {
  const key = keyOfRun(ended)
  const run = draft.get('run', key)
  if (run?.runId !== ended.runId) return { kind: 'unknown' }
  const { outcome, finishedAtMs, retryAtMs } = ended
  if (run.outcome !== undefined) {
    const isSame = run.outcome === outcome && run.finishedAtMs === finishedAtMs
    return isSame ? { kind: 'recorded' } : { kind: 'stands', outcome: run.outcome }
  }
  draft.put('run', key, { outcome, finishedAtMs, error: storedError(ended.error), retryAtMs })
  return { kind: 'recorded' }
}

/** Records ticks that were skipped, if none of them is accounted for. */
export function skip(draft: Draft, token: number, ticks: port.TickSkip): port.SkipOutcome {
  const { jobId, tickMs, untilTickMs, count, reason } = ticks
  const known = draft.get('skip', ticks)
  const isOurs =
    known?.untilTickMs === untilTickMs &&
    known.count === count &&
    known.reason === reason &&
    known.token === token
  if (isOurs) return { kind: 'recorded' }
  const job = draft.get('job', ticks)
  if (job === undefined) return { kind: 'unregistered' }
  if (known !== undefined || tickMs <= job.cursorMs) return { kind: 'taken' }
  draft.put('skip', ticks, { jobId, tickMs, untilTickMs, count, reason, token })
  draft.put('job', job, { cursorMs: untilTickMs })
  return { kind: 'recorded' }
}

/** A run whose leader was lost. */
export function abandoned(run: RunRow, { token, atMs }: port.AbandonRequest): Partial<RunRow> {
  const retryAtMs = run.rerun ? atMs : undefined
  return { outcome: 'abandoned', finishedAtMs: atMs, abandonedBy: token, retryAtMs }
}

/** Whether a run may leave the history at all. */
export function isPrunable({ token }: port.PruneRequest): Conditions<RunRow> {
  return { outcome: ['<>', undefined], abandonedBy: ['<>', token] }
}

/** Whether a job is forgotten, of which no run is in progress. */
export function isForgotten(
  job: JobRow,
  { token, nowMs, forgetAgeMs }: port.PruneRequest,
): boolean {
  return job.token !== token && job.cursorMs < nowMs - forgetAgeMs
}

/** The ids that are known, or to be remembered. */
export function setPaused(draft: Draft, request: port.SetPausedRequest): readonly string[] {
  const { jobIds, paused, registers, nowMs } = request
  return jobIds.filter((jobId) => {
    const job = draft.get('job', { jobId })
    const isKnown = job !== undefined || isStored(draft, jobId)
    if (!isKnown && !registers) return false
    const begun = { jobId, schedule: '', anchorMs: nowMs, cursorMs: nowMs, runs: 0, token: 0 }
    draft.put('job', { jobId }, { ...(job ?? begun), paused })
    change(draft, jobId, {})
    return true
  })
}

/** Stores a job, or leaves the one alone that is stored. */
export function storeSchedule(
  draft: Draft,
  { schedule, onConflict }: stored.StoreScheduleRequest,
): stored.StoreScheduleReply {
  const { jobId, handler, words, text } = schedule
  const wasStored = isStored(draft, jobId)
  if (wasStored && onConflict !== 'replace') return { kind: 'exists' }
  const before = draft.get('schedule', schedule)
  const isSame = wasStored && before?.words === words
  const { storedAtMs } = isSame ? before : schedule
  change(draft, jobId, { handler, words, text, storedAtMs })
  return { kind: 'stored' }
}

/** Removes a stored job. Its row stays, to be told of. */
export function removeSchedule(
  draft: Draft,
  { jobId }: stored.RemoveScheduleRequest,
): stored.RemoveScheduleReply {
  if (!isStored(draft, jobId)) return { kind: 'unknown' }
  change(draft, jobId, { handler: undefined, words: '', text: '' })
  return { kind: 'removed' }
}

function isStored(draft: Draft, jobId: string): boolean {
  return draft.get('schedule', { jobId })?.handler !== undefined
}

/** Something about a job has changed, which is told by a revision that is higher than any before. */
function change(draft: Draft, jobId: string, fields: Partial<ScheduleRow>): void {
  const revision = (draft.get('revision', {})?.revision ?? 0) + 1
  const begun = { jobId, handler: undefined, words: '', text: '', storedAtMs: 0 }
  draft.put('revision', {}, { revision })
  const before = draft.get('schedule', { jobId }) ?? begun
  draft.put('schedule', before, { ...before, ...fields, revision })
}
