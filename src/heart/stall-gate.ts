/** The longest time between two looks at the main thread, and between two of its signs of life. */
const tickMsMax = 500

/** How often the main thread shows life, and the heart looks for it: 50 times a stall limit. */
export function stallTickMs(stallLimitMs: number): number {
  return Math.min(tickMsMax, stallLimitMs / 50)
}

/**
 * Tells for how long the main thread has shown no sign of life, by counting the heart's own ticks.
 *
 * A process that was stopped as a whole (SIGSTOP, a frozen container, a suspended machine) has not
 * stalled: neither thread ran. Its one late tick counts for no more than two ticks in time would,
 * and by the next one the main thread has shown life.
 */
export class StallGate {
  #pulse: number
  #tickedAtMs: number
  #stalledMs = 0

  constructor(pulse: number, nowMs: number) {
    this.#pulse = pulse
    this.#tickedAtMs = nowMs
  }

  /** Looks at the pulse, and returns for how long it has stood still. */
  tick(pulse: number, nowMs: number, tickMs: number): number {
    const sinceMs = Math.min(nowMs - this.#tickedAtMs, 2 * tickMs)
    this.#tickedAtMs = nowMs
    this.#stalledMs = pulse === this.#pulse ? this.#stalledMs + sinceMs : 0
    this.#pulse = pulse
    return this.#stalledMs
  }
}
