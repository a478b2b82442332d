import type { Clock, Timer } from '../clock.ts'

/** A time for which something is waited for, from now on; it can be shortened meanwhile. */
export class Deadline {
  readonly #clock: Clock
  readonly #over = Promise.withResolvers<boolean>()
  #byMs: number
  /** While it lasts. */
  #timer: Timer | undefined

  constructor(clock: Clock, ms: number) {
    this.#clock = clock
    this.#byMs = clock.monotonicMs() + ms
    this.#timer = this.#endIn(ms)
  }

  /** Whether that has come within the time. */
  awaits(event: Promise<void>): Promise<boolean> {
    void event.then(() => this.#end(true))
    return this.#over.promise
  }

  /** Lets it last no longer than that from now on. */
  shorten(ms: number): void {
    const byMs = this.#clock.monotonicMs() + ms
    if (this.#timer === undefined || byMs >= this.#byMs) return
    this.#byMs = byMs
    this.#timer.cancel()
    this.#timer = this.#endIn(ms)
  }

  #endIn(ms: number): Timer {
    return this.#clock.setTimer(ms, () => this.#end(false))
  }

  #end(came: boolean): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#over.resolve(came)
  }
}
