// Durations at random, held against the grammar of docs/options.md and against whole numbers.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { durationMsMax, formatDuration, parseDuration } from '../../src/duration.ts'
import { TenureError } from '../../src/index.ts'

const microsecondsOf = {
  ms: 1_000n,
  s: 1_000_000n,
  m: 60_000_000n,
  h: 3_600_000_000n,
  d: 86_400_000_000n,
}
const unit = fc.constantFrom(...(Object.keys(microsecondsOf) as (keyof typeof microsecondsOf)[]))

/** The duration, or `undefined` if it is refused, as it has to be, with its code. */
function parsed(value: unknown): number | undefined {
  try {
    return parseDuration(value, 'x')
  } catch (error) {
    assert.ok(error instanceof TenureError, String(error))
    assert.equal(error.code, 'TENURE_ERR_DURATION')
    return undefined
  }
}

describe('any duration', () => {
  test('is refused with its code, or finite and within its bounds', () => {
    const property = fc.property(fc.oneof(fc.anything(), fc.string(), fc.double()), (value) => {
      const ms = parsed(value)
      assert.ok(ms === undefined || (ms >= 0 && ms <= durationMsMax))
    })
    fc.assert(property, { numRuns: 3_000 })
  })

  test('that is written with up to three decimals is exact', () => {
    const decimals = fc.tuple(fc.nat(99_999), fc.nat(999), fc.nat(3), unit)
    const property = fc.property(decimals, ([whole, rest, places, unit]) => {
      const fraction = String(rest).padStart(3, '0').slice(0, places)
      const text = places === 0 ? `${whole}${unit}` : `${whole}.${fraction}${unit}`
      const thousandths = BigInt(whole) * 1_000n + BigInt(fraction.padEnd(3, '0') || 0)
      const nanoseconds = thousandths * microsecondsOf[unit]
      const expected = Number(nanoseconds) / 1_000_000
      assert.equal(parsed(text), expected > durationMsMax ? undefined : expected, text)
    })
    fc.assert(property, { numRuns: 3_000 })
  })

  test('is digits, perhaps a point and digits, and a unit: nothing else', () => {
    const pieces = fc.constantFrom(
      '0',
      '7',
      '20',
      '.',
      '-',
      '+',
      'e',
      ' ',
      'm',
      's',
      'h',
      'd',
      '٥',
      '\n',
    )
    const property = fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
      const text = parts.join('')
      let rest = text
      const takeDigits = (): boolean => {
        const before = rest.length
        while (rest !== '' && '0123456789'.includes(rest.charAt(0))) rest = rest.slice(1)
        return rest.length < before
      }
      let fits = takeDigits()
      if (rest.startsWith('.')) {
        rest = rest.slice(1)
        fits &&= takeDigits()
      }
      fits &&= Object.hasOwn(microsecondsOf, rest)
      const ms = parsed(text)
      assert.equal(ms !== undefined, fits && (ms ?? Infinity) <= durationMsMax, text)
    })
    fc.assert(property, { numRuns: 5_000 })
  })

  test('reads as a duration again, to the microsecond', () => {
    const range = { min: 0, max: durationMsMax, noNaN: true }
    const ms = fc.oneof(
      fc.double(range),
      fc.nat(10 ** 10),
      fc.nat(10 ** 9).map((n) => n / 1_000),
    )
    const property = fc.property(ms, (ms) => {
      const again = parsed(formatDuration(ms))
      assert.ok(again !== undefined && Math.abs(again - ms) <= 0.001, formatDuration(ms))
    })
    fc.assert(property, { numRuns: 3_000 })
  })
})
