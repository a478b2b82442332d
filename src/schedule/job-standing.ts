import type { Clock } from '../clock.ts'
import type { JobRegistration, LedgerJob } from '../store/ledger-store.ts'
import type { Job, ScheduledJob } from './job.ts'
import { clockAt, toWallMs, type Clocks } from './timing.ts'

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
