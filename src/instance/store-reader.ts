import { checkCount, checkKeys, checkName } from '../options/check.ts'
import { type Clock, timeoutSignal } from '../clock.ts'
import { IdleConnection } from './idle-connection.ts'
import type { ResolvedStore } from '../options.ts'
import type { LeaseReading, LeaseStore } from '../store/lease-store.ts'
import { fencingTokenMax } from '../store/fencing-token.ts'
import { openStore } from '../store/open-store.ts'

/** What asking the leader to resign came to. */
export type ResignRequestOutcome =
  | { readonly kind: 'requested'; readonly holder: string; readonly fencingToken: number }
  /** Nobody holds the lease, or its term ended meanwhile. */
  | { readonly kind: 'no-leader' }

/** What raising the counter of tokens came to; `token` is the last that counts as granted now. */
export interface RaiseTokenOutcome {
  /** `high-enough`: it was not lower than that before. */
  readonly kind: 'raised' | 'high-enough'
  readonly token: number
  /** Whether a leader with a lower token was asked to resign. */
  readonly leaderAsked: boolean
}

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

  /** Raises the counter, and asks a leader with a lower token to resign, for one with a higher. */
  async raiseToken(
    options: { to: number; by: string },
    timeoutMs: number,
  ): Promise<RaiseTokenOutcome> {
    checkKeys(options, 'options', ['to', 'by'])
    const to = checkCount(options.to, 'to', fencingTokenMax - 1)
    const by = checkName(options.by, 'by', 'TENURE_ERR_OPTION_TYPE')
    return this.#connection.use(async (store) => {
      const signal = timeoutSignal(this.#clock, timeoutMs)
      const { kind, token } = await store.tryRaiseToken(this.#lease, to, signal)
      const { record } = await store.read(this.#lease, signal)
      if (record === undefined || record.token >= token) return { kind, token, leaderAsked: false }
      const request = { token: record.token, by, coolDownMs: 0 }
      const asked = await store.tryRequestResign(this.#lease, request, signal)
      return { kind, token, leaderAsked: asked.kind === 'requested' }
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }
}
