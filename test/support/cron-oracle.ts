// The rule of docs/scheduling.md once more, in other words and with nothing of the code: it walks
// through UTC step by step, and notes what the local clock has shown.

/** What the clock of a zone shows at an instant, by `Intl` alone. */
class LocalClock {
  readonly #format: Intl.DateTimeFormat
  #startMs = Number.NaN
  #aheadMs = 0
  #isChanged = false

  constructor(timeZone: string) {
    this.#format = new Intl.DateTimeFormat('en-GB', {
      timeZone,
      dateStyle: 'short',
      timeStyle: 'medium',
    })
  }

  /**
   * As if the clock showed UTC. It is asked at both ends of each hour, and where it was changed in
   * between, at the instant itself.
   */
  shownMs(atMs: number): number {
    const hourMs = 3_600_000
    const startMs = Math.floor(atMs / hourMs) * hourMs
    if (startMs !== this.#startMs) {
      this.#startMs = startMs
      this.#aheadMs = this.#askedMs(startMs) - startMs
      this.#isChanged = this.#askedMs(startMs + hourMs) - startMs - hourMs !== this.#aheadMs
    }
    return this.#isChanged ? this.#askedMs(atMs) : atMs + this.#aheadMs
  }

  #askedMs(atMs: number): number {
    const text = this.#format.format(atMs)
    const part = (from: number, length = 2): number => Number(text.slice(from, from + length))
    // Such as 29/03/2026, 03:30:00
    return Date.UTC(part(6, 4), part(3) - 1, part(0), part(12), part(15), part(18))
  }
}

const names = {
  month: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  day: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'],
}

const nicknames: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
}

/** The numbers of a field, written as a list of `*`, `a`, `a-b`, each perhaps with a step. */
function numbersOf(text: string, min: number, max: number): Set<number> {
  const numbers = new Set<number>()
  for (const part of text.split(',')) {
    const [range = '', step = '1'] = part.split('/')
    const [from, to] = /^[*?]$/.test(range) ? [min, max] : range.split('-').map(Number)
    if (from === undefined || Number.isNaN(from)) throw new Error(`The oracle cannot read ${part}`)
    for (let number = from; number <= (to ?? from); number += Number(step)) numbers.add(number)
  }
  return numbers
}

type DayTest = (day: Date) => boolean

function daysInMonth(day: Date): number {
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate()
}

function weekdayOf(day: Date, date: number): number {
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), date)).getUTCDay()
}

/** The weekday of this month that is next to a date. */
function nearestWeekday(day: Date, date: number): number {
  const last = daysInMonth(day)
  const distances = [0, -1, 1, -2, 2].map((distance) => date + distance)
  const found = distances.find((candidate) => {
    const inMonth = candidate >= 1 && candidate <= last
    return inMonth && weekdayOf(day, candidate) % 6 !== 0
  })
  return date > last ? -1 : (found ?? -1)
}

function dayOfMonthTest(text: string): DayTest {
  const tests = text.split(',').map((part): DayTest => {
    if (part === 'L') return (day) => day.getUTCDate() === daysInMonth(day)
    if (part === 'LW') return (day) => day.getUTCDate() === nearestWeekday(day, daysInMonth(day))
    const [, weekday] = /^(\d+)W$/.exec(part) ?? []
    if (weekday !== undefined) {
      return (day) => day.getUTCDate() === nearestWeekday(day, Number(weekday))
    }
    const numbers = numbersOf(part, 1, 31)
    return (day) => numbers.has(day.getUTCDate())
  })
  return (day) => tests.some((test) => test(day))
}

function dayOfWeekTest(text: string): DayTest {
  const tests = text.split(',').map((part): DayTest => {
    const [, which, last, nth] = /^(\d)(?:(L)|#(\d))$/.exec(part) ?? []
    if (which !== undefined) {
      return (day) => {
        if (day.getUTCDay() !== Number(which) % 7) return false
        const date = day.getUTCDate()
        return last ? date + 7 > daysInMonth(day) : Math.ceil(date / 7) === Number(nth)
      }
    }
    const numbers = numbersOf(part, 0, 7)
    return (day) => numbers.has(day.getUTCDay()) || (day.getUTCDay() === 0 && numbers.has(7))
  })
  return (day) => tests.some((test) => test(day))
}

function namesToNumbers(text: string, list: readonly string[], first: number): string {
  return text.replace(/[A-Z]{3}/gi, (name) => {
    const index = list.indexOf(name.toUpperCase())
    return index === -1 ? name : String(index + first)
  })
}

/** An expression as the oracle reads it: what can be asked of a time that a clock shows. */
interface Reading {
  readonly matches: (shownMs: number) => boolean
  readonly namesHours: boolean
  readonly stepMs: number
}

function read(expression: string): Reading {
  const fields = (nicknames[expression] ?? expression).split(/\s+/)
  if (fields.length === 5) fields.unshift('0')
  const stepMs = fields[0] === '0' ? 60_000 : 1_000
  const [second = '', minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = fields
  const seconds = numbersOf(second, 0, 59)
  const minutes = numbersOf(minute, 0, 59)
  const hours = numbersOf(hour, 0, 23)
  const months = numbersOf(namesToNumbers(month, names.month, 1), 1, 12)
  const byMonth = dayOfMonthTest(dayOfMonth)
  const both = dayOfWeek.startsWith('+')
  const weekdays = namesToNumbers(dayOfWeek.replace('+', ''), names.day, 0)
  const byWeek = dayOfWeekTest(weekdays)
  const either = !both && !/^[*?]$/.test(dayOfMonth) && !/^[*?]$/.test(weekdays)
  return {
    stepMs,
    namesHours: hours.size < 24,
    matches(shownMs) {
      const at = new Date(shownMs)
      if (!seconds.has(at.getUTCSeconds()) || !minutes.has(at.getUTCMinutes())) return false
      if (!hours.has(at.getUTCHours()) || !months.has(at.getUTCMonth() + 1)) return false
      return either ? byMonth(at) || byWeek(at) : byMonth(at) && byWeek(at)
    },
  }
}

/** For how long the clock is watched before the ticks are looked for: longer than it is set back. */
const watchMs = 30 * 3_600_000

/** The ticks of an expression after one instant and up to another, found by walking all the way. */
export function ticksByWalking(
  expression: string,
  timeZone: string,
  afterMs: number,
  untilMs: number,
): number[] {
  const { matches, namesHours, stepMs } = read(expression)
  const clock = new LocalClock(timeZone)
  const ticks: number[] = []
  const shown = new Set<number>()
  const startMs = Math.floor((afterMs - watchMs) / stepMs) * stepMs
  let lastShownMs = clock.shownMs(startMs) - stepMs
  for (let atMs = startMs; atMs <= untilMs; atMs += stepMs) {
    const shownMs = clock.shownMs(atMs)
    let due = matches(shownMs) && !(namesHours && shown.has(shownMs))
    if (namesHours) {
      for (let ms = lastShownMs + stepMs; ms < shownMs && !due; ms += stepMs) due = matches(ms)
      shown.add(shownMs)
    }
    if (due && atMs > afterMs) ticks.push(atMs)
    lastShownMs = shownMs
  }
  return ticks
}
