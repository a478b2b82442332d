import type { Clock } from './clock.ts'

/** How long an attempt may take. */
export interface TimeLimit {
  readonly timeoutMs: number
  /** When it is over, on the monotonic clock. */
  readonly endsAtMs: number
}

/** The same for every copy of this package in a process. */
const key = Symbol.for('tenure.time-limit')

/**
 * Has a signal tell when it will be aborted: a server that knows it gives up when its client has,
 * and nothing is sent that has no time left for its answer.
 */
export function limitTime(signal: AbortSignal, clock: Clock, timeoutMs: number): AbortSignal {
  const limit: TimeLimit = { timeoutMs, endsAtMs: clock.monotonicMs() + timeoutMs }
  return Object.defineProperty(signal, key, { value: limit, configurable: true })
}

/** The time limit of a signal, where it tells one. */
export function timeLimitOf(signal: AbortSignal): TimeLimit | undefined {
  return (signal as { [key]?: TimeLimit })[key]
}

/** A signal that is aborted after that time, and tells it. */
export function timeoutSignal(clock: Clock, timeoutMs: number): AbortSignal {
  return limitTime(AbortSignal.timeout(timeoutMs), clock, timeoutMs)
}
