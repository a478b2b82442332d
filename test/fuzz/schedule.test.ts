// Schedules at random: cron expressions against a matcher of our own, instants against the calendar,
// time zones at their changes, and garbage.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { TenureError } from '../../src/index.ts'
import { parseCron } from '../../src/schedule/cron.ts'
import { readSchedule, type Timing } from '../../src/schedule/schedule.ts'

const dayMs = 86_400_000
const nowMs = Date.UTC(2026, 0, 1)

/** A field of a cron expression: its text, and the numbers that it means. */
interface Field {
  readonly text: string
  readonly values: readonly number[]
}

const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC']
const days = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT']

function range(from: number, to: number, every = 1): number[] {
  const values: number[] = []
  for (let value = from; value <= to; value += every) values.push(value)
  return values
}

/** A field of numbers from `min` to `max`; `names` begin at `min`. */
function field(min: number, max: number, names: readonly string[] = []): fc.Arbitrary<Field> {
  const show = (value: number, asName: boolean): string =>
    (asName ? names[value - min] : undefined) ?? String(value)
  const one = fc
    .record({ value: fc.integer({ min, max }), asName: fc.boolean() })
    .map(({ value, asName }): Field => ({ text: show(value, asName), values: [value] }))
  const several = fc
    .record({
      ends: fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })),
      every: fc.option(fc.integer({ min: 1, max: max - min })),
      asName: fc.boolean(),
    })
    .map(({ ends, every, asName }): Field => {
      const [from = min, to = max] = ends.toSorted((a, b) => a - b)
      // As the end of a range, SUN is the seventh day.
      if (asName && from === to) return { text: show(from, true), values: [from] }
      const text = `${show(from, asName)}-${show(to, asName)}${every === null ? '' : `/${every}`}`
      return { text, values: range(from, to, every ?? 1) }
    })
  return fc.array(fc.oneof(one, several), { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(','),
    values: parts.flatMap(({ values }) => values),
  }))
}

function all(min: number, max: number): fc.Arbitrary<Field> {
  return fc.constant({ text: '*', values: range(min, max) })
}

function stepped(min: number, max: number): fc.Arbitrary<Field> {
  return fc
    .integer({ min: 1, max: max - min })
    .map((every) => ({ text: `*/${every}`, values: range(min, max, every) }))
}

const expression = fc.record({
  second: fc.option(fc.oneof(field(0, 59), stepped(0, 59))),
  minute: fc.oneof(field(0, 59), all(0, 59), stepped(0, 59)),
  hour: fc.oneof(field(0, 23), all(0, 23), stepped(0, 23)),
  dayOfMonth: fc.oneof(field(1, 31), all(1, 31)),
  month: fc.oneof(field(1, 12, months), all(1, 12), stepped(1, 12)),
  // Sunday is 0 and 7.
  dayOfWeek: fc.oneof(field(0, 7, days), all(0, 6)),
})

type Expression = typeof expression extends fc.Arbitrary<infer Value> ? Value : never

function textOf({ second, minute, hour, dayOfMonth, month, dayOfWeek }: Expression): string {
  const fields = [second, minute, hour, dayOfMonth, month, dayOfWeek]
  return fields.flatMap((field) => (field === null ? [] : [field.text])).join(' ')
}

/** Whether a day is one of the expression's: where both are restricted, either will do. */
function isOn(day: Date, { dayOfMonth, month, dayOfWeek }: Expression): boolean {
  if (!month.values.includes(day.getUTCMonth() + 1)) return false
  const byMonth = dayOfMonth.values.includes(day.getUTCDate())
  const byWeek = dayOfWeek.values.some((value) => value % 7 === day.getUTCDay())
  if (dayOfMonth.text === '*' || dayOfWeek.text === '*') return byMonth && byWeek
  return byMonth || byWeek
}

/** The first instant after `afterMs`, found by looking at one day after the other. */
function nextOf(expression: Expression, afterMs: number): number | undefined {
  const { hour, minute, second } = expression
  const firstDayMs = Math.floor(afterMs / dayMs) * dayMs
  for (let i = 0; i < 9 * 366; i++) {
    const startMs = firstDayMs + i * dayMs
    if (!isOn(new Date(startMs), expression)) continue
    const seconds = second?.values ?? [0]
    const times = hour.values.flatMap((h) =>
      minute.values.flatMap((m) => seconds.map((s) => startMs + ((h * 60 + m) * 60 + s) * 1_000)),
    )
    const later = times.filter((ms) => ms > afterMs)
    // Not spread into arguments: an expression of every second has 86,400 of them.
    if (later.length > 0) return later.reduce((least, ms) => Math.min(least, ms))
  }
  return undefined
}

/** The timing of a schedule, or `undefined` if it is refused, as it has to be, with its code. */
function read(schedule: unknown): Timing | undefined {
  try {
    return readSchedule(schedule, nowMs).timing
  } catch (error) {
    assert.ok(error instanceof TenureError, String(error))
    assert.match(error.code, /^TENURE_ERR_(SCHEDULE|DURATION)$/)
    return undefined
  }
}

const instantMs = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2090, 0, 1) })

describe('a cron expression', () => {
  test('is due at the instants that its fields say, and at no other', () => {
    const property = fc.property(expression, instantMs, (expression, afterMs) => {
      const text = textOf(expression)
      const expected = nextOf(expression, afterMs)
      const timing = read({ cron: text })
      if (timing === undefined) return assert.equal(expected, undefined, text)
      assert.ok(timing.kind === 'cron')
      const nextMs = timing.times.nextMs(afterMs)
      assert.equal(nextMs, expected, `${text} after ${new Date(afterMs).toISOString()}`)
    })
    fc.assert(property, { numRuns: 1_000 })
  })

  test('in any time zone moves on, also where the clocks are changed', () => {
    const zone = fc.constantFrom(
      'Europe/Berlin',
      'America/New_York',
      'America/Havana',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'Africa/Casablanca',
      'Pacific/Apia',
      'America/Sao_Paulo',
      'UTC',
    )
    // Around the changes of 2026, and anywhere.
    const changeMs = fc.constantFrom(
      Date.UTC(2026, 2, 8),
      Date.UTC(2026, 2, 29),
      Date.UTC(2026, 3, 5),
      Date.UTC(2026, 9, 4),
      Date.UTC(2026, 9, 25),
      Date.UTC(2026, 10, 1),
    )
    const nearMs = fc.tuple(changeMs, fc.integer({ min: -dayMs, max: dayMs }))
    const fromMs = fc.oneof(
      nearMs.map(([changeMs, afterMs]) => changeMs + afterMs),
      instantMs,
    )
    const property = fc.property(expression, zone, fromMs, (expression, zone, startMs) => {
      const text = textOf(expression)
      let times
      try {
        times = parseCron(text, zone)
      } catch (error) {
        assert.ok(error instanceof TenureError, String(error))
        return
      }
      let ms = startMs
      for (let i = 0; i < 5; i++) {
        const nextMs: number | undefined = times.nextMs(ms)
        if (nextMs === undefined) return
        assert.ok(nextMs > ms, `${text} in ${zone} stands still at ${new Date(ms).toISOString()}`)
        assert.equal(times.nextMs(nextMs - 1), nextMs, `${text} in ${zone} skips an instant`)
        ms = nextMs
      }
    })
    fc.assert(property, { numRuns: 500 })
  })

  test('of any text is refused with its code, or due again and again', () => {
    const piece = fc.oneof(
      fc.constantFrom('*', '?', 'L', 'W', '#', '/', '-', ',', '+', '0', '5', '12', '59', '99'),
      fc.constantFrom('MON', 'JAN', 'LW', '15W', '5L', '2#3', '@daily', ' ', '\t', '\n', ''),
      fc.string({ maxLength: 3 }),
    )
    const word = fc.array(piece, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''))
    const text = fc.oneof(
      fc
        .array(fc.oneof(fc.constant('*'), word), { minLength: 4, maxLength: 7 })
        .map((words) => words.join(' ')),
      fc.string({ unit: 'binary' }),
    )
    const property = fc.property(text, (text) => {
      const timing = read({ cron: text })
      if (timing === undefined) return
      assert.ok(timing.kind === 'cron')
      const nextMs = timing.times.nextMs(nowMs)
      assert.ok(nextMs !== undefined && nextMs > nowMs && Number.isFinite(nextMs), text)
    })
    fc.assert(property, { numRuns: 3_000 })
  })
})

describe('an instant', () => {
  test('is a day, a time and an offset that exist, and refused if not', () => {
    const number = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max })
    const parts = fc.record({
      year: fc.integer({ min: 1_970, max: 2_100 }),
      month: number(13),
      day: number(32),
      hour: number(25),
      minute: number(61),
      second: fc.option(number(61)),
      ms: fc.option(number(999)),
      sign: fc.constantFrom(1, -1),
      offset: fc.option(fc.tuple(number(25), number(61), fc.constantFrom(':', ''))),
    })
    const two = (value: number): string => String(value).padStart(2, '0')
    const property = fc.property(
      parts,
      ({ year, month, day, hour, minute, second, ms, sign, offset }) => {
        const seconds = second === null ? '' : `:${two(second)}`
        const fraction = second === null || ms === null ? '' : `.${String(ms).padStart(3, '0')}`
        const [aheadHours, aheadMinutes, separator] = offset ?? [0, 0, '']
        const zone =
          offset === null
            ? 'Z'
            : `${sign > 0 ? '+' : '-'}${two(aheadHours)}${separator}${two(aheadMinutes)}`
        const at = `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}${seconds}${fraction}${zone}`
        const daysOfMonth = new Date(Date.UTC(year, month, 0)).getUTCDate()
        const isDay = month >= 1 && month <= 12 && day >= 1 && day <= daysOfMonth
        const isMidnight =
          hour === 24 && minute === 0 && (second ?? 0) === 0 && (fraction === '' || ms === 0)
        const isTime = (hour < 24 && minute < 60 && (second ?? 0) < 60) || isMidnight
        const isOffset = aheadHours < 24 && aheadMinutes < 60
        const timing = read({ at })
        if (!isDay || !isTime || !isOffset) return assert.equal(timing, undefined, at)
        const aheadMs = sign * (aheadHours * 60 + aheadMinutes) * 60_000
        const localMs = Date.UTC(
          year,
          month - 1,
          day,
          hour,
          minute,
          second ?? 0,
          fraction === '' ? 0 : (ms ?? 0),
        )
        assert.deepEqual(timing, { kind: 'at', atMs: localMs - aheadMs }, at)
      },
    )
    fc.assert(property, { numRuns: 5_000 })
  })

  test('is not read out of another way to write one', () => {
    const property = fc.property(fc.date({ noInvalidDate: true }), fc.nat(5), (date, way) => {
      const ways = [
        date.toString(),
        date.toUTCString(),
        date.toISOString().replace('T', ' '),
        date.toISOString().replace('T', 't'),
        date.toISOString().replace('Z', ''),
        `${date.toISOString()} `,
      ]
      assert.equal(read({ at: ways[way] }), undefined)
      assert.deepEqual(read({ at: date }), { kind: 'at', atMs: date.getTime() })
    })
    fc.assert(property, { numRuns: 500 })
  })
})

describe('any value', () => {
  test('for a schedule is refused with its code, or one of the three kinds', () => {
    const value = fc.oneof(
      fc.anything({ withDate: true, withBigInt: true }),
      fc.constantFrom('5s', 10, 9.99, '0s', 'after-finish', '* * * * *', '2026-06-01T00:00:00Z'),
    )
    const schedule = fc.oneof(
      fc.dictionary(
        fc.constantFrom('every', 'cron', 'at', 'timeZone', 'mode', 'startAt', 'endAt', '__proto__'),
        value,
        { maxKeys: 3 },
      ),
      value,
    )
    const property = fc.property(schedule, (schedule) => {
      const timing = read(schedule)
      if (timing === undefined) return
      assert.ok(timing.kind in (schedule as object))
      if (timing.kind === 'every')
        assert.ok(timing.everyMs >= 10 && Number.isFinite(timing.everyMs))
      if (timing.kind === 'at') return assert.ok(Number.isFinite(timing.atMs))
      const { startAtMs = -Infinity, endAtMs = Infinity } = timing
      assert.ok(startAtMs <= endAtMs)
    })
    fc.assert(property, { numRuns: 3_000 })
  })
})
