import { durationMsMax, formatDuration } from '../duration.ts'
import { TenureError } from '../errors.ts'

/** The settings that are times and depend on each other, in milliseconds. */
export interface Times {
  readonly ttlMs: number
  readonly heartbeatMs: number
  readonly attemptTimeoutMs: number
  readonly retryBackoffMs: number
  readonly stopGraceMs: number
  readonly safetyMarginMs: number
  readonly stallLimitMs: number
}

/** Those that somebody has set; the others have their defaults, which may depend on these. */
export type GivenTimes = { readonly [Key in keyof Times]?: number | undefined }

/** The default of `ttl`. */
export const ttlMsDefault = 20_000
/** The default of `heartbeat`: that of the classic heartbeat. */
export const heartbeatMsDefault = 5_000
/** The default of `attemptTimeout`: the timeout of the classic heartbeat. */
export const attemptTimeoutMsDefault = 5_000
/** The default of `stallLimit`. */
export const stallLimitMsDefault = 60_000

/** The least safety margin: clock rates differ by up to 1 %, and half a second for the rest. */
function marginMsMin(ttlMs: number): number {
  return 0.01 * ttlMs + 500
}

/** The times in force, not checked against each other yet. */
export function timesOf(given: GivenTimes): Times {
  const ttlMs = given.ttlMs ?? ttlMsDefault
  const heartbeatMs = given.heartbeatMs ?? heartbeatMsDefault
  return {
    ttlMs,
    heartbeatMs,
    attemptTimeoutMs: given.attemptTimeoutMs ?? attemptTimeoutMsDefault,
    retryBackoffMs: given.retryBackoffMs ?? heartbeatMs / 10,
    stopGraceMs: given.stopGraceMs ?? ttlMs / 10,
    safetyMarginMs: given.safetyMarginMs ?? Math.max(ttlMs / 20, marginMsMin(ttlMs)),
    stallLimitMs: given.stallLimitMs ?? stallLimitMsDefault,
  }
}

/** A rule that the lease protocol rests on. */
interface Rule {
  readonly expected: string
  readonly holds: (times: Times) => boolean
  readonly received: (times: Times) => string
  /** What could be changed to keep it; only what then keeps all rules is suggested. */
  readonly remedies: (given: GivenTimes) => (Change | undefined)[]
}

/** New values, each a bound that the value may have; `undefined` is to leave the option out. */
interface Change {
  readonly given: GivenTimes
  readonly text: string
}

const show = formatDuration

function positive(key: keyof Times): Rule {
  return {
    expected: `\`${nameOf(key)}\` to be above 0`,
    holds: (times) => times[key] > 0,
    received: (times) => show(times[key]),
    remedies: (given) => {
      if (key === 'ttlMs') return [longerTtl(given)]
      const without = { ...given, [key]: undefined }
      return [change(without, `leave ${nameOf(key)} out`), shorter(without, key, 'exactly')]
    },
  }
}

/** All rules, in the order in which they are checked. */
const rules: readonly Rule[] = [
  ...(['ttlMs', 'heartbeatMs', 'attemptTimeoutMs', 'retryBackoffMs'] as const).map(positive),
  {
    expected: '`heartbeat` to be at most `ttl` / 3, so that two may fail',
    holds: ({ heartbeatMs, ttlMs }) => heartbeatMs <= ttlMs / 3,
    received: ({ heartbeatMs, ttlMs }) => `heartbeat ${show(heartbeatMs)} and ttl ${show(ttlMs)}`,
    remedies: (given) => [shorter(given, 'heartbeatMs') ?? allShorter(given), longerTtl(given)],
  },
  {
    expected: '`attemptTimeout` to be less than `ttl` / 3',
    holds: ({ attemptTimeoutMs, ttlMs }) => attemptTimeoutMs < ttlMs / 3,
    received: ({ attemptTimeoutMs, ttlMs }) =>
      `attemptTimeout ${show(attemptTimeoutMs)} and ttl ${show(ttlMs)}`,
    remedies: (given) => [
      shorter(given, 'attemptTimeoutMs') ?? allShorter(given),
      longerTtl(given),
    ],
  },
  {
    expected: '`safetyMargin` to be at least 1 % of `ttl` plus 0.5 s',
    holds: ({ safetyMarginMs, ttlMs }) => safetyMarginMs >= marginMsMin(ttlMs),
    received: ({ safetyMarginMs, ttlMs }) =>
      `safetyMargin ${show(safetyMarginMs)} and ttl ${show(ttlMs)}`,
    remedies: (given) => {
      const leastMs = Math.ceil(marginMsMin(timesOf(given).ttlMs))
      const raised = { ...given, safetyMarginMs: leastMs }
      return [
        change(raised, `set safetyMargin to ${show(leastMs)} or more`),
        change({ ...given, safetyMarginMs: undefined }, 'leave safetyMargin out'),
        longerTtl(given),
      ]
    },
  },
  {
    expected:
      'a heartbeat and its retry to fit before the soft stop: `heartbeat` + 2 `attemptTimeout` + ' +
      '`retryBackoff` <= `ttl` - `stopGrace` - `safetyMargin`',
    holds: (times) => neededMs(times) <= softStopMs(times),
    received: (times) => {
      const { ttlMs, heartbeatMs, attemptTimeoutMs, retryBackoffMs } = times
      const { stopGraceMs, safetyMarginMs } = times
      return (
        `${show(heartbeatMs)} + 2 x ${show(attemptTimeoutMs)} + ${show(retryBackoffMs)} = ` +
        `${show(neededMs(times))} and ${show(ttlMs)} - ${show(stopGraceMs)} - ` +
        `${show(safetyMarginMs)} = ${show(softStopMs(times))}`
      )
    },
    remedies: (given) => {
      const keys = (Object.keys(given) as (keyof Times)[]).filter(
        (key) => given[key] !== undefined && key !== 'ttlMs' && key !== 'stallLimitMs',
      )
      const each = keys.map((key) => shorter(given, key))
      const found = each.some((one) => one !== undefined)
      return [...(found ? each : [allShorter(given)]), longerTtl(given)]
    },
  },
  {
    expected: '`stallLimit` to be at least `ttl`, because busy is not dead',
    holds: ({ stallLimitMs, ttlMs }) => stallLimitMs >= ttlMs,
    received: ({ stallLimitMs, ttlMs }) =>
      `stallLimit ${show(stallLimitMs)} and ttl ${show(ttlMs)}`,
    remedies: (given) => {
      const leastMs = Math.ceil(timesOf(given).ttlMs)
      const raised = { ...given, stallLimitMs: leastMs }
      return [change(raised, `set stallLimit to ${show(leastMs)} or more`), shorter(given, 'ttlMs')]
    },
  },
]

function neededMs({ heartbeatMs, attemptTimeoutMs, retryBackoffMs }: Times): number {
  return heartbeatMs + 2 * attemptTimeoutMs + retryBackoffMs
}

function softStopMs({ ttlMs, stopGraceMs, safetyMarginMs }: Times): number {
  return ttlMs - stopGraceMs - safetyMarginMs
}

/** The times in force, which keep all rules. Nothing is clamped. @throws TenureError */
export function checkTimes(given: GivenTimes): Times {
  const times = timesOf(given)
  const broken = rules.find(({ holds }) => !holds(times))
  if (broken === undefined) return times
  const hints = broken.remedies(given).flatMap((one) => (one === undefined ? [] : [one.text]))
  throw relationError(
    broken.expected,
    broken.received(times),
    hints.length === 0 ? 'Leave all of these settings out' : capitalised(hints.join(', or ')),
  )
}

/** Checks the ttl against what a store can carry. @throws TenureError */
export function checkTtlOfStore(ttlMs: number, ttlMsMin: number): void {
  if (ttlMs >= ttlMsMin) return
  const leastText = show(Math.ceil(ttlMsMin))
  const expected = `\`ttl\` to be at least ${leastText} with this store`
  throw relationError(expected, show(ttlMs), `Set ttl to ${leastText} or more`)
}

function relationError(expected: string, received: string, hint: string): TenureError {
  const message = `Expected ${expected}; got ${received}. ${hint}.`
  return new TenureError('TENURE_ERR_OPTION_RELATION', message)
}

// ---- hints that are accepted when they are followed ----

function keepsAll(given: GivenTimes): boolean {
  const times = timesOf(given)
  return rules.every(({ holds }) => holds(times))
}

/** A change, if it keeps all rules. */
function change(given: GivenTimes, text: string): Change | undefined {
  return keepsAll(given) ? { given, text } : undefined
}

/** The largest whole number of milliseconds up to `hi` that fits, of numbers that fit from 1 on. */
function largest(hi: number, fits: (ms: number) => boolean): number | undefined {
  if (hi < 1 || !fits(1)) return undefined
  let [low, high] = [1, Math.floor(hi)]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(middle)) low = middle
    else high = middle - 1
  }
  return low
}

/** One of the times, made as much shorter as it takes. */
function shorter(given: GivenTimes, key: keyof Times, how?: 'exactly'): Change | undefined {
  const fits = (ms: number): boolean => keepsAll({ ...given, [key]: ms })
  // Of the ttl and the margin only a span of values fits: what is below it may not.
  const canShrink = key !== 'ttlMs' && key !== 'safetyMarginMs'
  const nowMs = timesOf(given)[key]
  const ms = canShrink ? largest(nowMs, fits) : Math.floor(boundOf(key, given))
  if (ms === undefined || ms < 1) return undefined
  const text = `set ${nameOf(key)} to ${show(ms)}`
  return change({ ...given, [key]: ms }, how === undefined ? `${text} or less` : text)
}

/** The longest ttl or margin that the rules allow beside the other times. */
function boundOf(key: 'ttlMs' | 'safetyMarginMs', given: GivenTimes): number {
  const times = timesOf(given)
  if (key === 'ttlMs') return times.stallLimitMs
  return times.ttlMs - times.stopGraceMs - neededMs(times)
}

/** All times that have to fit into the ttl, made shorter by the same share. */
function allShorter(given: GivenTimes): Change | undefined {
  const times = timesOf(given)
  const keys = (
    ['heartbeatMs', 'attemptTimeoutMs', 'retryBackoffMs', 'stopGraceMs'] as const
  ).filter((key) => given[key] !== undefined || key === 'heartbeatMs' || key === 'attemptTimeoutMs')
  const scaled = (thousandths: number): GivenTimes => ({
    ...given,
    ...Object.fromEntries(
      keys.map((key) => [key, Math.max(1, Math.floor((times[key] * thousandths) / 1_000))]),
    ),
  })
  const share = largest(999, (thousandths) => keepsAll(scaled(thousandths)))
  if (share === undefined) return undefined
  const values = timesOf(scaled(share))
  const texts = keys.map((key) => `${nameOf(key)} to ${show(values[key])} or less`)
  return change(scaled(share), `set ${texts.join(' and ')}`)
}

/** A ttl that is long enough for all others, with what has to follow it. */
function longerTtl(given: GivenTimes): Change | undefined {
  const { stallLimitMs } = timesOf(given)
  const margins = given.safetyMarginMs === undefined ? [false] : [false, true]
  for (const dropsMargin of margins) {
    const base = dropsMargin ? { ...given, safetyMarginMs: undefined } : given
    // As if there were no other limits on the ttl than those from below.
    const fits = (ttlMs: number): boolean => {
      const times = timesOf({ ...base, ttlMs })
      return (
        times.heartbeatMs <= ttlMs / 3 &&
        times.attemptTimeoutMs < ttlMs / 3 &&
        neededMs(times) <= softStopMs(times)
      )
    }
    const below = largest(durationMsMax, (ms) => !fits(ms)) ?? 0
    const ttlMs = below + 1
    if (ttlMs > durationMsMax) continue
    const raised = { ...base, ttlMs, stallLimitMs: given.stallLimitMs }
    const also = [
      ...(stallLimitMs < ttlMs ? [`stallLimit to ${show(ttlMs)} or more`] : []),
      ...(dropsMargin ? ['leave safetyMargin out'] : []),
    ]
    const text = [`set ttl to ${show(ttlMs)} or more`, ...also].join(' and ')
    const followed = stallLimitMs < ttlMs ? { ...raised, stallLimitMs: ttlMs } : raised
    const found = change(followed, text)
    if (found !== undefined) return found
  }
  return undefined
}

function nameOf(key: keyof Times): string {
  return key.slice(0, -'Ms'.length)
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
