import type { Job } from './job.ts'
import { clockBefore, latestTick, type Clocks } from './timing.ts'

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
