import { checkChoice, checkKeys } from '../check.ts'
import { durationOr, formatDuration, parseDuration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { Timing } from './job.ts'

/** After how long a run that ignores its timeout is called lost, unless `timeoutGrace` says so. */
export const timeoutGraceMsDefault = 10_000

/** The most runs of a job at once. */
export const placesMax = 1_000

/** The most attempts of a tick. */
export const attemptsMax = 100

/** The options of a job, all there, in milliseconds. */
export interface JobSettings {
  readonly data: unknown
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
    'jitter',
    'timeout',
    'timeoutGrace',
    'overlap',
    'retry',
    'onConflict',
  ])
  const { data, jitter, timeout, timeoutGrace, overlap, retry, onConflict } = options as Record<
    string,
    unknown
  >
  if (timeoutGrace !== undefined && timeout === undefined) {
    throw relationError('`timeoutGrace` to stand beside a `timeout`; there is none')
  }
  const settings: JobSettings = {
    data,
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
function checkFit({ jitterMs, places, queues }: JobSettings, timing: Timing): void {
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

function checkCount(value: unknown, name: string, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) {
    return value
  }
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`${name}\` to be a whole number from 1 to ${max}; got ${describeValue(value)}.`,
  )
}

function relationError(expected: string): TenureError {
  return new TenureError('TENURE_ERR_OPTION_RELATION', `Expected ${expected}.`)
}
