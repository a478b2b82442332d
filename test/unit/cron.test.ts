// Cron expressions in time zones: a table worked out by hand, and the written rule as an oracle.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { parseCron } from '../../src/schedule/cron.ts'
import { changeFreeMs, timeZoneOf } from '../../src/schedule/time-zone.ts'
import { ticksByWalking } from '../support/cron-oracle.ts'
import { cronCases } from './cron-cases.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** The next ticks after an instant, each asked for with the one before. */
function nextTicks(expression: string, zone: string, afterMs: number, count: number): number[] {
  const times = parseCron(expression, zone)
  const ticks: number[] = []
  let ms: number | undefined = afterMs
  while (ticks.length < count) {
    ms = times.nextMs(ms)
    if (ms === undefined) break
    ticks.push(ms)
  }
  return ticks
}

const isoOf = (ticks: readonly number[]): string[] => ticks.map((ms) => new Date(ms).toISOString())

describe('the table of cron cases', () => {
  test('has at least 60 rows in at least 8 zones, none of them twice', () => {
    const keys = new Set(
      cronCases.map(({ expression, zone, after }) => [expression, zone, after].join()),
    )
    assert.equal(keys.size, cronCases.length)
    assert.ok(cronCases.length >= 60, `${cronCases.length} rows`)
    const zones = new Set(cronCases.map(({ zone }) => zone))
    assert.ok(zones.size >= 8, `${zones.size} zones`)
  })

  for (const { expression, zone, after, ticks, why, source } of cronCases) {
    test(`${expression} in ${zone} after ${after}: ${why}`, () => {
      const afterMs = Date.parse(after)
      const expected = ticks.map((tick) => Date.parse(tick))
      const untilMs = expected.at(-1) ?? afterMs
      const told = `${why} (${source})`
      assert.deepEqual(
        isoOf(nextTicks(expression, zone, afterMs, ticks.length)),
        isoOf(expected),
        told,
      )
      assert.deepEqual(
        isoOf(ticksByWalking(expression, zone, afterMs, untilMs)),
        isoOf(expected),
        told,
      )
    })
  }
})

describe('any cron expression', () => {
  /** A field that is one number, a few, a range with or without a step, or all. */
  const field = (min: number, max: number): fc.Arbitrary<string> => {
    const number = fc.integer({ min, max })
    const range = fc
      .tuple(number, number, fc.option(fc.integer({ min: 1, max: max - min })))
      .map(([a, b, step]) => {
        return `${Math.min(a, b)}-${Math.max(a, b)}${step === null ? '' : `/${step}`}`
      })
    return fc.oneof(
      number.map(String),
      fc.uniqueArray(number, { minLength: 2, maxLength: 4 }).map((numbers) => numbers.join(',')),
      range,
    )
  }
  const all = fc.constant('*')
  const step = fc.integer({ min: 1, max: 20 }).map((every) => `*/${every}`)
  const expression = fc
    .tuple(
      fc.oneof(field(0, 59), all, step),
      // The early hours, in which clocks are changed, and any.
      fc.oneof(field(0, 4), field(0, 23), all, step),
      fc.oneof({ arbitrary: all, weight: 3 }, { arbitrary: field(1, 31), weight: 1 }),
      fc.oneof({ arbitrary: all, weight: 3 }, { arbitrary: field(0, 6), weight: 1 }),
    )
    .map(
      ([minute, hour, dayOfMonth, dayOfWeek]) => `${minute} ${hour} ${dayOfMonth} * ${dayOfWeek}`,
    )
  const zone = fc.constantFrom(...new Set(cronCases.map(({ zone }) => zone)))

  /** An instant near a change of the zone's clock, where there is one within a year, or any. */
  const near = fc
    .record({
      zone,
      yearMs: fc.integer({ min: Date.UTC(2005, 0), max: Date.UTC(2025, 0) }),
      aroundMs: fc.integer({ min: -2 * dayMs, max: dayMs }),
      isNear: fc.boolean(),
    })
    .map(({ zone, yearMs, aroundMs, isNear }) => {
      const clock = timeZoneOf(zone)
      // In steps in which none of these zones has changed its clock twice.
      for (let step = 0; step < (isNear ? 37 : 0); step++) {
        const startMs = yearMs + step * 10 * dayMs
        const change = clock.changeWithin(startMs, startMs + 10 * dayMs)
        if (change !== undefined) return { zone, afterMs: change.atMs + aroundMs }
      }
      return { zone, afterMs: yearMs }
    })

  test('is due when the written rule says so, in all zones of the table', () => {
    const property = fc.property(expression, near, (expression, { zone, afterMs }) => {
      const untilMs = afterMs + 3 * dayMs
      const times = parseCron(expression, zone)
      const ticks: number[] = []
      let ms = times.nextMs(afterMs)
      while (ms !== undefined && ms <= untilMs && ticks.length < 50) {
        ticks.push(ms)
        ms = times.nextMs(ms)
      }
      const expected = ticksByWalking(expression, zone, afterMs, untilMs).slice(0, 50)
      assert.deepEqual(isoOf(ticks), isoOf(expected), `${expression} in ${zone} after ${afterMs}`)
    })
    fc.assert(property, { numRuns: 150 })
  })

  test('that is due in some year is found from years before it, over many changes', () => {
    for (const zone of new Set(cronCases.map(({ zone }) => zone))) {
      const afterMs = Date.UTC(2004, 1, 29, 12)
      const [tick = 0] = nextTicks('30 12 29 2 *', zone, afterMs + dayMs, 1)
      const offsetMs = timeZoneOf(zone).offsetMs(tick)
      assert.equal(new Date(tick + offsetMs).toISOString(), '2008-02-29T12:30:00.000Z', zone)
    }
  })
})

describe('the time zones', () => {
  test('have no two changes within the days in which one is looked for', () => {
    // The closest ones of the database since 1970; the rest are weeks apart.
    const recife = timeZoneOf('America/Recife')
    const changesAtMs = [Date.UTC(2000, 9, 8, 3), Date.UTC(2000, 9, 15, 2)] as const
    for (const atMs of changesAtMs) {
      assert.equal(recife.changeWithin(atMs - dayMs, atMs + dayMs)?.atMs, atMs)
      assert.equal(recife.changeWithin(atMs, atMs + dayMs), undefined, 'it is after the start')
    }
    assert.ok(changesAtMs[1] - changesAtMs[0] > changeFreeMs)
  })

  test('are known by their names in any case, and by an offset', () => {
    assert.equal(timeZoneOf('europe/berlin'), timeZoneOf('Europe/Berlin'))
    assert.equal(timeZoneOf('+05:45').offsetMs(0), 5.75 * hourMs)
    assert.throws(() => timeZoneOf('Mars/Olympus'), RangeError)
  })
})

describe('an expression that is never due', () => {
  test('is never due, and found out without end', () => {
    for (const zone of ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe']) {
      assert.equal(parseCron('0 0 31 2 *', zone).nextMs(0), undefined)
      assert.equal(parseCron('0 * 31 4,6 *', zone).nextMs(0), undefined)
    }
  })
})
