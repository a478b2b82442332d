import type { Clock, Timer } from './clock.ts'
import type { ResolvedStore } from './options.ts'
import type { LeaseReading, LeaseStore } from './store/lease-store.ts'
import { openStore } from './store/open-store.ts'

/** How long a connection that is only looked through is kept. */
const idleMs = 10_000

/** What asking the leader to resign came to. */
export type ResignRequestOutcome =
  | { readonly kind: 'requested'; readonly holder: string; readonly fencingToken: number }
  /** Nobody holds the lease, or its term ended meanwhile. */
  | { readonly kind: 'no-leader' }

/**
 * Looks at the lease from outside, without holding it: on a connection of its own, so that a slow
 * look never delays a heartbeat.
 */
export class StoreReader {
  readonly #config: ResolvedStore
  readonly #lease: string
  readonly #clock: Clock
  #store: Promise<LeaseStore> | undefined
  #idleTimer: Timer | undefined

  constructor(config: ResolvedStore, lease: string, clock: Clock) {
    this.#config = config
    this.#lease = lease
    this.#clock = clock
  }

  async read(timeoutMs: number): Promise<LeaseReading> {
    const store = await this.#open()
    return store.read(this.#lease, AbortSignal.timeout(timeoutMs))
  }

  async requestResign(
    request: { by: string; coolDownMs: number },
    timeoutMs: number,
  ): Promise<ResignRequestOutcome> {
    const store = await this.#open()
    const signal = AbortSignal.timeout(timeoutMs)
    const { record } = await store.read(this.#lease, signal)
    if (record === undefined || record.remainingMs === 0) return { kind: 'no-leader' }
    const { holder, token } = record
    const { kind } = await store.tryRequestResign(this.#lease, { token, ...request }, signal)
    return kind === 'requested' ? { kind, holder, fencingToken: token } : { kind: 'no-leader' }
  }

  async close(): Promise<void> {
    this.#idleTimer?.cancel()
    const store = this.#store
    this.#store = undefined
    await (await store)?.close()
  }

  /**
   * Opens the store on first use, and closes it when it has not been used for a while: somebody may
   * look at a Tenure that was stopped, or never started. A store that
   * cannot be opened is tried again by the next call.
   */
  #open(): Promise<LeaseStore> {
    this.#idleTimer?.cancel()
    this.#idleTimer = this.#clock.setTimer(idleMs, () => void this.close().catch(() => {}))
    this.#store ??= openStore(this.#config).catch((error: unknown) => {
      this.#store = undefined
      throw error
    })
    return this.#store
  }
}
