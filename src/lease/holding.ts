import { type Instant, type InstantSource } from '../clock.ts'
import type { EndReason } from '../store/lease-store.ts'
import { elapsedMs, hardFenceAfterMs, softStopAfterMs, type TrustTimes } from './term.ts'

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
  times: TrustTimes
  /** Failed attempts since then. */
  failures = 0
  nextRenewalMs: number
  lastSentMs: number
  /** Of the heartbeat under way, or of the next one if somebody gave it one. */
  correlationId: string | undefined
  end: Ending | undefined
  /** The instant by which a release must have succeeded, once one was begun. */
  releaseByMs: number | undefined

  constructor(
    identity: { holder: string; token: number },
    trust: { since: Instant; times: TrustTimes; nextRenewalMs: number },
  ) {
    this.holder = identity.holder
    this.token = identity.token
    this.since = trust.since
    this.times = trust.times
    this.nextRenewalMs = trust.nextRenewalMs
    this.lastSentMs = trust.since.monotonicMs
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

  /** A renewal that was sent at `since` has succeeded. */
  renewed(since: Instant, times: TrustTimes, heartbeatMs: number): void {
    this.since = since
    this.times = times
    this.failures = 0
    this.correlationId = undefined
    this.nextRenewalMs = since.monotonicMs + heartbeatMs
  }
}
