import type { Clock } from '../../clock.ts'
import { formatDuration } from '../../duration.ts'
import { TenureError } from '../../errors.ts'

/** Clock rates are promised to differ by less than 1 %. */
const waitFactor = 1.01

/** An acquisition, or a renewal of what it got. */
interface Held {
  readonly lease: string
  readonly holder: string
}

/**
 * What is known of leases that were held in files which somebody else has changed since. Their
 * holders may still trust them, and nothing in the files that are there now tells of it: so no lease
 * is taken before the longest ttl that was seen has passed by our own clock.
 */
export class Quarantine {
  readonly #path: string
  readonly #clock: Clock
  /** Who holds, or has asked for, a lease here; the last one of each. */
  readonly #holders = new Map<string, string>()
  readonly #ended = new Map<string, string>()
  #ttlMsMax = 0
  #endsMs = -Infinity

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
  }

  /** A lease is kept for so long. */
  sees(ttlMs: number): void {
    this.#ttlMsMax = Math.max(this.#ttlMsMax, ttlMs)
  }

  /** A term is held in the files that are there now; or in those before, if it has ended. */
  holds({ lease, holder }: Held): void {
    this.#holders.set(lease, holder)
  }

  /** Whether the term was held in files that are not there any more. */
  hasEnded({ lease, holder }: Held): boolean {
    return this.#ended.get(lease) === holder
  }

  /** The files have changed: for how long no lease is taken, and whether that is news. */
  begin(): { waitMs: number; isNews: boolean } {
    const nowMs = this.#clock.monotonicMs()
    const isNews = this.#holders.size > 0 || nowMs >= this.#endsMs
    for (const [lease, holder] of this.#holders) this.#ended.set(lease, holder)
    this.#holders.clear()
    const waitMs = this.#ttlMsMax * waitFactor
    this.#endsMs = nowMs + waitMs
    return { waitMs, isNews }
  }

  /** @throws TenureError `TENURE_ERR_STORE_FILES_CHANGED` while no lease is taken */
  check(): void {
    const leftMs = this.#endsMs - this.#clock.monotonicMs()
    if (leftMs <= 0) return
    throw new TenureError(
      'TENURE_ERR_STORE_FILES_CHANGED',
      `Expected that nobody holds a lease in the files that were at ${this.#path} before; got that ` +
        `somebody may, for another ${formatDuration(Math.ceil(leftMs))}. No lease is taken meanwhile.`,
    )
  }
}
