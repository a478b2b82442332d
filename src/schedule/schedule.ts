import type { InstantSource } from '../clock.ts'
import { formatDuration, parseDuration, type Duration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import { parseCron, type CronTimes } from './cron.ts'

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

/** The shortest interval of a job. */
export const everyMsMin = 10

/** What a schedule says, once it is read. */
export interface ReadSchedule {
  readonly timing: Timing
  /** The schedule in words. */
  readonly description: string
}

/** Whether two schedules are the same: those with the same words are. */
export function isSameSchedule(one: ReadSchedule, other: ReadSchedule | undefined): boolean {
  return one.description === other?.description
}

/** Reads a schedule. @throws TenureError `TENURE_ERR_SCHEDULE`, `TENURE_ERR_DURATION` */
export function readSchedule(schedule: unknown, nowMs: number): ReadSchedule {
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
): ReadSchedule {
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

/** The two clocks that decide when something is due. */
export type Clocks = Pick<InstantSource, 'monotonicMs' | 'wallMs'>

/** The clock of a tick: that of elapsed time, or the wall clock. */
export type TickClock = 'monotonic' | 'wall'

/** From where the ticks of a schedule are counted. */
export interface CountedFrom {
  readonly timing: Timing
  /** From where `every` is counted, monotonic; `undefined` until `startAt` has passed. */
  readonly anchorMs: number | undefined
  /** The last tick by the wall clock, if there was one: however that is set, it is not due again. */
  readonly lastTickMs: number | undefined
}

/** A tick to come: on which clock it is due, and from where its interval is counted. */
export interface NextTick {
  readonly on: TickClock
  readonly tickMs: number
  readonly anchorMs: number | undefined
}

/** The first tick of a job after this moment, or `undefined` if there is none. */
export function nextTick(
  { timing, anchorMs, lastTickMs }: CountedFrom,
  clock: Clocks,
): NextTick | undefined {
  // However the wall clock is set, no tick is due again.
  const wallMs = lastTickMs === undefined ? clock.wallMs() : Math.max(clock.wallMs(), lastTickMs)
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
  timing: Timing,
  on: TickClock,
  firstMs: number,
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
 * The next ticks of a job by the wall clock, as far as is known now: without their jitter, and if the
 * next one is counted from the end of a run, as if that took no time.
 */
export function ticksFrom(job: CountedFrom, clock: Clocks, count: number): number[] {
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

/** An instant of a clock by the wall clock, as both are now: whole milliseconds since 1970. */
export function toWallMs(on: TickClock, ms: number, clock: Clocks): number {
  return Math.round(on === 'wall' ? ms : clock.wallMs() - (clock.monotonicMs() - ms))
}

/** Both clocks at the moment of a tick, as they differ now. */
export function clockAt(on: TickClock, tickMs: number, clock: Clocks): Clocks {
  return clockBefore((on === 'wall' ? clock.wallMs() : clock.monotonicMs()) - tickMs, clock)
}

/** Both clocks as they were so long ago. */
export function clockBefore(agoMs: number, clock: Clocks): Clocks {
  const [monotonicMs, wallMs] = [clock.monotonicMs() - agoMs, clock.wallMs() - agoMs]
  return { monotonicMs: () => monotonicMs, wallMs: () => wallMs }
}

/**
 * The ticks of a fixed rate: `anchorMs + everyMs`, `anchorMs + 2 everyMs`, ... Counting from the
 * anchor, and not from the last run, keeps lateness from adding up.
 *
 * @returns the first tick after `nowMs`
 */
export function nextOfInterval(anchorMs: number, everyMs: number, nowMs: number): number {
  const passed = Math.max(0, Math.floor((nowMs - anchorMs) / everyMs))
  const next = anchorMs + (passed + 1) * everyMs
  // Rounding may have put it at `nowMs` itself.
  return next > nowMs ? next : next + everyMs
}
