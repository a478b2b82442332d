import { newCorrelationId } from '../correlation.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { RunLogger } from '../events.ts'
import type { Fence } from '../fencing/fence-client.ts'
import type {
  LedgerRun,
  RunClaim,
  RunEnd,
  RunEndOutcome,
  RunKey,
  TickSkip,
} from '../store/ledger-store.ts'

/** One execution of a job, as its handler sees it. */
export interface Run<Data = unknown> {
  readonly id: string
  readonly jobId: string
  readonly data: Data
  /** The tick; of a run started by `runNow`, when that was called. */
  readonly scheduledFor: Date
  /** 1, or more if an earlier run of this tick failed: see `retry`. */
  readonly attempt: number
  /** The token of the term in which the run was started: hand it to what the run writes to. */
  readonly fencingToken: number
  /** Aborted when the work must stop: at the job's `timeout`, or as the term ends. */
  readonly signal: AbortSignal
  readonly correlationId: string
  /** Logs with the job's id, the run's id, its token and its correlation id. */
  readonly log: RunLogger
  /**
   * Says how far the run is, from 0 to 1, and in words if need be: `jobs()` and the status page
   * show it. After the end of the run it changes nothing.
   *
   * @throws TenureError `TENURE_ERR_OPTION_TYPE`
   */
  progress(fraction: number, note?: string): void
  /** Fences a transaction of the application's own: see {@link Fence}. */
  readonly fence: Fence
}

/** What a job does. It may be asynchronous, and should obey `run.signal`. */
export type Handler<Data = unknown> = (run: Run<Data>) => unknown

/**
 * How a run ended, or that it is in progress.
 *
 * - `running`: it is in progress
 * - `succeeded`: its handler returned, or what it returned was fulfilled
 * - `failed`: its handler threw, or what it returned was rejected
 * - `timed-out`: its `timeout` passed, and it ended within `timeoutGrace`, either way
 * - `lost`: it went on after that. While `finishedAtMs` is `undefined` it still does
 * - `aborted`: it failed after it was told to stop, because its term came to its end
 * - `abandoned`: its leader was lost before its end, and nobody knows how far it came
 */
export type RunOutcome =
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'timed-out'
  | 'lost'
  | 'aborted'
  | 'abandoned'

/** How far a run is, as it has said itself. */
export interface RunProgress {
  /** From 0 to 1. */
  readonly fraction: number
  readonly note: string | undefined
}

/** A run as it is reported: plain data. Times are milliseconds since 1970. */
export interface RunRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: 'tick' | 'manual'
  readonly scheduledForMs: number
  /** 1, or more if earlier runs of this tick failed. */
  readonly attempt: number
  readonly startedAtMs: number
  /** `undefined` while it is in progress. */
  readonly finishedAtMs: number | undefined
  readonly outcome: RunOutcome
  /** Why it failed. */
  readonly error: string | undefined
  /** What it said last by `run.progress`. */
  readonly progress: RunProgress | undefined
  readonly fencingToken: number
  readonly correlationId: string
}

/** Ticks that were not run, as they are reported: plain data. Times are milliseconds since 1970. */
export interface SkipRecord {
  readonly jobId: string
  /**
   * Why they were not run:
   *
   * - `overdue`: they were missed, and are not made up for
   * - `overlap`: the last run went on
   * - `queue`: a later tick waits for the end of the last run in its stead
   * - `limit`: as many runs went on as `overlap` allows
   * - `paused`, `removed`, `replaced`: that is what the job was while they waited
   * - `taken`, `unregistered`: the ledger says that they are accounted for, or does not know the job
   * - `term-ended`: the term leads no more; the next one decides about them
   */
  readonly reason:
    | 'overdue'
    | 'overlap'
    | 'queue'
    | 'limit'
    | 'paused'
    | 'removed'
    | 'replaced'
    | 'taken'
    | 'unregistered'
    | 'term-ended'
  readonly scheduledForMs: number
  /** The last of them; the same as the first if there is one only. */
  readonly untilMs: number
  readonly count: number
  /** 1, or more if it is the retry of a tick that is not made. */
  readonly attempt: number
  readonly skippedAtMs: number
}

/** The handler of a job. @throws TenureError `TENURE_ERR_OPTION_TYPE` */
export function checkHandler(handler: unknown): Handler {
  if (typeof handler === 'function') return handler as Handler
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`handler\` to be a function; got ${describeValue(handler)}.`,
  )
}

/** One attempt at a tick, or a run by hand, before its handler is called. */
export interface Attempt extends Pick<
  RunRecord,
  'id' | 'jobId' | 'trigger' | 'scheduledForMs' | 'attempt' | 'correlationId'
> {
  /** The run whose next attempt this is; `undefined` for the first one. */
  readonly follows: string | undefined
}

/** The first attempt at a tick that is due, or a run by hand. */
export function firstAttempt(
  jobId: string,
  trigger: RunRecord['trigger'],
  scheduledForMs: number,
  correlationId: string,
): Attempt {
  const id = newCorrelationId()
  return { id, jobId, trigger, scheduledForMs, attempt: 1, correlationId, follows: undefined }
}

/** The attempt after one that has failed, or whose leader was lost. */
export function nextAttempt(last: Omit<Attempt, 'follows'>): Attempt {
  const { id: follows, jobId, trigger, scheduledForMs, attempt, correlationId } = last
  const id = newCorrelationId()
  return { id, jobId, trigger, scheduledForMs, attempt: attempt + 1, correlationId, follows }
}

/** Ticks that are skipped, by the wall clock: one, or all from one to another. */
export type SkippedTicks = Pick<SkipRecord, 'scheduledForMs' | 'untilMs' | 'count'>

/** The one tick of an attempt, as one that is skipped. */
export function skippedTickOf({ scheduledForMs }: Attempt): SkippedTicks {
  return { scheduledForMs, untilMs: scheduledForMs, count: 1 }
}

// ---- as the ledger has them ----

/** The claim of a run that is about to start. */
export function claimOf(attempt: Attempt, rerun: boolean, nowMs: number): RunClaim {
  const { correlationId, follows } = attempt
  const startedAtMs = Math.round(nowMs)
  return { ...keyOf(attempt), correlationId, startedAtMs, rerun, follows }
}

/** The end of a run, whose tick is tried again after a delay, if there is one. */
export function endOf(run: RunRecord, delayMs: number | undefined, nowMs: number): RunEnd {
  const finishedAtMs = Math.round(run.finishedAtMs ?? nowMs)
  const retryAtMs = delayMs === undefined ? undefined : Math.round(finishedAtMs + delayMs)
  const outcome = run.outcome as RunEndOutcome
  return { ...keyOf(run), outcome, error: run.error, retryAtMs, finishedAtMs }
}

/** The end of a run that was claimed and may not start any more. */
export function endOfUnbegun(attempt: Attempt, why: SkipRecord['reason'], nowMs: number): RunEnd {
  const error = `It did not begin: ${why}.`
  const finishedAtMs = Math.round(nowMs)
  return { ...keyOf(attempt), outcome: 'aborted', error, retryAtMs: undefined, finishedAtMs }
}

/** A run of the ledger whose leader was lost: this instance did not see how it ended. */
export function abandonedRunOf(run: LedgerRun): RunRecord {
  return {
    ...attemptOf(run),
    startedAtMs: run.startedAtMs,
    finishedAtMs: run.finishedAtMs,
    outcome: 'abandoned',
    error: 'The leader was lost before the run had ended.',
    progress: undefined,
    fencingToken: run.token,
  }
}

/** What identifies a run of the ledger. */
export function attemptOf(run: LedgerRun): Omit<Attempt, 'follows'> {
  const { runId: id, jobId, trigger, tickMs: scheduledForMs, attempt, correlationId } = run
  return { id, jobId, trigger, scheduledForMs, attempt, correlationId }
}

/** Ticks of a job that were skipped, for good. */
export function tickSkipOf(
  jobId: string,
  { scheduledForMs: tickMs, untilMs: untilTickMs, count }: SkippedTicks,
  reason: TickSkip['reason'],
): TickSkip {
  return { jobId, tickMs, untilTickMs, count, reason }
}

function keyOf(run: Omit<Attempt, 'correlationId' | 'follows'>): RunKey & Pick<RunEnd, 'trigger'> {
  const { id: runId, jobId, scheduledForMs: tickMs, attempt, trigger } = run
  return { jobId, tickMs, attempt, runId, trigger }
}
