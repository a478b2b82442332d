import type { Clock } from '../clock.ts'
import type { JobRegistration, LedgerJob } from '../store/ledger-store.ts'
import type { Due } from './due-queue.ts'
import type { JobSettings } from './job-options.ts'
import type { Handler, RunRecord } from './run.ts'
import { clockAt, clockBefore, latestTick, toWallMs, type Clocks, type Timing } from './schedule.ts'

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

/** A job as it begins: it has no tick yet, and is not known to the ledger. */
export function jobOf(job: ScheduledJob, clock: Clock): Job {
  const { timing, stored, scheduledAtMs } = job
  const ageMs = stored ? clock.wallMs() - scheduledAtMs : 0
  const startAtMs = timing.kind === 'every' ? timing.startAtMs : undefined
  return {
    ...job,
    scheduledAtMs: Math.round(scheduledAtMs),
    anchorMs: startAtMs === undefined ? clock.monotonicMs() - ageMs : undefined,
    paused: false,
    lastRun: undefined,
    on: 'monotonic',
    tickMs: 0,
    aheadMs: undefined,
    lastTickMs: -Infinity,
    runs: 0,
    dueMs: Infinity,
    place: -1,
  }
}

/**
 * The clocks by which a job is due, as they stand now. They are looked at once: the process may be
 * kept from running between two looks, and a tick has one instant all the same.
 */
export function clocksOf({ timing, aheadMs }: Job, clock: Clock): Clocks {
  const monotonicMs = clock.monotonicMs()
  const isEntered = timing.kind === 'every' && aheadMs !== undefined
  const wallMs = isEntered ? monotonicMs + aheadMs : clock.wallMs()
  return { monotonicMs: () => monotonicMs, wallMs: () => wallMs }
}

/** The moment after a tick: by the fractions that there are between two clocks, and no more. */
export function afterTick(on: Job['on'], tickMs: number, clock: Clocks): Clocks {
  return clockAt(on, tickMs + 0.5, clock)
}

/** How a job is entered in the ledger, if nobody knows it yet. */
export function registrationOf(job: Job, clock: Clock): JobRegistration {
  const { id: jobId, description: schedule, timing, anchorMs, scheduledAtMs: cursorMs } = job
  const isInterval = timing.kind === 'every' && anchorMs !== undefined
  const startMs = isInterval ? toWallMs('monotonic', anchorMs, clock) : cursorMs
  return { jobId, schedule, anchorMs: startMs, cursorMs }
}

/** Has a job go on where the ledger says that it is; the moment after which its next tick is. */
export function goOn(job: Job, { anchorMs, cursorMs, runs }: LedgerJob, clock: Clock): Clocks {
  const wallMs = clock.wallMs()
  job.runs = runs
  // A tick that this instance saw earlier, and was never claimed, is due again.
  job.lastTickMs = cursorMs
  // However the wall clock was set: the next tick is after the last, and within an interval.
  job.aheadMs = Math.round(Math.max(wallMs, cursorMs) - clock.monotonicMs())
  if (job.timing.kind === 'every') {
    const { everyMs, afterFinish, startAtMs } = job.timing
    const waits = startAtMs !== undefined && Math.max(wallMs, cursorMs) < startAtMs
    // The first tick is an interval after the anchor, or at `startAt`.
    const rateFromMs = startAtMs === undefined ? anchorMs : startAtMs - everyMs
    job.anchorMs = waits ? undefined : (afterFinish ? cursorMs : rateFromMs) - job.aheadMs
  }
  return afterTick('wall', cursorMs, clocksOf(job, clock))
}

/** Whether as many ticks of a job were started as may be. */
export function isExhausted({ runs, maxRuns }: Job): boolean {
  return maxRuns !== undefined && runs >= maxRuns
}

/** Whether each tick is counted from the end of the last run. */
export function isFixedDelay({ timing }: Job): boolean {
  return timing.kind === 'every' && timing.afterFinish
}

/** Ticks that are skipped, on the clock of their job: one, or all from one to another. */
export interface Missed {
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
}

/** What becomes of the ticks of a job that are due: what is skipped comes before what is run. */
export interface DueTicks {
  readonly skipped: Missed | undefined
  /** The tick that is run; `undefined` if none is. */
  readonly runMs: number | undefined
}

/**
 * Decides about the ticks of a job from its next one up to now, by its `overdue` and `grace`. With
 * `run-all` it decides about the first that may run only, and about the others when that is done.
 */
export function decideDue(
  job: Pick<Job, 'timing' | 'on' | 'tickMs' | 'overdue' | 'graceMs' | 'jitterMs'>,
  clock: Clocks,
): DueTicks {
  const { on, tickMs: fromMs } = job
  const patienceMs = job.graceMs + job.jitterMs
  const isLate = (tickMs: number): boolean =>
    (on === 'wall' ? clock.wallMs() : clock.monotonicMs()) - tickMs > patienceMs
  if (job.overdue === 'run-all') {
    if (!isLate(fromMs)) return { skipped: undefined, runMs: fromMs }
    const { tickMs, missed } = latestTick(job, clockBefore(patienceMs, clock))
    return { skipped: { fromMs, toMs: tickMs, count: missed + 1 }, runMs: undefined }
  }
  const { tickMs, missed, beforeMs } = latestTick(job, clock)
  if (isLate(tickMs)) {
    return { skipped: { fromMs, toMs: tickMs, count: missed + 1 }, runMs: undefined }
  }
  const skipped = missed > 0 ? { fromMs, toMs: beforeMs, count: missed } : undefined
  return { skipped, runMs: tickMs }
}
