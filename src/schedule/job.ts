import { checkChoice, checkKeys } from '../check.ts'
import { formatDuration, parseDuration, type Duration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { RunLogger } from '../events.ts'
import type { Fence } from '../fencing/fence-client.ts'
import { parseCron, type CronTimes } from './cron.ts'
import type { Due } from './due-queue.ts'

/**
 * When a job is due.
 *
 * - `{ every: '30s' }`: at a fixed rate, by elapsed time, counted from when it was scheduled.
 * - `{ cron: '0 3 * * *', timeZone: 'Europe/Berlin' }`: five fields, or six with seconds first.
 *   The time zone is UTC unless it is given: instances may have different ones.
 * - `{ at: new Date('2027-01-01T00:00:00Z') }`: once, at an instant.
 */
export type Schedule =
  | { readonly every: Duration }
  | { readonly cron: string; readonly timeZone?: string | undefined }
  | { readonly at: Date | string }

/** How a job is run. */
export interface JobOptions<Data> {
  /** Given to each run. */
  readonly data?: Data
  /** After this, the signal of a run is aborted. @default none */
  readonly timeout?: Duration | undefined
  /** What happens to a tick while the last run goes on: it is skipped. @default 'skip' */
  readonly overlap?: 'skip' | undefined
  /**
   * What happens if a job with this id exists: it is replaced, kept as it is, or the call throws.
   * Replacing a job by the same schedule keeps its next tick. @default 'replace'
   */
  readonly onConflict?: 'replace' | 'keep' | 'error' | undefined
}

/** One execution of a job, as its handler sees it. */
export interface Run<Data = unknown> {
  readonly id: string
  readonly jobId: string
  readonly data: Data
  /** The tick; of a run started by `runNow`, when that was called. */
  readonly scheduledFor: Date
  /** The token of the term in which the run was started: hand it to what the run writes to. */
  readonly fencingToken: number
  /** Aborted when the work must stop: at the job's `timeout`, or as the term ends. */
  readonly signal: AbortSignal
  readonly correlationId: string
  /** Logs with the job's id, the run's id, its token and its correlation id. */
  readonly log: RunLogger
  /** Fences a transaction of the application's own: see {@link Fence}. */
  readonly fence: Fence
}

/** What a job does. It may be asynchronous, and should obey `run.signal`. */
export type Handler<Data = unknown> = (run: Run<Data>) => unknown

/** How a run ended, or that it goes on. */
export type RunOutcome = 'running' | 'succeeded' | 'failed' | 'timed-out' | 'aborted'

/** A run as it is reported: plain data. Times are milliseconds since 1970. */
export interface RunRecord {
  readonly id: string
  readonly jobId: string
  readonly trigger: 'tick' | 'manual'
  readonly scheduledForMs: number
  readonly startedAtMs: number
  readonly finishedAtMs: number | undefined
  readonly outcome: RunOutcome
  /** Why it failed. */
  readonly error: string | undefined
  readonly fencingToken: number
  readonly correlationId: string
}

/** A job as it is reported: plain data. Times are milliseconds since 1970. */
export interface JobRecord {
  readonly id: string
  /** A job of Tenure's own, such as the heartbeat. */
  readonly system: boolean
  /** The schedule in words, such as `every 5s` or `cron 0 3 * * * (Europe/Berlin)`. */
  readonly schedule: string
  readonly paused: boolean
  readonly running: boolean
  readonly lastRun: RunRecord | undefined
  /** `undefined` on an instance that does not lead, and for a job that is never due again. */
  readonly nextTickAtMs: number | undefined
}

/** The next ticks of a job: plain data. */
export interface NextTicks {
  /** The time zone of its cron expression; `'UTC'` for the other schedules. */
  readonly timeZone: string
  /** Milliseconds since 1970; fewer than were asked for where the job is due no more after them. */
  readonly atMs: readonly number[]
}

/** When a job is due, on the clock that decides about it. */
export type Timing =
  | { readonly kind: 'every'; readonly everyMs: number }
  | { readonly kind: 'cron'; readonly times: CronTimes; readonly timeZone: string }
  | { readonly kind: 'at'; readonly atMs: number }

/** A job in the scheduler. `dueMs` is monotonic for `every`, and of the wall clock for the rest. */
export interface Job extends Due {
  readonly id: string
  readonly timing: Timing
  /** The schedule in words; two schedules with the same words are the same. */
  readonly description: string
  readonly handler: Handler
  readonly data: unknown
  readonly timeoutMs: number | undefined
  /** From where `every` is counted, monotonic. */
  readonly anchorMs: number
  /** The last tick by the wall clock: however that is set, it is not due again. */
  lastTickMs: number
  paused: boolean
  lastRun: RunRecord | undefined
}

/** The shortest interval of a job. */
export const everyMsMin = 10

/** Reads the options of a job. @throws TenureError */
export function readJobOptions(options: unknown): {
  data: unknown
  timeoutMs: number | undefined
  onConflict: 'replace' | 'keep' | 'error'
} {
  checkKeys(options, 'options', ['data', 'timeout', 'overlap', 'onConflict'])
  const { data, timeout, overlap, onConflict } = options as Record<string, unknown>
  checkChoice(overlap, 'overlap', ['skip'])
  return {
    data,
    timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, 'timeout'),
    onConflict: checkChoice(onConflict, 'onConflict', ['replace', 'keep', 'error']) ?? 'replace',
  }
}

/** Reads a schedule. @throws TenureError `TENURE_ERR_SCHEDULE`, `TENURE_ERR_DURATION` */
export function readSchedule(
  schedule: unknown,
  nowMs: number,
): { timing: Timing; description: string } {
  const kinds = ['every', 'cron', 'at']
  const keys = typeof schedule === 'object' && schedule !== null ? Object.keys(schedule) : []
  const kind = kinds.find((candidate) => keys.includes(candidate))
  const known = kind === 'cron' ? ['cron', 'timeZone'] : [kind]
  if (kind === undefined || keys.some((key) => !known.includes(key))) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      'Expected a schedule to be one of { every }, { cron, timeZone } and { at }; got ' +
        `${describeValue(schedule)}.`,
    )
  }
  const { every, cron, timeZone = 'UTC', at } = schedule as Record<string, unknown>
  switch (kind) {
    case 'every': {
      const everyMs = parseDuration(every, 'every')
      if (everyMs < everyMsMin) {
        throw new TenureError(
          'TENURE_ERR_SCHEDULE',
          `Expected \`every\` to be at least ${everyMsMin} ms; got ${everyMs} ms.`,
        )
      }
      return { timing: { kind, everyMs }, description: `every ${formatDuration(everyMs)}` }
    }
    case 'cron': {
      const times = parseCron(cron, timeZone)
      if (times.nextMs(nowMs) === undefined) {
        throw new TenureError(
          'TENURE_ERR_SCHEDULE',
          `Expected \`cron\` to be due some day; got ${describeValue(cron)}, which never is.`,
        )
      }
      const zone = String(timeZone)
      const description = `cron ${String(cron)} (${zone})`
      return { timing: { kind, times, timeZone: zone }, description }
    }
    default: {
      const atMs = readInstantOf(at)
      return { timing: { kind: 'at', atMs }, description: `at ${new Date(atMs).toISOString()}` }
    }
  }
}

/** A day, a time and an offset from UTC, as ISO 8601 writes them. */
const instantPattern = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/

/** An instant: a `Date`, or a text in ISO 8601 that says its offset from UTC. */
function readInstantOf(at: unknown): number {
  const atMs =
    at instanceof Date ? at.getTime() : typeof at === 'string' ? parseInstant(at) : Number.NaN
  if (!Number.isNaN(atMs)) return atMs
  throw new TenureError(
    'TENURE_ERR_SCHEDULE',
    "Expected `at` to be a Date, or a text such as '2027-01-01T00:00:00Z' or " +
      `'2027-01-01T01:00:00+01:00'; got ${describeValue(at)}.`,
  )
}

/** Milliseconds since 1970, NaN for what is no instant: `Date.parse` takes much that is none. */
function parseInstant(text: string): number {
  const [, day] = instantPattern.exec(text) ?? []
  if (day === undefined) return Number.NaN
  // It takes the thirtieth of February for the second of March.
  const dayMs = Date.parse(`${day}T00:00Z`)
  const exists = !Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(`${day}T`)
  return exists ? Date.parse(text) : Number.NaN
}
