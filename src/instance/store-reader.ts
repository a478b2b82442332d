import { hostname } from 'node:os'

import { timeoutSignal, type Clock } from '../clock.ts'
import { durationOr, type Duration } from '../duration.ts'
import { IdleConnection } from './idle-connection.ts'
import type { ResolvedStore, Settings } from '../options.ts'
import { checkCount, checkKeys, checkName } from '../options/check.ts'
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
  readonly #clock: Clock
  readonly #settings: () => Settings
  readonly #connection: IdleConnection<LeaseStore>

  constructor(config: ResolvedStore, clock: Clock, settings: () => Settings) {
    this.#clock = clock
    this.#settings = settings
    this.#connection = new IdleConnection(() => openStore(config), clock)
  }

  read(): Promise<LeaseReading> {
    const { lease } = this.#settings()
    return this.#connection.use((store) => store.read(lease, this.#signal()))
  }

  /** Asks the leader to resign. @throws TenureError */
  requestResign(options: { coolDown?: Duration }): Promise<ResignRequestOutcome> {
    checkKeys(options, 'options', ['coolDown'])
    const { lease, ttlMs, label } = this.#settings()
    const coolDownMs = durationOr(ttlMs, options.coolDown, 'coolDown')
    const by = label ?? `${hostname()}:${process.pid}`
    return this.#connection.use(async (store) => {
      const signal = this.#signal()
      const { record } = await store.read(lease, signal)
      if (record === undefined || record.remainingMs === 0) return { kind: 'no-leader' }
      const { holder, token } = record
      const { kind } = await store.tryRequestResign(lease, { token, by, coolDownMs }, signal)
      return kind === 'requested' ? { kind, holder, fencingToken: token } : { kind: 'no-leader' }
    })
  }

  /** Raises the counter, and asks a leader with a lower token to resign, for one with a higher. */
  async raiseToken(options: { to: number; by: string }): Promise<RaiseTokenOutcome> {
    checkKeys(options, 'options', ['to', 'by'])
    const to = checkCount(options.to, 'to', fencingTokenMax - 1)
    const by = checkName(options.by, 'by', 'TENURE_ERR_OPTION_TYPE')
    const { lease } = this.#settings()
    return this.#connection.use(async (store) => {
      const signal = this.#signal()
      const { kind, token } = await store.tryRaiseToken(lease, to, signal)
      const { record } = await store.read(lease, signal)
      if (record === undefined || record.token >= token) return { kind, token, leaderAsked: false }
      const request = { token: record.token, by, coolDownMs: 0 }
      const asked = await store.tryRequestResign(lease, request, signal)
      return { kind, token, leaderAsked: asked.kind === 'requested' }
    })
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  #signal(): AbortSignal {
    return timeoutSignal(this.#clock, this.#settings().attemptTimeoutMs)
  }
}
