import { checkChoice, checkCount, checkKeys } from '../options/check.ts'
import { durationOr, formatDuration, parseDuration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { Overdue, Timing } from './job.ts'

/** After how long a run that ignores its timeout is called lost, unless `timeoutGrace` says so. */
export const timeoutGraceMsDefault = 10_000

/** The most runs of a job at once. */
export const placesMax = 1_000

/** The most runs that a job may have in all. */
export const maxRunsMax = 1_000_000_000

/** The most attempts of a tick. */
export const attemptsMax = 100

/** How late a tick may be where what is late is skipped: less is the lateness of any timer. */
export const skipGraceMsDefault = 1_000

/** How late a tick may be where all are run that were missed: so many can they be at most. */
export const runAllGraceMsDefault = 3_600_000

/** How often a run is begun that is lost with its leader each time, unless `retry` allows more. */
export const crashAttemptsMax = 3

/** The options of a job, all there, in milliseconds. */
export interface JobSettings {
  readonly data: unknown
  /** Whether its ticks and runs stand in the ledger. */
  readonly ledger: boolean
  readonly overdue: Overdue
  /** How late a tick may be and still be run; Infinity where there is no bound. */
  readonly graceMs: number
  /** Whether a run whose leader was lost is run again. */
  readonly reruns: boolean
  /** How many ticks may be started in all; `undefined` where there is no bound. */
  readonly maxRuns: number | undefined
  readonly jitterMs: number
  readonly timeoutMs: number | undefined
  readonly timeoutGraceMs: number
  /** How many ticks may be worked on at once. */
  readonly places: number
  /** A tick that finds no place waits for one. */
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
  const graceMs = durationOr(graceMsDefault[policy], grace, 'grace')
  return {
    ledger: ledger ?? true,
    overdue: policy,
    graceMs,
    reruns,
    maxRuns: maxRuns === undefined ? undefined : checkCount(maxRuns, 'maxRuns', maxRunsMax),
  }
}

const graceMsDefault: Readonly<Record<Overdue, number>> = {
  'run-once': Infinity,
  'run-all': runAllGraceMsDefault,
  skip: skipGraceMsDefault,
}

function readOverlap(overlap: unknown): { places: number; queues: boolean } {
  if (overlap === undefined || typeof overlap === 'string') {
    return { places: 1, queues: checkChoice(overlap, 'overlap', ['skip', 'queue']) === 'queue' }
  }
  if (typeof overlap !== 'object' || overlap === null || !('allow' in overlap)) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      "Expected `overlap` to be 'skip', 'queue' or { allow }, such as { allow: 3 }; got " +
        `${describeValue(overlap)}.`,
    )
  }
  checkKeys(overlap, 'overlap', ['allow'])
  return { places: checkCount(overlap.allow, 'overlap.allow', placesMax), queues: false }
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
function checkFit({ jitterMs, places, queues, overdue }: JobSettings, timing: Timing): void {
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
  if (timing.afterFinish && (queues || places > 1)) {
    throw relationError(
      "`overlap` to be left out, or 'skip', beside `mode: 'after-finish'`, whose ticks never come " +
        'while a run goes on',
    )
  }
}

function relationError(expected: string): TenureError {
  return new TenureError('TENURE_ERR_OPTION_RELATION', `Expected ${expected}.`)
}
