/** When an acquisition was sent, and what it asked for. */
export interface SentAcquisition {
  readonly sentMs: number
  readonly timeoutMs: number
  readonly ttlMs: number
}

/** How often a candidate that stops asks once more what came of its acquisition. */
const lastAsksMax = 2

/**
 * One acquisition with its retries, all by the same holder: what may have come of it, and what may
 * still come of it. All instants are of the monotonic clock of its elector.
 *
 * An attempt without a reply may have been granted, or may be on its way: until the store has
 * answered, the same holder asks again, and so finds out. A late copy may be granted even after
 * that, until the store refuses it because its time is over.
 */
export class Asking {
  /** The identity of this acquisition; `undefined`: there is none. */
  holder: string | undefined
  /** Whether its last attempt has ended without a reply. */
  #isUnanswered = false
  /** When whatever it was granted has expired. */
  #expiredMs = -Infinity
  /** When no copy of its attempts can be granted any more. */
  #overMs = -Infinity
  /** By when a candidate that stops has asked, and how often until then. */
  #byMs = Infinity
  #lastAsksLeft = lastAsksMax

  /** A candidate begins: it asks for as long as it likes. */
  begin(): void {
    this.#byMs = Infinity
    this.#lastAsksLeft = lastAsksMax
  }

  /** The candidate stops: three attempts in all, the third to release what the last question brings. */
  stopping(nowMs: number, { attemptTimeoutMs }: { readonly attemptTimeoutMs: number }): void {
    this.#byMs = nowMs + 2 * attemptTimeoutMs
  }

  /** How long an attempt that is sent now may take at most. */
  timeoutMsMax(nowMs: number): number {
    return this.#byMs - nowMs
  }

  /** An attempt has ended without a reply. */
  failed({ sentMs, timeoutMs, ttlMs }: SentAcquisition): void {
    this.#isUnanswered = true
    this.#overMs = sentMs + timeoutMs
    // Also by a clock that is slow by 1 %.
    this.#expiredMs = this.#overMs + ttlMs * 1.01
  }

  /** The store has answered: this holder holds nothing now. */
  refused(nowMs: number): void {
    this.#isUnanswered = false
    this.lapse(nowMs)
  }

  /** The store has answered for good: it holds the lease, or never will. */
  over(): void {
    this.#isUnanswered = false
    this.#overMs = -Infinity
    this.lapse(0)
  }

  /** Forgets the holder if the store has answered, and no late copy can be granted any more. */
  lapse(nowMs: number): void {
    if (this.#isUnanswered || nowMs < this.#overMs) return
    this.holder = undefined
  }

  /** Whether this holder may hold the lease now, without having been told. */
  isUnknown(nowMs: number): boolean {
    return this.#isUnanswered && nowMs < this.#expiredMs
  }

  /** When a candidate that stops asks next; `undefined`: it has nothing to ask, or no time left. */
  lastAskMs(nowMs: number): number | undefined {
    const askMs = this.#askMs(nowMs)
    if (askMs === undefined || askMs >= this.#byMs || this.#lastAsksLeft === 0) return undefined
    return askMs
  }

  /** One of the last questions is asked. */
  lastAsked(): void {
    this.#lastAsksLeft--
  }

  /** When there is something to find out; `undefined`: nothing. */
  #askMs(nowMs: number): number | undefined {
    if (this.isUnknown(nowMs)) return nowMs
    // The store has answered while a late copy could still be granted: that shows when it cannot.
    const isRefused = this.holder !== undefined && !this.#isUnanswered
    return isRefused ? Math.max(nowMs, this.#overMs) : undefined
  }
}
