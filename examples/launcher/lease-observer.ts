import { setTimeout as sleep } from 'node:timers/promises'

import { createTenure, type ResignRequestOutcome, type Status } from '../../src/index.ts'
import { leaseSettings, type Settings } from './settings.ts'
import { lockStore } from './store-lock.ts'
import { formatDurationWords } from './words.ts'

const pollMs = 200
/**
 * For how long "slow store" holds a lock. The next heartbeat is due 2 s after the last, and
 * cancelled at 3 s; its retry succeeds at 4 s, before the soft stop at 4.8 s.
 */
export const storeLockMs = 4_000

/** Where the lease is, and under what name. */
export interface Place {
  readonly store: string
  readonly lease: string
}

/**
 * Looks at the lease from outside, by a Tenure that is never started, because an instance that is
 * blocked cannot tell whether it leads.
 */
export class LeaseObserver {
  readonly #tenure: ReturnType<typeof createTenure>
  readonly #place: Place
  readonly #onChange: (before: Status | undefined, after: Status) => void
  #status: Status | undefined
  #readAtMs = 0
  #lockedAtMs: number | undefined
  #lockWanted = false
  #locked = ''
  #ended = false

  constructor(
    place: Place,
    { heartbeatIn, stallLimitMs }: Settings,
    onChange: (before: Status | undefined, after: Status) => void,
  ) {
    this.#place = place
    this.#onChange = onChange
    this.#tenure = createTenure({
      ...place,
      application: 'fastify-service',
      label: 'launcher',
      stallLimit: stallLimitMs,
      heartbeatIn,
      ...leaseSettings,
    })
  }

  /** What was read last. */
  get status(): Status | undefined {
    return this.#status
  }

  /** The lease as it stands now, going by what was read last. */
  get lease(): Status['lease'] {
    const lease = this.#status?.lease
    if (lease === undefined) return undefined
    const sinceMs = performance.now() - this.#readAtMs
    const { ageMs, remainingMs } = lease
    return {
      ...lease,
      ageMs: ageMs === undefined ? undefined : ageMs + sinceMs,
      remainingMs: remainingMs === undefined ? undefined : Math.max(0, remainingMs - sinceMs),
    }
  }

  /** Whether the lease stands in the name of this process. */
  isHeldBy(pid: number | undefined): boolean {
    return pid !== undefined && this.#status?.lease?.holder.split(':').at(-2) === String(pid)
  }

  /** What the page says of the store. */
  get note(): string | undefined {
    if (this.#lockWanted) return 'The next heartbeat is waited for, to lock the lease after it.'
    if (this.#lockedAtMs === undefined) return undefined
    const leftMs = storeLockMs - (performance.now() - this.#lockedAtMs)
    return (
      `The launcher holds ${this.#locked} for ${formatDurationWords(leftMs)} ` +
      'yet: attempts are cancelled at their timeout, and made again.'
    )
  }

  get canLock(): boolean {
    return !this.#lockWanted && this.#lockedAtMs === undefined
  }

  /** Looks at the lease, and then again and again until the end. */
  async start(): Promise<void> {
    await this.#look()
    void this.#lookOn()
  }

  requestResign(): Promise<ResignRequestOutcome> {
    return this.#tenure.requestResign()
  }

  /**
   * Holds a lock that each renewal needs for some seconds. It begins just after a heartbeat, so that
   * the next one meets the lock, and one after it is still in time.
   */
  async lockStore(): Promise<void> {
    this.#lockWanted = true
    const renewals = this.#status?.lease?.renewals
    const giveUpMs = performance.now() + 3_000
    while (this.#status?.lease?.renewals === renewals && performance.now() < giveUpMs) {
      await this.#look()
      await sleep(50)
    }
    try {
      const { store, lease } = this.#place
      const lock = await lockStore(store, lease)
      this.#lockWanted = false
      this.#locked = lock.what
      this.#lockedAtMs = performance.now()
      while (performance.now() - this.#lockedAtMs < storeLockMs && !this.#ended) await sleep(50)
      await lock.release()
    } finally {
      this.#lockWanted = false
      this.#lockedAtMs = undefined
    }
  }

  async end(): Promise<void> {
    this.#ended = true
    await this.#tenure.stop()
  }

  async #lookOn(): Promise<void> {
    while (!this.#ended) {
      await sleep(pollMs)
      await this.#look()
    }
  }

  async #look(): Promise<void> {
    if (this.#ended) return
    const after = await this.#tenure.status()
    const before = this.#status
    this.#status = after
    this.#readAtMs = performance.now()
    this.#onChange(before, after)
  }
}
