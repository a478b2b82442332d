import type { RunClaim, RunEnd, RunEndOutcome } from '../store/ledger-store.ts'
import { crashAttemptsMax } from './job-options.ts'
import type { Job } from './job.ts'
import type { RunRecord, SkipRecord } from './run.ts'
import type { HowRun } from './runner.ts'

/** The claim of a run that is about to start. */
export function claimOf(
  { id: jobId, reruns, retry }: Job,
  { runId, trigger, scheduledForMs: tickMs, attempt, correlationId }: HowRun,
  follows: string | undefined,
  nowMs: number,
): RunClaim {
  const rerun = reruns && trigger === 'tick' && attempt < Math.max(retry.attempts, crashAttemptsMax)
  const key = { jobId, tickMs, attempt, runId, trigger, correlationId }
  return { ...key, startedAtMs: Math.round(nowMs), rerun, follows }
}

/** The end of a run, whose tick is tried again after a delay, if there is one. */
export function endOf(
  { jobId, scheduledForMs, attempt, id, trigger, outcome, finishedAtMs, error }: RunRecord,
  delayMs: number | undefined,
  nowMs: number,
): RunEnd {
  const endedAtMs = Math.round(finishedAtMs ?? nowMs)
  const retryAtMs = delayMs === undefined ? undefined : Math.round(endedAtMs + delayMs)
  const key = { jobId, tickMs: scheduledForMs, attempt, runId: id, trigger }
  return {
    ...key,
    outcome: outcome as RunEndOutcome,
    error,
    retryAtMs,
    finishedAtMs: endedAtMs,
  }
}

/** The end of a run that was claimed and may not start any more. */
export function endOfUnbegun(
  { id: jobId }: Job,
  { runId, trigger, scheduledForMs: tickMs, attempt }: HowRun,
  why: SkipRecord['reason'],
  nowMs: number,
): RunEnd {
  const key = { jobId, tickMs, attempt, runId, trigger }
  const error = `It did not begin: ${why}.`
  const finishedAtMs = Math.round(nowMs)
  return { ...key, outcome: 'aborted', error, retryAtMs: undefined, finishedAtMs }
}
