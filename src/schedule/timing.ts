import type { InstantSource } from '../clock.ts'
import type { CronTimes } from './cron.ts'
import { nextOfInterval } from './interval.ts'
import type { Job, Timing } from './job.ts'

/** The two clocks that decide when something is due. */
export type Clocks = Pick<InstantSource, 'monotonicMs' | 'wallMs'>

/** A tick to come: on which clock it is due, and from where its interval is counted. */
export type NextTick = Pick<Job, 'on' | 'tickMs' | 'anchorMs'>

/** The first tick of a job after this moment, or `undefined` if there is none. */
export function nextTick(
  { timing, anchorMs, lastTickMs }: Pick<Job, 'timing' | 'anchorMs' | 'lastTickMs'>,
  clock: Clocks,
): NextTick | undefined {
  // However the wall clock is set, no tick is due again.
  const wallMs = Math.max(clock.wallMs(), lastTickMs)
  switch (timing.kind) {
    case 'every':
      return nextOfEvery(timing, anchorMs, clock)
    case 'cron': {
      const { times, startAtMs = -Infinity, endAtMs = Infinity } = timing
      const tickMs = times.nextMs(Math.max(wallMs, startAtMs - 1))
      if (tickMs === undefined || tickMs > endAtMs) return undefined
      return { on: 'wall', tickMs, anchorMs }
    }
    case 'at':
      return timing.atMs > wallMs ? { on: 'wall', tickMs: timing.atMs, anchorMs } : undefined
  }
}

/** `startAt` is an instant of the wall clock; from there on the interval is one of elapsed time. */
function nextOfEvery(
  timing: Timing & { kind: 'every' },
  anchorMs: number | undefined,
  clock: Clocks,
): NextTick | undefined {
  const { everyMs, startAtMs = 0, endAtMs = Infinity } = timing
  const wallMs = clock.wallMs()
  const nowMs = clock.monotonicMs()
  if (anchorMs === undefined && startAtMs > wallMs) {
    return { on: 'wall', tickMs: startAtMs, anchorMs }
  }
  const fromMs = anchorMs ?? nowMs - (wallMs - startAtMs)
  const tickMs = nextOfInterval(fromMs, everyMs, nowMs)
  if (toWallMs('monotonic', tickMs, clock) > endAtMs) return undefined
  return { on: 'monotonic', tickMs, anchorMs: fromMs }
}

/** How many ticks of a cron expression are counted one by one after a long block or a jump. */
const missedTicksMax = 1_000

/** The latest tick of a job that is due, how many before it were missed, and the last of those. */
export function latestTick(
  { timing, on, tickMs: firstMs }: Pick<Job, 'timing' | 'on' | 'tickMs'>,
  clock: Clocks,
): { tickMs: number; missed: number; beforeMs: number } {
  if (timing.kind === 'at') return { tickMs: firstMs, missed: 0, beforeMs: firstMs }
  const nowMs = on === 'wall' ? clock.wallMs() : clock.monotonicMs()
  const { endAtMs = Infinity } = timing
  // Between two clocks there are fractions of a millisecond, which must not cost the last tick.
  const lastMs = Math.min(nowMs, nowMs + (endAtMs - clock.wallMs()) + 0.5)
  let tickMs = firstMs
  let beforeMs = firstMs
  let missed = 0
  if (timing.kind === 'every') {
    // With a fixed delay there is no second tick before the first has been run.
    if (timing.afterFinish) return { tickMs, missed, beforeMs }
    missed = Math.max(0, Math.floor((lastMs - firstMs) / timing.everyMs))
    tickMs = firstMs + missed * timing.everyMs
    return { tickMs, missed, beforeMs: missed > 0 ? tickMs - timing.everyMs : firstMs }
  }
  while (missed < missedTicksMax) {
    const nextMs = timing.times.nextMs(tickMs)
    if (nextMs === undefined || nextMs > lastMs) break
    beforeMs = tickMs
    tickMs = nextMs
    missed++
  }
  if (missed === missedTicksMax) {
    const countedMs = tickMs
    tickMs = latestBetween(timing.times, countedMs, lastMs)
    if (tickMs > countedMs) beforeMs = latestBetween(timing.times, countedMs, tickMs - 1)
  }
  return { tickMs, missed, beforeMs }
}

/** The latest tick up to `untilMs`, which is `tickMs` or one after it: found by halving. */
function latestBetween(times: CronTimes, tickMs: number, untilMs: number): number {
  let latestMs = tickMs
  let noneAfterMs = untilMs
  // Ticks are whole seconds.
  while (noneAfterMs - latestMs >= 1_000) {
    const middleMs = (latestMs + noneAfterMs) / 2
    const nextMs = times.nextMs(middleMs)
    if (nextMs !== undefined && nextMs <= untilMs) latestMs = nextMs
    else noneAfterMs = middleMs
  }
  return latestMs
}

/**
 * The next ticks of a job by the wall clock, as things stand: without their jitter, and where the
 * next one is counted from the end of a run, as if that took no time.
 */
export function ticksFrom(
  job: Pick<Job, 'timing' | 'anchorMs' | 'lastTickMs'>,
  clock: Clocks,
  count: number,
): number[] {
  const ticks: number[] = []
  let { anchorMs, lastTickMs } = job
  let [monotonicMs, wallMs] = [clock.monotonicMs(), clock.wallMs()]
  while (ticks.length < count) {
    const then = { monotonicMs: () => monotonicMs, wallMs: () => wallMs }
    const next = nextTick({ timing: job.timing, anchorMs, lastTickMs }, then)
    if (next === undefined) break
    ticks.push(toWallMs(next.on, next.tickMs, then))
    const passesMs = next.tickMs - (next.on === 'wall' ? wallMs : monotonicMs)
    monotonicMs += passesMs
    wallMs += passesMs
    anchorMs = next.anchorMs
    if (next.on === 'wall') lastTickMs = next.tickMs
  }
  return ticks
}

/**
 * By how much a tick is delayed: at random, by whole milliseconds, by less than the jitter, and by
 * less than it is to the next tick.
 */
export function delayOf(
  timing: Timing,
  tickMs: number,
  jitterMs: number,
  random: () => number,
): number {
  if (jitterMs === 0) return 0
  const nextMs = timing.kind === 'cron' ? timing.times.nextMs(tickMs) : undefined
  return Math.floor(random() * Math.min(jitterMs, (nextMs ?? Infinity) - tickMs))
}

/** An instant of a clock by the wall clock, as they stand now: whole milliseconds since 1970. */
export function toWallMs(on: Job['on'], ms: number, clock: Clocks): number {
  return Math.round(on === 'wall' ? ms : clock.wallMs() - (clock.monotonicMs() - ms))
}

/** Both clocks at the moment of a tick, as they stand to one another now. */
export function clockAt(on: Job['on'], tickMs: number, clock: Clocks): Clocks {
  return clockBefore((on === 'wall' ? clock.wallMs() : clock.monotonicMs()) - tickMs, clock)
}

/** Both clocks as they were so long ago. */
export function clockBefore(agoMs: number, clock: Clocks): Clocks {
  const [monotonicMs, wallMs] = [clock.monotonicMs() - agoMs, clock.wallMs() - agoMs]
  return { monotonicMs: () => monotonicMs, wallMs: () => wallMs }
}
