import { type Instant, type InstantSource } from '../clock.ts'
import type { EndReason } from '../store/lease-store.ts'
import { PushedLooks, pushedLookMsMin } from './pushed-looks.ts'
import {
  elapsedMs,
  hardFenceAfterMs,
  keepingTrust,
  softStopAfterMs,
  type TermPace,
  type TermTimes,
} from './term.ts'

/** How a term is being brought to its end. */
export interface Ending {
  readonly reason: EndReason
  /** For how long this instance is no candidate afterwards. */
  readonly coolDownMs: number
  /** Whether the lease is still renewed while the work stops; if not, it expires. */
  renews: boolean
  /** Whether all work of the term has ended, so that the lease may be released. */
  drained: boolean
}

/** A term that this instance holds, with all that decides about its next step. */
export class Holding {
  readonly holder: string
  readonly token: number
  /** s: when the last renewal that succeeded was sent. */
  since: Instant
  /** What was sent with it; with longer trust, if more was left of a renewal before. */
  times: TermTimes
  /** Failed attempts since then. */
  failures = 0
  nextRenewalMs: number
  lastSentMs: number
  /** The token that the ledger takes for the last one, and since when it is known to do so. */
  supersededBy: { readonly token: number; readonly atMs: number } | undefined
  readonly #looks = new PushedLooks()
  /** Of the heartbeat under way, or of the next one if somebody gave it one. */
  correlationId: string | undefined
  end: Ending | undefined
  /** The instant by which a release must have succeeded, once one was begun. */
  releaseByMs: number | undefined

  constructor(
    identity: { holder: string; token: number },
    trust: { since: Instant; times: TermTimes },
  ) {
    this.holder = identity.holder
    this.token = identity.token
    this.since = trust.since
    this.times = trust.times
    this.nextRenewalMs = trust.since.monotonicMs + trust.times.heartbeatMs
    this.lastSentMs = trust.since.monotonicMs
  }

  /** When the next renewal is sent: in its turn, or sooner because of a push. */
  get renewalDueMs(): number {
    return Math.min(this.nextRenewalMs, this.#looks.dueMs)
  }

  /** The store says that something changed: a renewal tells what. */
  pushed(nowMs: number): void {
    this.#looks.push(Math.max(nowMs, this.lastSentMs + pushedLookMsMin))
  }

  /** A renewal is sent. */
  sent(nowMs: number, heartbeatMs: number): void {
    this.lastSentMs = nowMs
    this.#looks.sent(nowMs, heartbeatMs)
  }

  /** Whether a renewal that was sent then shows that the lease is ours, though the ledger is not. */
  isSuperseded(sentMs: number): boolean {
    return this.supersededBy !== undefined && sentMs >= this.supersededBy.atMs
  }

  /** The soft stop as an instant of the monotonic clock; only for setting timers. */
  get softStopMs(): number {
    return this.since.monotonicMs + softStopAfterMs(this.times)
  }

  /** The hard fence as an instant of the monotonic clock; only for setting timers. */
  get hardFenceMs(): number {
    return this.since.monotonicMs + hardFenceAfterMs(this.times)
  }

  /** Time left to the soft stop, negative when it has passed; counts suspended time. */
  untilSoftStopMs(clock: InstantSource): number {
    return softStopAfterMs(this.times) - elapsedMs(this.since, clock)
  }

  /** Time left to the hard fence, negative when it has passed; counts suspended time. */
  untilHardFenceMs(clock: InstantSource): number {
    return hardFenceAfterMs(this.times) - elapsedMs(this.since, clock)
  }

  /**
   * How attempts are made until one has succeeded that was sent with `settings`: the trust that is
   * left is of the times before, so that neither their pace nor the new one may be exceeded.
   */
  paceWith(settings: TermPace): TermPace {
    const { times } = this
    return {
      heartbeatMs: Math.min(settings.heartbeatMs, times.heartbeatMs),
      attemptTimeoutMs: Math.min(settings.attemptTimeoutMs, times.attemptTimeoutMs),
      retryBackoffMs: Math.min(settings.retryBackoffMs, times.retryBackoffMs),
    }
  }

  /** A renewal that was sent at `since` has succeeded. */
  renewed(since: Instant, times: TermTimes): void {
    this.times = keepingTrust({ since, times }, this)
    this.since = since
    this.failures = 0
    this.correlationId = undefined
    this.nextRenewalMs = since.monotonicMs + times.heartbeatMs
  }
}
