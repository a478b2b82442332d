import { AsyncLocalStorage } from 'node:async_hooks'
import os from 'node:os'

/**
 * One reading of the three clocks of a machine, taken together. Only differences between two
 * readings of the same machine mean anything.
 */
export interface Instant {
  /** Milliseconds that never go back; on Linux they stand still while the machine is suspended. */
  readonly monotonicMs: number
  /** Milliseconds since 1970, as the machine believes; may be set by anybody at any time. */
  readonly wallMs: number
  /** Milliseconds since the machine was started, suspended time included; coarse and slow to read. */
  readonly uptimeMs: number
}

/** The three clocks, each read only when asked for. */
export interface InstantSource {
  monotonicMs(): number
  wallMs(): number
  uptimeMs(): number
}

/** A timer that was set; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time as the code sees it: everything that waits or looks at a clock is given one of these, so
 * that tests and the simulator bring their own.
 */
export interface Clock extends InstantSource {
  /**
   * Calls back after `delayMs`, once. A delay above {@link timerDelayMsMax} fires after that one:
   * whoever waits so long looks at the clock again. Unless it says so, a timer does not keep the
   * process alive.
   */
  setTimer(delayMs: number, callback: () => void, options?: { keepAlive: boolean }): Timer
}

/** What `setTimeout` takes; above it, Node.js fires after 1 ms. */
export const timerDelayMsMax: number = 2 ** 31 - 1

/** Calls back after `delayMs`, once, however long that is. */
export function setLongTimer(clock: Clock, delayMs: number, callback: () => void): Timer {
  const dueMs = clock.monotonicMs() + delayMs
  let timer: Timer
  const wait = (leftMs: number): void => {
    timer = clock.setTimer(Math.min(leftMs, timerDelayMsMax), () => {
      // Timers of Node.js come up to a millisecond early: that is no reason to set another.
      const stillMs = dueMs - clock.monotonicMs()
      if (stillMs < 1) callback()
      else wait(stillMs)
    })
  }
  wait(delayMs)
  return { cancel: () => timer.cancel() }
}

/** The three clocks of this moment, as plain numbers. */
export function readInstant(clock: InstantSource): Instant {
  return {
    monotonicMs: clock.monotonicMs(),
    wallMs: clock.wallMs(),
    uptimeMs: clock.uptimeMs(),
  }
}

/**
 * Waits `delayMs`, and keeps the process alive meanwhile; rejects with the signal's reason as soon
 * as that is aborted.
 */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const onAbort = (): void => {
      timer.cancel()
      reject(signal.reason)
    }
    const onTime = (): void => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }
    const timer = clock.setTimer(delayMs, onTime, { keepAlive: true })
    signal.addEventListener('abort', onAbort, { once: true })
  })
}

/** The real one, also where a test runner has put timers of its own in its place since. */
const setRealImmediate = setImmediate

/** Lets the event loop turn once, and everything happen that waits for nothing else. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setRealImmediate(resolve))
}

/**
 * What `performance.now()` lacks to the machine's monotonic clock (`process.hrtime()`), which all
 * threads and processes share: `performance.now()` is the fastest clock to read, but counts from
 * the start of its own thread. Of several tries the one that was disturbed least counts.
 */
function offsetOfPerformanceMs(): number {
  let bestWidth = Infinity
  let offset = 0
  for (let attempt = 0; attempt < 16; attempt++) {
    const before = performance.now()
    const [seconds, nanoseconds] = process.hrtime()
    const after = performance.now()
    if (after - before < bestWidth) {
      bestWidth = after - before
      offset = seconds * 1e3 + nanoseconds / 1e6 - (before + after) / 2
    }
  }
  return offset
}

/**
 * The clocks of this machine. `monotonicMs` is the same clock in every thread and process of one
 * boot (`CLOCK_MONOTONIC` on Linux), so instants may be compared across them.
 */
export function createSystemClock(): Clock {
  const offsetMs = offsetOfPerformanceMs()
  // A timer that happens to be set within a request must not carry that request's context into
  // runs and heartbeats that have nothing to do with it.
  const outside = AsyncLocalStorage.snapshot()
  return {
    monotonicMs: () => performance.now() + offsetMs,
    wallMs: () => Date.now(),
    // libuv reads /proc/uptime or CLOCK_BOOTTIME, both of which count suspended time.
    uptimeMs: () => os.uptime() * 1e3,
    setTimer(delayMs, callback, options) {
      const timer = setTimeout(
        () => outside(callback),
        Math.min(Math.max(delayMs, 0), timerDelayMsMax),
      )
      if (!options?.keepAlive) timer.unref()
      return { cancel: () => clearTimeout(timer) }
    },
  }
}

/** How long an attempt may take. */
export interface TimeLimit {
  readonly timeoutMs: number
  /** When it is over, on the monotonic clock. */
  readonly endsAtMs: number
}

/** The same for every copy of this package in a process. */
const timeLimitKey = Symbol.for('tenure.time-limit')

/**
 * Has a signal tell when it will be aborted: a server that knows it gives up when its client has,
 * and nothing is sent that has no time left for its answer.
 */
export function limitTime(signal: AbortSignal, clock: Clock, timeoutMs: number): AbortSignal {
  const limit: TimeLimit = { timeoutMs, endsAtMs: clock.monotonicMs() + timeoutMs }
  return Object.defineProperty(signal, timeLimitKey, { value: limit, configurable: true })
}

/** The time limit of a signal, where it tells one. */
export function timeLimitOf(signal: AbortSignal): TimeLimit | undefined {
  return (signal as { [timeLimitKey]?: TimeLimit })[timeLimitKey]
}

/** A signal that is aborted after that time, and tells it. */
export function timeoutSignal(clock: Clock, timeoutMs: number): AbortSignal {
  return limitTime(AbortSignal.timeout(timeoutMs), clock, timeoutMs)
}

/** Settles as `work` does; rejects with an abort, also where `work` ignores it. */
export function settledOrAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** Rejects when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  return settledOrAborted(new Promise<never>(() => {}), signal)
}
