import { describeValue, TenureError } from './errors.ts'

/** The units that a {@link Duration} may be written in. */
export type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd'

/**
 * What follows the point. To the compiler, what begins with a 0 is no whole number; and of what it
 * calls a `number`, some have spaces in them.
 */
type Decimals = `${'' | '0' | '00' | '000'}${bigint}`

/**
 * A span of time: a number of milliseconds, or a number with a unit such as `'500ms'`, `'20s'`,
 * `'1.5m'`, `'2h'` or `'1d'`. A string without a known unit does not compile, nor does one with
 * spaces in it. What is computed is given as a number of milliseconds.
 *
 * @example
 * ```ts
 * import type { Duration } from 'tenure'
 * const twentySeconds: Duration = '20s'
 * const alsoTwentySeconds: Duration = 20_000
 * ```
 */
export type Duration = number | `${bigint}${'' | `.${Decimals}`}${DurationUnit}`

const unitMs: Record<DurationUnit, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** The longest duration that is accepted, 10,000 days: everything longer is a mistake of units. */
export const durationMsMax: number = 10_000 * unitMs.d

/**
 * The duration in milliseconds.
 *
 * @param name what the duration is for; it stands in the error
 * @throws TenureError `TENURE_ERR_DURATION` if it is no finite, non-negative duration of at most
 * {@link durationMsMax}
 *
 * @example
 * ```ts
 * import { parseDuration } from 'tenure'
 * parseDuration('1.5s', 'ttl') // 1500
 * ```
 */
export function parseDuration(value: unknown, name: string): number {
  const ms = toMs(value)
  if (ms === undefined || !(ms >= 0 && ms <= durationMsMax)) {
    throw new TenureError(
      'TENURE_ERR_DURATION',
      `Expected \`${name}\` to be a duration: milliseconds as a number, or a string such as ` +
        `'500ms', '20s', '5m', '2h' or '1d', from 0 to 10000d; got ${describeValue(value)}.`,
    )
  }
  return ms
}

/** The duration in milliseconds, or `fallbackMs` where none is given. See {@link parseDuration}. */
export function durationOr(fallbackMs: number, value: unknown, name: string): number {
  return value === undefined ? fallbackMs : parseDuration(value, name)
}

function toMs(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return undefined
  const [, amount, unit] = durationPattern.exec(value) ?? []
  if (unit === undefined) return undefined
  // The thousands are put into the text: 2.034 * 1_000 is not 2034.
  const ms = unitMs[unit as DurationUnit]
  return ms === 1 ? Number(amount) : Number(`${amount}e3`) * (ms / 1_000)
}

/**
 * The duration in the largest unit that writes it without a rest, as a person would: `'20s'`,
 * `'1.5s'`, `'250ms'`.
 */
export function formatDuration(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const amount = ms / unitMs[unit]
    if (amount >= 1 && Number.isInteger(amount * 10)) return `${amount}${unit}`
  }
  return `${Math.round(ms * 1_000) / 1_000}ms`
}
