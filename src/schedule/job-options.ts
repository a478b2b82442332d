import { checkChoice, checkCount, checkKeys } from '../options/check.ts'
import { durationOr, formatDuration, parseDuration, type Duration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { RunRecord } from './run.ts'
import type { Timing } from './schedule.ts'

/**
 * What happens to a tick while the last run is in progress: it is skipped; it waits for the end of the
 * run, as at most one does, the latest; or up to so many run at once.
 */
export type Overlap = 'skip' | 'queue' | { readonly allow: number }

/**
 * What becomes of the ticks that were missed, because nobody led, the leader was busy, the job was
 * paused, or the clock was set ahead:
 *
 * - `run-once`: the latest is run, at once; the others are skipped
 * - `run-all`: all are run, one after the other, and so are those that come meanwhile
 * - `skip`: none is made up for
 *
 * What is later than the job's `grace` is skipped in any case.
 */
export type Overdue = 'run-once' | 'run-all' | 'skip'

/** How often, and after what delays, a run that has failed is tried again. */
export interface RetryOptions {
  /** The attempts in all, the first one among them: from 1 to 100. */
  readonly attempts: number
  /** The delay before the second attempt; each later one has twice that of the last. @default '1s' */
  readonly backoff?: Duration | undefined
  /** The longest delay. @default 60 times `backoff` */
  readonly backoffMax?: Duration | undefined
}

/** How a job is run. */
export interface JobOptions<Data> {
  /** Given to each run. */
  readonly data?: Data
  /** What becomes of ticks that were missed. @default 'run-once' */
  readonly overdue?: Overdue | undefined
  /**
   * How late a tick may be and still be run, beyond its `jitter`. @default without a bound with
   * `run-once`, '1h' with `run-all`, '1s' with `skip`
   */
  readonly grace?: Duration | undefined
  /**
   * What becomes of a run whose leader was lost before its end, unless `ledger` is false: it is
   * marked as abandoned, and with `rerun` the next leader runs it again, as the next attempt. Three
   * attempts are made at most, or as many as `retry` allows, if that is more. @default 'skip'
   */
  readonly onCrash?: 'skip' | 'rerun' | undefined
  /**
   * Whether its ticks and runs are written to the store: each tick is claimed there before it
   * starts, so that no other leader starts it, and the next one knows what was missed, and which
   * runs were left unfinished. With `false` a store that is slow delays no run, and what falls into
   * the gap of a takeover is lost. @default true
   */
  readonly ledger?: boolean | undefined
  /**
   * After so many of its ticks were started it is due no more, whichever instances have run them:
   * from 1 to 1,000,000,000. Neither retries nor runs by `runNow` count; a run that was abandoned
   * does. Not with `ledger: false`. @default without a bound
   */
  readonly maxRuns?: number | undefined
  /**
   * Each tick is delayed at random by up to this, and never to the next tick or past it. Less than
   * `every`. @default 0
   */
  readonly jitter?: Duration | undefined
  /** After this, the signal of a run is aborted. @default none */
  readonly timeout?: Duration | undefined
  /**
   * A run that is still in progress so long after its `timeout` is called lost. It counts as running
   * all the same, because it is. @default '10s'
   */
  readonly timeoutGrace?: Duration | undefined
  /** What happens to a tick while the last run is in progress. @default 'skip' */
  readonly overlap?: Overlap | undefined
  /**
   * A tick whose run failed is tried again, if need be by the next leader. A run that was aborted,
   * timed out or was started by `runNow` is not. @default none
   */
  readonly retry?: RetryOptions | undefined
  /**
   * What happens if a job with this id exists: it is replaced, kept as it is, or the call throws.
   * Replacing a job by the same schedule keeps its next tick. @default 'replace'
   */
  readonly onConflict?: 'replace' | 'keep' | 'error' | undefined
}

/** After how long a run that ignores its timeout is called lost, unless `timeoutGrace` says so. */
export const timeoutGraceMsDefault = 10_000

/** The most runs of a job at once. */
export const slotsMax = 1_000

/** The most runs that a job may have in all. */
export const maxRunsMax = 1_000_000_000

/** The most attempts of a tick. */
export const attemptsMax = 100

/** How late a tick may be if what is late is skipped: less is the lateness of any timer. */
export const skipGraceMsDefault = 1_000

/** How late a tick may be if all that were missed are run: this bounds how many they are. */
export const runAllGraceMsDefault = 3_600_000

/** How often a run is begun that is lost with its leader each time, unless `retry` allows more. */
export const crashAttemptsMax = 3

/** The options of a job, all there, in milliseconds. */
export interface JobSettings {
  readonly data: unknown
  /** Whether its ticks and runs are recorded in the ledger. */
  readonly ledger: boolean
  readonly overdue: Overdue
  /** How late a tick may be and still be run; `undefined` if there is no bound. */
  readonly graceMs: number | undefined
  /** Whether a run whose leader was lost is run again. */
  readonly reruns: boolean
  /** How many ticks may be started in all; `undefined` if there is no bound. */
  readonly maxRuns: number | undefined
  readonly jitterMs: number
  readonly timeoutMs: number | undefined
  readonly timeoutGraceMs: number
  /** How many ticks may be worked on at once. */
  readonly slots: number
  /** A tick that finds no free slot waits for one. */
  readonly queues: boolean
  readonly retry: Retry
}

/** How often, and after what delays, a tick is tried again. */
export interface Retry {
  readonly attempts: number
  readonly backoffMs: number
  readonly backoffMaxMs: number
}

/** Reads the options of a job, for what it is due by. @throws TenureError */
export function readJobOptions(
  options: unknown,
  timing: Timing,
): { settings: JobSettings; onConflict: 'replace' | 'keep' | 'error' } {
  checkKeys(options, 'options', [
    'data',
    'ledger',
    'overdue',
    'grace',
    'onCrash',
    'maxRuns',
    'jitter',
    'timeout',
    'timeoutGrace',
    'overlap',
    'retry',
    'onConflict',
  ])
  const { data, jitter, timeout, timeoutGrace, overlap, retry, onConflict, ...lasting } =
    options as Record<string, unknown>
  if (timeoutGrace !== undefined && timeout === undefined) {
    throw relationError('`timeoutGrace` to stand beside a `timeout`; there is none')
  }
  const settings: JobSettings = {
    data,
    ...readLasting(lasting),
    jitterMs: durationOr(0, jitter, 'jitter'),
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, 'timeout'),
    timeoutGraceMs: durationOr(timeoutGraceMsDefault, timeoutGrace, 'timeoutGrace'),
    ...readOverlap(overlap),
    retry: readRetry(retry),
  }
  checkFit(settings, timing)
  const choice = checkChoice(onConflict, 'onConflict', ['replace', 'keep', 'error'])
  return { settings, onConflict: choice ?? 'replace' }
}

/** What becomes of a tick, and of a run, that its leader did not see to. */
function readLasting({
  ledger,
  overdue,
  grace,
  onCrash,
  maxRuns,
}: Readonly<Record<string, unknown>>): Pick<
  JobSettings,
  'ledger' | 'overdue' | 'graceMs' | 'reruns' | 'maxRuns'
> {
  if (ledger !== undefined && typeof ledger !== 'boolean') {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      `Expected \`ledger\` to be true or false; got ${describeValue(ledger)}.`,
    )
  }
  const policy = checkChoice(overdue, 'overdue', ['run-once', 'run-all', 'skip']) ?? 'run-once'
  const reruns = checkChoice(onCrash, 'onCrash', ['skip', 'rerun']) === 'rerun'
  if (reruns && ledger === false) {
    throw relationError("`ledger: true` beside `onCrash: 'rerun'`, which needs it; got false")
  }
  if (maxRuns !== undefined && ledger === false) {
    throw relationError('`ledger: true` beside `maxRuns`, which are counted there; got false')
  }
  const graceMs = grace === undefined ? graceMsDefault[policy] : parseDuration(grace, 'grace')
  return {
    ledger: ledger ?? true,
    overdue: policy,
    graceMs,
    reruns,
    maxRuns: maxRuns === undefined ? undefined : checkCount(maxRuns, 'maxRuns', maxRunsMax),
  }
}

const graceMsDefault: Readonly<Record<Overdue, number | undefined>> = {
  'run-once': undefined,
  'run-all': runAllGraceMsDefault,
  skip: skipGraceMsDefault,
}

function readOverlap(overlap: unknown): { slots: number; queues: boolean } {
  if (overlap === undefined || typeof overlap === 'string') {
    return { slots: 1, queues: checkChoice(overlap, 'overlap', ['skip', 'queue']) === 'queue' }
  }
  if (typeof overlap !== 'object' || overlap === null || !('allow' in overlap)) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      "Expected `overlap` to be 'skip', 'queue' or { allow }, such as { allow: 3 }; got " +
        `${describeValue(overlap)}.`,
    )
  }
  checkKeys(overlap, 'overlap', ['allow'])
  return { slots: checkCount(overlap.allow, 'overlap.allow', slotsMax), queues: false }
}

function readRetry(retry: unknown): Retry {
  if (retry === undefined) return { attempts: 1, backoffMs: 0, backoffMaxMs: 0 }
  checkKeys(retry, 'retry', ['attempts', 'backoff', 'backoffMax'])
  const { attempts, backoff, backoffMax } = retry as Record<string, unknown>
  const count = checkCount(attempts, 'retry.attempts', attemptsMax)
  const backoffMs = durationOr(1_000, backoff, 'retry.backoff')
  const backoffMaxMs = durationOr(60 * backoffMs, backoffMax, 'retry.backoffMax')
  if (backoffMs > backoffMaxMs) {
    throw relationError(
      `\`retry.backoff\` to be at most \`retry.backoffMax\`; got ${formatDuration(backoffMs)} and ` +
        formatDuration(backoffMaxMs),
    )
  }
  return { attempts: count, backoffMs, backoffMaxMs }
}

/** What means nothing beside the schedule is refused, and not ignored. */
function checkFit({ jitterMs, slots, queues, overdue }: JobSettings, timing: Timing): void {
  if (queues && overdue === 'run-all') {
    throw relationError(
      "`overlap` to be left out, 'skip' or { allow } beside `overdue: 'run-all'`, whose ticks all " +
        'wait for a place',
    )
  }
  if (timing.kind !== 'every') return
  if (jitterMs >= timing.everyMs) {
    throw relationError(
      '`jitter` to be below `every`, so that no tick is delayed past the next one; got ' +
        `${formatDuration(jitterMs)} and ${formatDuration(timing.everyMs)}`,
    )
  }
  if (timing.afterFinish && (queues || slots > 1)) {
    throw relationError(
      "`overlap` to be left out, or 'skip', beside `mode: 'after-finish'`, whose ticks never come " +
        'while a run goes on',
    )
  }
}

function relationError(expected: string): TenureError {
  return new TenureError('TENURE_ERR_OPTION_RELATION', `Expected ${expected}.`)
}

/**
 * After how long a tick is tried again whose run has ended, or `undefined` if it is not: only a run
 * that failed by itself is. One that was aborted or timed out was told to end, and what it has left
 * undone is for the next tick; one that was started by hand is the affair of who did that.
 */
export function retryDelayMs(
  { outcome, trigger, attempt }: Pick<RunRecord, 'outcome' | 'trigger' | 'attempt'>,
  { attempts, backoffMs, backoffMaxMs }: Retry,
): number | undefined {
  if (outcome !== 'failed' || trigger !== 'tick' || attempt >= attempts) return undefined
  return Math.min(backoffMs * 2 ** (attempt - 1), backoffMaxMs)
}

/** Whether a run is run again if its leader is lost before its end. */
export function isRerun(
  { reruns, retry }: JobSettings,
  { trigger, attempt }: Pick<RunRecord, 'trigger' | 'attempt'>,
): boolean {
  return reruns && trigger === 'tick' && attempt < Math.max(retry.attempts, crashAttemptsMax)
}
