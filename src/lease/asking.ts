/** When an acquisition was sent, and what it asked for. */
export interface SentAcquisition {
  readonly sentMs: number
  readonly timeoutMs: number
  readonly ttlMs: number
}

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
  #unknownUntilMs = -Infinity
  #grantableUntilMs = -Infinity

  /** An attempt has ended without a reply. */
  failed({ sentMs, timeoutMs, ttlMs }: SentAcquisition): void {
    this.#grantableUntilMs = sentMs + timeoutMs
    // By then whatever it was granted has expired, also by a clock that is slow by 1 %.
    this.#unknownUntilMs = sentMs + timeoutMs + ttlMs * 1.01
  }

  /** The store has answered: this holder holds nothing now. */
  refused(nowMs: number): void {
    this.#unknownUntilMs = -Infinity
    this.lapse(nowMs)
  }

  /** The store has answered for good: it holds the lease, or never will. */
  over(): void {
    this.#unknownUntilMs = -Infinity
    this.#grantableUntilMs = -Infinity
    this.lapse(0)
  }

  /** Forgets the holder once nothing can have come of it, or come of it any more. */
  lapse(nowMs: number): void {
    if (nowMs < this.#unknownUntilMs || nowMs < this.#grantableUntilMs) return
    this.holder = undefined
  }

  /** Whether the lease may have been granted to this holder, without a word of that. */
  isUnknown(nowMs: number): boolean {
    return this.holder !== undefined && nowMs < this.#unknownUntilMs
  }

  /** When there is something to find out; `undefined`: nothing. */
  askMs(nowMs: number): number | undefined {
    if (this.isUnknown(nowMs)) return nowMs
    // The store has answered while a late copy could still be granted: that shows when it cannot.
    const isAnswered = this.holder !== undefined && this.#unknownUntilMs === -Infinity
    return isAnswered ? Math.max(nowMs, this.#grantableUntilMs) : undefined
  }
}
