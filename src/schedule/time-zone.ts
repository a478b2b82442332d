/** The clock of a time zone is changed: it jumps ahead, or is set back. */
export interface ClockChange {
  /** The first instant of the new offset. */
  readonly atMs: number
  readonly offsetBeforeMs: number
  readonly offsetMs: number
}

/** The clock of a time zone, as far as ticks need it. Instants are milliseconds since 1970. */
export interface TimeZone {
  /** By how much the local time is ahead of UTC. */
  offsetMs(atMs: number): number
  /**
   * The change after `fromMs` and not after `untilMs`. Of several it finds one, and two that cancel
   * out it does not see: {@link changeFreeMs} is how far apart they may be asked for.
   */
  changeWithin(fromMs: number, untilMs: number): ClockChange | undefined
}

/**
 * Within two days no zone has changed its clock twice since 1970: the closest changes were a week
 * apart (America/Recife in 2000). And no change was by more than one day (Pacific/Apia in 2011).
 */
export const changeFreeMs: number = 2 * 86_400_000

/** A formatter is slow to make, and large. There are as many as there are names of zones. */
const zones = new Map<string, TimeZone>()

/** A time zone of the IANA database, by its name. @throws RangeError if there is none */
export function timeZoneOf(name: string): TimeZone {
  const key = name.toLowerCase()
  const known = zones.get(key)
  if (known !== undefined) return known
  const zone = createTimeZone(name)
  zones.set(key, zone)
  return zone
}

function createTimeZone(timeZone: string): TimeZone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  const isUtc = format.resolvedOptions().timeZone === 'UTC'
  const offsetAt = (atMs: number): number => {
    if (isUtc) return 0
    const wholeMs = wholeSecond(atMs)
    const [month = 0, day, year = 0, hour, minute, second] = (
      format.format(wholeMs).match(/\d+/g) ?? []
    ).map(Number)
    return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs
  }
  return {
    offsetMs: offsetAt,
    changeWithin(fromMs, untilMs) {
      const offsetBeforeMs = offsetAt(fromMs)
      const offsetMs = offsetAt(untilMs)
      if (offsetMs === offsetBeforeMs) return undefined
      // Halved until only one second is left, at whose end the offset is another.
      let beforeMs = wholeSecond(fromMs)
      let atMs = wholeSecond(untilMs)
      while (atMs - beforeMs > 1_000) {
        const middleMs = wholeSecond((beforeMs + atMs) / 2)
        if (offsetAt(middleMs) === offsetBeforeMs) beforeMs = middleMs
        else atMs = middleMs
      }
      return { atMs, offsetBeforeMs, offsetMs }
    },
  }
}

function wholeSecond(ms: number): number {
  return Math.floor(ms / 1_000) * 1_000
}
