import type { Instant, InstantSource } from '../clock.ts'

/** The times of the lease protocol that decide how long a term is trusted; all in milliseconds. */
export interface TrustTimes {
  /** T: how long the store keeps an unrenewed lease. */
  readonly ttlMs: number
  /** G: time to stop work between the soft stop and the hard fence. */
  readonly stopGraceMs: number
  /** e: how much earlier than the store an instance stops to believe in its lease. */
  readonly safetyMarginMs: number
}

/** How renewals follow one another; all in milliseconds. */
export interface TermPace {
  /** R: a renewal is due this long after the last successful one was sent. */
  readonly heartbeatMs: number
  /** A: the timeout of one attempt. */
  readonly attemptTimeoutMs: number
  /** b: the delay before the first retry. */
  readonly retryBackoffMs: number
}

/** With what a renewal is sent: how long it is trusted for, and how the next one is made. */
export interface TermTimes extends TrustTimes, TermPace {}

/**
 * How much further the wall clock may have moved than the monotonic clock before the slow,
 * suspend-aware clock is asked: well above what time synchronisation slews (500 ppm), well below
 * the smallest safety margin (0.5 s).
 */
export const suspendSlackMs = 50

/** After the last renewal was sent: from here on no new work starts. */
export function softStopAfterMs(times: TrustTimes): number {
  return times.ttlMs - times.stopGraceMs - times.safetyMarginMs
}

/** After the last renewal was sent: from here on nothing of the term is trusted. */
export function hardFenceAfterMs(times: TrustTimes): number {
  return times.ttlMs - times.safetyMarginMs
}

/**
 * The times of a renewal that has succeeded, with what was trusted before it where that lasts
 * longer: the store keeps what it acknowledged, so that a shorter ttl takes nothing back. Otherwise
 * one whose reply is late could put the end of trust into the past, and leave no time to stop work.
 */
export function keepingTrust(
  renewal: { readonly since: Instant; readonly times: TermTimes },
  before: { readonly since: Instant; readonly times: TrustTimes },
): TermTimes {
  const { since, times } = renewal
  const betweenMs = elapsedMs(before.since, {
    monotonicMs: () => since.monotonicMs,
    wallMs: () => since.wallMs,
    uptimeMs: () => since.uptimeMs,
  })
  const laterOf = (afterMs: (times: TrustTimes) => number): number =>
    Math.max(afterMs(times), afterMs(before.times) - betweenMs)
  const hardFenceMs = laterOf(hardFenceAfterMs)
  const stopGraceMs = hardFenceMs - laterOf(softStopAfterMs)
  return { ...times, ttlMs: hardFenceMs + times.safetyMarginMs, stopGraceMs }
}

/**
 * The time since an instant, suspended time included.
 *
 * The monotonic clock of Linux stands still while the machine is suspended (clock_gettime(2),
 * `CLOCK_MONOTONIC`). Where the machine was suspended, its wall clock and its monotonic clock have
 * come apart, and so they have where the wall clock was merely set; only then the suspend-aware
 * uptime, a hundred times slower to read, decides which of the two it was. A wall clock that is set
 * back by what the machine was suspended for, to within {@link suspendSlackMs}, hides that.
 */
export function elapsedMs(since: Instant, clock: InstantSource): number {
  const monotonicMs = clock.monotonicMs() - since.monotonicMs
  const wallMs = clock.wallMs() - since.wallMs
  if (Math.abs(wallMs - monotonicMs) <= suspendSlackMs) return monotonicMs
  // Both readings are rounded down: to 10 ms in /proc/uptime, to 1 s where that file is missing. The
  // first of the two tells which, so that it is the same in all looks, and no time ever goes back.
  const coarsenessMs = since.uptimeMs % 1_000 === 0 ? 1_000 : 10
  return Math.max(monotonicMs, clock.uptimeMs() - since.uptimeMs + coarsenessMs)
}
