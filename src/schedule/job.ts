import type { Clock } from '../clock.ts'
import type { JobRegistration, LedgerJob } from '../store/ledger-store.ts'
import type { Due } from './due-queue.ts'
import type { JobSettings } from './job-options.ts'
import type { Handler, RunRecord, SkippedTicks } from './run.ts'
import {
  clockAt,
  clockBefore,
  isSameSchedule,
  latestTick,
  toWallMs,
  type Clocks,
  type ReadSchedule,
  type TickClock,
} from './schedule.ts'

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
   * job that is never due again, and for one that is due after the end of a run in progress.
   */
  readonly nextTickAtMs: number | undefined
  /** When a tick whose run has failed is tried again. */
  readonly retryAtMs: number | undefined
}

/** The next ticks of a job: plain data. */
export interface NextTicks {
  /** The time zone of its cron expression; `'UTC'` for the other schedules. */
  readonly timeZone: string
  /** Milliseconds since 1970; fewer than were asked for if the job is due no more after them. */
  readonly atMs: readonly number[]
}

/** A job of Tenure's own that runs elsewhere, and is shown and fired like any other. */
export interface SystemJob {
  readonly id: string
  record(): JobRecord
  fire(correlationId: string): Promise<RunRecord>
}

/** What a job is by its schedule, its handler and its options. */
export interface ScheduledJob extends JobSettings, ReadSchedule {
  readonly id: string
  readonly handler: Handler
  /** Whether it is kept in the store, and not in the application's code. */
  readonly stored: boolean
  /** When it was scheduled, by the wall clock: no tick before is due, unless the ledger knows the job. */
  readonly scheduledAtMs: number
}

/** What a job is that is kept in the store. */
export type StoredJobSettings = Omit<ScheduledJob, 'stored'>

/** The next tick of a job, in a term that leads. */
export interface PlannedTick extends Due {
  readonly job: Job
  /** The clock of `tickMs` and `dueMs`. */
  readonly on: TickClock
  readonly tickMs: number
}

/**
 * What a job waits for; drawn in README.md.
 *
 * - `standby`: this instance does not lead
 * - `registering`: the ledger has not answered yet from where its ticks continue
 * - `waiting`: its next tick is in the queue
 * - `held`: its next tick is known, and not in the queue: the job is paused, or has no free slot
 * - `idle`: it has no next tick: none is left, or it is counted from the end of the run in progress
 */
export type JobState =
  | { readonly kind: 'standby' | 'registering' | 'idle' }
  | { readonly kind: 'waiting' | 'held'; readonly next: PlannedTick }

/** A job in the scheduler. */
export interface Job extends ScheduledJob {
  state: JobState
  /** From where `every` is counted, monotonic; `undefined` until `startAt` has passed. */
  anchorMs: number | undefined
  /**
   * How far the wall clock was ahead of the monotonic one when the job was registered, in this term:
   * by that an interval has its ticks there, however the wall clock is set later.
   */
  aheadMs: number | undefined
  /** The last tick by the wall clock, if there was one: however that is set, it is not due again. */
  lastTickMs: number | undefined
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
    state: { kind: 'standby' },
    anchorMs: startAtMs === undefined ? clock.monotonicMs() - ageMs : undefined,
    aheadMs: undefined,
    lastTickMs: undefined,
    runs: 0,
    paused: false,
    lastRun: undefined,
  }
}

/** The next tick of a job, if one is planned. */
export function plannedTickOf({ state }: Job): PlannedTick | undefined {
  return 'next' in state ? state.next : undefined
}

/** The end of the term: what it knew of the job is forgotten. */
export function standBy(job: Job): void {
  job.state = { kind: 'standby' }
  job.aheadMs = undefined
}

/** Takes over what lasts when a job is scheduled again; more of it if the schedule is the same. */
export function inherit(job: Job, previous: Job): void {
  job.paused = previous.paused
  job.lastRun = previous.lastRun
  // Deploys schedule the same jobs again and again: that must not put off their next tick.
  if (!isSameSchedule(job, previous)) return
  const { anchorMs, lastTickMs, aheadMs, scheduledAtMs, runs } = previous
  const registered = job.ledger ? aheadMs : undefined
  Object.assign(job, { anchorMs, lastTickMs, aheadMs: registered, scheduledAtMs, runs })
}

/**
 * The clocks by which a job is due, as they are now. They are read once: the process may be kept
 * from running between two readings, and a tick has one instant all the same.
 */
export function clocksOf({ timing, aheadMs }: Job, clock: Clock): Clocks {
  const monotonicMs = clock.monotonicMs()
  const isRegistered = timing.kind === 'every' && aheadMs !== undefined
  const wallMs = isRegistered ? monotonicMs + aheadMs : clock.wallMs()
  return { monotonicMs: () => monotonicMs, wallMs: () => wallMs }
}

/** The moment after a tick: by the fractions that there are between two clocks, and no more. */
export function afterTick(on: TickClock, tickMs: number, clock: Clocks): Clocks {
  return clockAt(on, tickMs + 0.5, clock)
}

/** How a job is registered in the ledger, which may know it already. */
export function registrationOf(job: Job, clock: Clock): JobRegistration {
  const { id: jobId, description: schedule, timing, anchorMs, scheduledAtMs: cursorMs } = job
  const isInterval = timing.kind === 'every' && anchorMs !== undefined
  const startMs = isInterval ? toWallMs('monotonic', anchorMs, clock) : cursorMs
  return { jobId, schedule, anchorMs: startMs, cursorMs }
}

/** Has a job continue from where the ledger says that it is; the moment after which its next tick is. */
export function continueFrom(
  job: Job,
  { anchorMs, cursorMs, runs }: LedgerJob,
  clock: Clock,
): Clocks {
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

/** The last run of a job with a fixed delay has ended: its next tick is counted from here. */
export function countDelayFromNow(job: Job, clock: Clock): void {
  const { timing } = job
  if (timing.kind !== 'every' || !timing.afterFinish) return
  const { startAtMs } = timing
  if (startAtMs === undefined || startAtMs <= clock.wallMs()) job.anchorMs = clock.monotonicMs()
}

/** What becomes of the ticks of a job that are due: what is skipped comes before what is run. */
export interface DueTicks {
  /** By the wall clock. */
  readonly skipped: SkippedTicks | undefined
  /** The tick that is run, by the wall clock; `undefined` if none is. */
  readonly scheduledForMs: number | undefined
  /** The last of all these ticks, on the clock of its job. */
  readonly lastMs: number
}

/**
 * Decides about the ticks of a job from its next one up to now, by its `overdue` and `grace`. With
 * `run-all` it decides about the first that may run only, and about the others when that is done.
 */
export function decideDue({ job, on, tickMs: firstMs }: PlannedTick, clock: Clocks): DueTicks {
  const { timing, overdue, graceMs, jitterMs } = job
  const latenessMsMax = graceMs === undefined ? undefined : graceMs + jitterMs
  const nowMs = on === 'wall' ? clock.wallMs() : clock.monotonicMs()
  const isLate = (tickMs: number): boolean =>
    latenessMsMax !== undefined && nowMs - tickMs > latenessMsMax
  const skip = (untilMs: number, count: number): SkippedTicks => ({
    scheduledForMs: toWallMs(on, firstMs, clock),
    untilMs: toWallMs(on, untilMs, clock),
    count,
  })
  if (overdue === 'run-all') {
    if (!isLate(firstMs)) {
      return { skipped: undefined, scheduledForMs: toWallMs(on, firstMs, clock), lastMs: firstMs }
    }
    const then = clockBefore(latenessMsMax ?? 0, clock)
    const { tickMs, missed } = latestTick(timing, on, firstMs, then)
    return { skipped: skip(tickMs, missed + 1), scheduledForMs: undefined, lastMs: tickMs }
  }
  const { tickMs, missed, beforeMs } = latestTick(timing, on, firstMs, clock)
  if (isLate(tickMs)) {
    return { skipped: skip(tickMs, missed + 1), scheduledForMs: undefined, lastMs: tickMs }
  }
  const skipped = missed > 0 ? skip(beforeMs, missed) : undefined
  return { skipped, scheduledForMs: toWallMs(on, tickMs, clock), lastMs: tickMs }
}
