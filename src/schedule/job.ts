import { formatDuration, parseDuration, type Duration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { RunLogger } from '../events.ts'
import type { Fence } from '../fencing/fence-client.ts'
import { parseCron, type CronTimes } from './cron.ts'
import type { Due } from './due-queue.ts'
import type { JobSettings } from './job-options.ts'

/**
 * When a job is due.
 *
 * - `{ every: '30s' }`: at a fixed rate, by elapsed time, counted from when it was scheduled, or
 *   from `startAt`. With `mode: 'after-finish'` each tick is that long after the end of the last
 *   run, whatever started that.
 * - `{ cron: '0 3 * * *', timeZone: 'Europe/Berlin' }`: five fields, or six with seconds first.
 *   The time zone is UTC unless it is given: instances may have different ones.
 * - `{ at: new Date('2027-01-01T00:00:00Z') }`: once, at an instant.
 *
 * `startAt` and `endAt` are instants as `at` is: no tick is before the one or after the other. An
 * interval has its first tick at `startAt` itself.
 */
export type Schedule =
  | ({
      readonly every: Duration
      readonly mode?: 'fixed-rate' | 'after-finish' | undefined
      readonly cron?: undefined
      readonly timeZone?: undefined
      readonly at?: undefined
    } & ScheduleBounds)
  | ({
      readonly cron: string
      readonly timeZone?: string | undefined
      readonly every?: undefined
      readonly mode?: undefined
      readonly at?: undefined
    } & ScheduleBounds)
  | {
      readonly at: Date | string
      readonly every?: undefined
      readonly mode?: undefined
      readonly cron?: undefined
      readonly timeZone?: undefined
      readonly startAt?: undefined
      readonly endAt?: undefined
    }

/** From when to when a schedule has ticks. */
export interface ScheduleBounds {
  /** No tick is before this. @default none */
  readonly startAt?: Date | string | undefined
  /** No tick is after this; one at this very instant is the last. @default none */
  readonly endAt?: Date | string | undefined
}

/**
 * What happens to a tick while the last run goes on: it is skipped; it waits for the end of the
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
   * A run that goes on for so long after its `timeout` is called lost. It still counts as running,
   * because it is. @default '10s'
   */
  readonly timeoutGrace?: Duration | undefined
  /** What happens to a tick while the last run goes on. @default 'skip' */
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

/** One execution of a job, as its handler sees it. */
export interface Run<Data = unknown> {
  readonly id: string
  readonly jobId: string
  readonly data: Data
  /** The tick; of a run started by `runNow`, when that was called. */
  readonly scheduledFor: Date
  /** 1, or more where an earlier run of this tick failed: see `retry`. */
  readonly attempt: number
  /** The token of the term in which the run was started: hand it to what the run writes to. */
  readonly fencingToken: number
  /** Aborted when the work must stop: at the job's `timeout`, or as the term ends. */
  readonly signal: AbortSignal
  readonly correlationId: string
  /** Logs with the job's id, the run's id, its token and its correlation id. */
  readonly log: RunLogger
  /**
   * Tells how far the run is, from 0 to 1, and in words if need be: `jobs()` and the status page
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
 * How a run ended, or that it goes on.
 *
 * - `running`: it goes on
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

/** How far a run is, as it has told itself. */
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
  /** 1, or more where earlier runs of this tick failed. */
  readonly attempt: number
  readonly startedAtMs: number
  /** `undefined` while it goes on. */
  readonly finishedAtMs: number | undefined
  readonly outcome: RunOutcome
  /** Why it failed. */
  readonly error: string | undefined
  /** What it told last by `run.progress`. */
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
  /** 1, or more where it is the retry of a tick that is not made. */
  readonly attempt: number
  readonly skippedAtMs: number
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
  /** The run that was started last. */
  readonly lastRun: RunRecord | undefined
  /**
   * When it is due next, its jitter included. `undefined` on an instance that does not lead, for a
   * job that is never due again, and for one that is due after the end of a run that goes on.
   */
  readonly nextTickAtMs: number | undefined
  /** When a tick whose run has failed is tried again. */
  readonly retryAtMs: number | undefined
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
  | {
      readonly kind: 'every'
      readonly everyMs: number
      /** Counted from the end of the last run, and not from the last tick. */
      readonly afterFinish: boolean
      readonly startAtMs: number | undefined
      readonly endAtMs: number | undefined
    }
  | {
      readonly kind: 'cron'
      readonly times: CronTimes
      readonly timeZone: string
      readonly startAtMs: number | undefined
      readonly endAtMs: number | undefined
    }
  | { readonly kind: 'at'; readonly atMs: number }

/** What a job is by its schedule, its handler and its options. */
export interface ScheduledJob extends JobSettings {
  readonly id: string
  readonly timing: Timing
  /** The schedule in words; two schedules with the same words are the same. */
  readonly description: string
  readonly handler: Handler
  /** Whether it is kept in the store, and not in the application's code. */
  readonly stored: boolean
  /** When it was scheduled, by the wall clock: no tick before is due, if nobody knows the job yet. */
  readonly scheduledAtMs: number
}

/** What a job is that is kept in the store. */
export type StoredJobSettings = Omit<ScheduledJob, 'stored'>

/** A job in the scheduler. */
export interface Job extends Due, ScheduledJob {
  /** From where `every` is counted, monotonic; `undefined` until `startAt` has passed. */
  anchorMs: number | undefined
  /** The clock of `tickMs` and `dueMs`: that of elapsed time, or the wall clock. */
  on: 'monotonic' | 'wall'
  /** The next tick; `dueMs` is that and its jitter, Infinity while there is none. */
  tickMs: number
  /**
   * How far the wall clock was ahead of the monotonic one when the job was entered in the ledger, in
   * this term: by that an interval has its ticks there, however the wall clock is set later.
   */
  aheadMs: number | undefined
  /** The last tick by the wall clock: however that is set, it is not due again. */
  lastTickMs: number
  /** How many ticks of this schedule were started, or are about to be, as the ledger counts. */
  runs: number
  paused: boolean
  lastRun: RunRecord | undefined
}

/** The handler of a job. @throws TenureError `TENURE_ERR_OPTION_TYPE` */
export function checkHandler(handler: unknown): Handler {
  if (typeof handler === 'function') return handler as Handler
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`handler\` to be a function; got ${describeValue(handler)}.`,
  )
}

/** The shortest interval of a job. */
export const everyMsMin = 10

/** Reads a schedule. @throws TenureError `TENURE_ERR_SCHEDULE`, `TENURE_ERR_DURATION` */
export function readSchedule(
  schedule: unknown,
  nowMs: number,
): { timing: Timing; description: string } {
  const keys = Object.entries(schedule ?? {}).flatMap(([key, value]) =>
    value === undefined ? [] : [key],
  )
  const kind = (['every', 'cron', 'at'] as const).find((candidate) => keys.includes(candidate))
  if (kind === undefined || keys.some((key) => !scheduleKeys[kind].includes(key))) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      'Expected a schedule to be one of { every, mode }, { cron, timeZone } and { at }, the first ' +
        `two with \`startAt\` and \`endAt\` if need be; got ${describeValue(schedule)}.`,
    )
  }
  const { every, mode, cron, timeZone = 'UTC', at, ...bounds } = schedule as Record<string, unknown>
  switch (kind) {
    case 'every':
      return readInterval(every, mode, readBounds(bounds))
    case 'cron': {
      const { startAtMs, endAtMs, words } = readBounds(bounds)
      const times = parseCron(cron, timeZone)
      if (times.nextMs(nowMs) === undefined) {
        throw new TenureError(
          'TENURE_ERR_SCHEDULE',
          `Expected \`cron\` to be due some day; got ${describeValue(cron)}, which never is.`,
        )
      }
      const zone = String(timeZone)
      const description = `cron ${String(cron)} (${zone})${words}`
      return { timing: { kind, times, timeZone: zone, startAtMs, endAtMs }, description }
    }
    case 'at': {
      const atMs = readInstantOf(at, 'at')
      return { timing: { kind, atMs }, description: `at ${new Date(atMs).toISOString()}` }
    }
  }
}

const scheduleKeys: Readonly<Record<Timing['kind'], readonly string[]>> = {
  every: ['every', 'mode', 'startAt', 'endAt'],
  cron: ['cron', 'timeZone', 'startAt', 'endAt'],
  at: ['at'],
}

interface Bounds {
  readonly startAtMs: number | undefined
  readonly endAtMs: number | undefined
  readonly words: string
}

function readInterval(
  every: unknown,
  mode: unknown,
  { startAtMs, endAtMs, words }: Bounds,
): { timing: Timing; description: string } {
  const everyMs = parseDuration(every, 'every')
  if (everyMs < everyMsMin) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      `Expected \`every\` to be at least ${everyMsMin} ms; got ${everyMs} ms.`,
    )
  }
  if (mode !== undefined && mode !== 'fixed-rate' && mode !== 'after-finish') {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      `Expected \`mode\` to be 'fixed-rate' or 'after-finish'; got ${describeValue(mode)}.`,
    )
  }
  const afterFinish = mode === 'after-finish'
  const how = afterFinish ? ' after the last run' : ''
  return {
    timing: { kind: 'every', everyMs, afterFinish, startAtMs, endAtMs },
    description: `every ${formatDuration(everyMs)}${how}${words}`,
  }
}

function readBounds({ startAt, endAt }: Readonly<Record<string, unknown>>): Bounds {
  const startAtMs = startAt === undefined ? undefined : readInstantOf(startAt, 'startAt')
  const endAtMs = endAt === undefined ? undefined : readInstantOf(endAt, 'endAt')
  const show = (ms: number): string => new Date(ms).toISOString()
  if (startAtMs !== undefined && endAtMs !== undefined && startAtMs > endAtMs) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      `Expected \`startAt\` not to be after \`endAt\`; got ${show(startAtMs)} and ${show(endAtMs)}.`,
    )
  }
  const from = startAtMs === undefined ? '' : ` from ${show(startAtMs)}`
  const to = endAtMs === undefined ? '' : ` to ${show(endAtMs)}`
  return { startAtMs, endAtMs, words: from + to }
}

/** A day, a time and an offset from UTC, as ISO 8601 writes them. */
const instantPattern = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)$/

/** An instant: a `Date`, or a text in ISO 8601 that says its offset from UTC. */
function readInstantOf(value: unknown, name: string): number {
  const ms =
    value instanceof Date
      ? value.getTime()
      : typeof value === 'string'
        ? parseInstant(value)
        : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new TenureError(
    'TENURE_ERR_SCHEDULE',
    `Expected \`${name}\` to be a Date, or a text such as '2027-01-01T00:00:00Z' or ` +
      `'2027-01-01T01:00:00+01:00'; got ${describeValue(value)}.`,
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
