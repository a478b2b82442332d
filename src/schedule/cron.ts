import { CronDate, CronPattern } from 'croner'

import { describeValue, messageOf, TenureError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import { changeFreeMs, timeZoneOf, type TimeZone } from './time-zone.ts'

/** The instants of a cron expression in its time zone. */
export interface CronTimes {
  /** The first instant after `afterMs`, both in milliseconds since 1970; `undefined`: never. */
  nextMs(afterMs: number): number | undefined
}

/**
 * Reads a cron expression of five fields (from minutes) or six (from seconds), or a nickname such
 * as `@daily`. This file is the only door to the parser, and uses it for what is in the
 * calendar. What happens when the clocks of a time zone are changed is decided here: see
 * `docs/scheduling.md`.
 *
 * @throws TenureError `TENURE_ERR_SCHEDULE`
 */
export function parseCron(expression: unknown, timeZone: unknown): CronTimes {
  if (typeof expression !== 'string' || !isFieldsOrNickname(expression)) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      "Expected `cron` to have five fields (from minutes) or six (from seconds), such as '0 3 * * *'" +
        `; got ${describeValue(expression)}.`,
    )
  }
  const zone = readTimeZone(timeZone)
  let pattern: CronPattern
  try {
    pattern = new CronPattern(expression, undefined, { mode: '5-or-6-parts' })
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      `Expected \`cron\` to be a cron expression; got ${describeValue(expression)}: ` +
        `${messageOf(cause)}.`,
      { cause },
    )
  }
  // A list of ten thousand years, which it looks at only if an expression restricts them.
  pattern.year = []
  const namesHours = !pattern.hour.every(Boolean)
  const nextLocalMs = (localMs: number): number | undefined =>
    new CronDate(new Date(localMs), 0).increment(pattern, {}, false)?.getTime()
  return { nextMs: (afterMs) => nextOf({ namesHours, nextLocalMs, zone }, afterMs) }
}

/** What the ticks of an expression depend on. */
interface TicksDeps {
  /** Whether it names hours of the day, or is due in each hour. */
  readonly namesHours: boolean
  /** The first time after a local time: both are written as if the zone were UTC. */
  readonly nextLocalMs: (localMs: number) => number | undefined
  readonly zone: TimeZone
}

/**
 * How many stretches of time with one offset are looked at on the way to a tick: some for a tick
 * that is far away, and as many again if a gap has swallowed the first one.
 */
const stretchesMax = 8

/**
 * The first tick after an instant. Times of day that an expression names are due at the first
 * instant at which the local clock has reached them: so a time that is skipped is due right after
 * the gap, and one that occurs twice at the first occurrence. One that is due in each hour continues
 * by elapsed time instead: whenever the local clock shows such a time.
 */
function nextOf({ namesHours, nextLocalMs, zone }: TicksDeps, afterMs: number): number | undefined {
  let fromMs = afterMs
  let offsetMs = zone.offsetMs(afterMs)
  let localMs = nextLocalMs(namesHours ? reachedLocalMs(zone, afterMs) : afterMs + offsetMs)
  // From one stretch of time with one offset to the next.
  for (let stretch = 0; stretch < stretchesMax && localMs !== undefined; stretch++) {
    const untilMs = fromMs + changeFreeMs
    const change = zone.changeWithin(fromMs, untilMs)
    const dueMs = Math.max(fromMs, localMs - offsetMs)
    if (dueMs < (change?.atMs ?? untilMs)) return dueMs
    if (change === undefined) {
      // Whatever is changed on the way there, only its last days matter.
      fromMs = Math.max(untilMs, dueMs - changeFreeMs)
      offsetMs = zone.offsetMs(fromMs)
    } else {
      fromMs = change.atMs
      offsetMs = change.offsetMs
      if (!namesHours) localMs = nextLocalMs(fromMs + offsetMs - 1)
    }
  }
  invariant(localMs === undefined, `a tick is found within ${stretchesMax} stretches of time`)
  return undefined
}

/** The latest local time that the clock has shown: it may have been set back since. */
function reachedLocalMs(zone: TimeZone, atMs: number): number {
  const change = zone.changeWithin(atMs - changeFreeMs, atMs)
  const nowMs = atMs + zone.offsetMs(atMs)
  return change === undefined ? nowMs : Math.max(nowMs, change.atMs + change.offsetBeforeMs - 1)
}

/** The parser also takes single dates and a field of years, which are not promised here. */
function isFieldsOrNickname(expression: string): boolean {
  const fields = expression.trim().split(/\s+/)
  return fields.length === 5 || fields.length === 6 || /^@[a-z]+$/i.test(expression)
}

function readTimeZone(timeZone: unknown): TimeZone {
  try {
    if (typeof timeZone !== 'string') throw new RangeError('not a text')
    return timeZoneOf(timeZone)
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      "Expected `timeZone` to be a time zone of the IANA database, such as 'Europe/Berlin'; got " +
        `${describeValue(timeZone)}.`,
      { cause },
    )
  }
}
