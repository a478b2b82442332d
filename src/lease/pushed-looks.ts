/** Pushes cause at most one look in this time; after a few that were for nothing, ever fewer. */
export const pushedLookMsMin = 100
/** One change may be pushed more than once, so that a few looks find nothing new. */
const fruitlessMax = 3

/**
 * The looks at the store that pushes cause. A push is a hint from outside, which anybody may be
 * able to send: it is never lost, and never trusted.
 *
 * - One push, or many, cause one look; also those that come while another look is under way.
 * - A look follows at once, but no sooner than {@link pushedLookMsMin} after the last one. While
 *   looks find nothing new, time and again, that time is doubled, up to a bound of the caller's.
 *
 * All instants are of one monotonic clock.
 */
export class PushedLooks {
  #dueMs = Infinity
  #lastMs = -Infinity
  #gapMs: number = pushedLookMsMin
  #fruitless = 0

  /** When the look is due that pushes have asked for; never if none has. */
  get dueMs(): number {
    return this.#dueMs
  }

  /** A push has come: look at this instant, or as soon after it as may be. */
  push(lookMs: number): void {
    this.#dueMs = Math.min(this.#dueMs, Math.max(lookMs, this.#lastMs + this.#gapMs))
  }

  /** A look is sent, whatever it is for: it serves all pushes that have come so far. */
  sent(nowMs: number, gapMsMax: number): void {
    if (this.#dueMs === Infinity) return
    if (nowMs - this.#lastMs >= 2 * gapMsMax) this.foundNews()
    else if (++this.#fruitless > fruitlessMax) this.#gapMs = Math.min(2 * this.#gapMs, gapMsMax)
    this.#dueMs = Infinity
    this.#lastMs = nowMs
  }

  /** A look has found something new: the pushes were right. */
  foundNews(): void {
    this.#gapMs = pushedLookMsMin
    this.#fruitless = 0
  }
}
