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
  /** 1 January 2026, 00:00 UTC. */
  #wallMs = 1_767_225_600_000
  #uptimeMs = 1_000_000
  #timers: FakeTimer[] = []
  #order = 0

  monotonicMs(): number {
    return this.#monotonicMs
  }

  wallMs(): number {
    return this.#wallMs
  }

  uptimeMs(): number {
    return this.#uptimeMs
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

  /** Lets time pass, and calls each timer at its instant, in order. */
  advance(ms: number): void {
    const untilMs = this.#monotonicMs + ms
    for (;;) {
      const next = this.#timers
        .filter((timer) => timer.dueMs <= untilMs)
        .toSorted((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#move(Math.max(0, next.dueMs - this.#monotonicMs))
      next.callback()
    }
    this.#move(untilMs - this.#monotonicMs)
  }

  /** Lets time pass without calling a timer: the thread is blocked, or the process stopped. */
  freeze(ms: number): void {
    this.#move(ms)
  }

  /** Suspends the machine: the monotonic clock stands still, the others go on. */
  suspend(ms: number): void {
    this.#wallMs += ms
    this.#uptimeMs += ms
  }

  /** Sets the wall clock; the other clocks notice nothing. */
  setWall(wallMs: number): void {
    this.#wallMs = wallMs
  }

  #move(ms: number): void {
    this.#monotonicMs += ms
    this.#wallMs += ms
    this.#uptimeMs += ms
  }
}
