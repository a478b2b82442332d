import type { Clock, Timer } from '../clock.ts'

interface FakeTimer {
  readonly dueMs: number
  readonly order: number
  readonly callback: () => void
}

/**
 * A clock that stands still until it is told to move: for tests that neither sleep nor depend on
 * how fast the machine is.
 *
 * @example
 * ```ts
 * import { FakeClock } from 'tenure/testing'
 * const clock = new FakeClock()
 * clock.setTimer(1_000, () => console.log('one second has passed'))
 * clock.advance(1_000)
 * ```
 */
export class FakeClock implements Clock {
  #monotonicMs = 1_000_000
  // How far the others are ahead: so that, however many steps time takes, they agree exactly.
  /** 1 January 2026, 00:00 UTC. */
  #wallAheadMs = 1_767_225_600_000 - 1_000_000
  #uptimeAheadMs = 0
  #timers: FakeTimer[] = []
  #order = 0

  monotonicMs(): number {
    return this.#monotonicMs
  }

  wallMs(): number {
    return this.#monotonicMs + this.#wallAheadMs
  }

  uptimeMs(): number {
    return this.#monotonicMs + this.#uptimeAheadMs
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = {
      dueMs: this.#monotonicMs + Math.max(delayMs, 0),
      order: this.#order++,
      callback,
    }
    this.#timers.push(timer)
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#timers.length
  }

  /** How long it is until the next timer is due; 0 if one is, `undefined` if none is set. */
  get untilNextTimerMs(): number | undefined {
    if (this.#timers.length === 0) return undefined
    // Not spread into arguments, of which there may be no hundred thousand.
    const dueMs = this.#timers.reduce((least, timer) => Math.min(least, timer.dueMs), Infinity)
    return Math.max(0, dueMs - this.#monotonicMs)
  }

  /** Lets time pass, and calls each timer at its instant, in order. */
  advance(ms: number): void {
    const untilMs = this.#monotonicMs + ms
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueMs <= untilMs)
        .toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#monotonicMs = Math.max(this.#monotonicMs, next.dueMs)
      next.callback()
    }
    this.#monotonicMs = Math.max(this.#monotonicMs, untilMs)
  }

  /** Lets time pass without calling a timer: the thread is blocked, or the process stopped. */
  freeze(ms: number): void {
    this.#monotonicMs += ms
  }

  /** Suspends the machine: the monotonic clock stands still, the others go on. */
  suspend(ms: number): void {
    this.#wallAheadMs += ms
    this.#uptimeAheadMs += ms
  }

  /** Sets the wall clock; the other clocks notice nothing. */
  setWall(wallMs: number): void {
    this.#wallAheadMs = wallMs - this.#monotonicMs
  }
}
