import type { Clock } from './clock.ts'
import { IdleConnection } from './idle-connection.ts'
import type { ResolvedStore } from './options.ts'
import type { LeaseReading, LeaseStore } from './store/lease-store.ts'
import { openStore } from './store/open-store.ts'
import { timeoutSignal } from './time-limit.ts'

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
  readonly #lease: string
  readonly #clock: Clock
  readonly #connection: IdleConnection<LeaseStore>

  constructor(config: ResolvedStore, lease: string, clock: Clock) {
    this.#lease = lease
    this.#clock = clock
    this.#connection = new IdleConnection(() => openStore(config), clock)
  }

  read(timeoutMs: number): Promise<LeaseReading> {
    return this.#connection.use((store) =>
      store.read(this.#lease, timeoutSignal(this.#clock, timeoutMs)),
    )
  }

  requestResign(
    request: { by: string; coolDownMs: number },
    timeoutMs: number,
  ): Promise<ResignRequestOutcome> {
    return this.#connection.use(async (store) => {
      const signal = timeoutSignal(this.#clock, timeoutMs)
      const { record } = await store.read(this.#lease, signal)
      if (record === undefined || record.remainingMs === 0) return { kind: 'no-leader' }
      const { holder, token } = record
      const { kind } = await store.tryRequestResign(this.#lease, { token, ...request }, signal)
      return kind === 'requested' ? { kind, holder, fencingToken: token } : { kind: 'no-leader' }
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}
