import { readInstant, type Instant } from '../clock.ts'
import { invariant } from '../invariant.ts'
import type { EndReason, PushedRenewal, ReleaseReply, RenewReply } from '../store/lease-store.ts'
import type { Attempts } from './attempts.ts'
import { backoffMs } from './backoff.ts'
import type { Candidacy } from './candidacy.ts'
import type { Attempt, ElectorPort, Settlement } from './elector-port.ts'
import { PushedLooks, pushedLookMsMin } from './pushed-looks.ts'
import {
  elapsedMs,
  hardFenceAfterMs,
  keepingTrust,
  softStopAfterMs,
  type TermPace,
  type TermTimes,
} from './term.ts'

type RenewAttempt = Extract<Attempt, { verb: 'renew' }>
type Failure = Extract<Settlement, { kind: 'failed' }>

/** How a term is being brought to its end. */
interface Ending {
  readonly reason: EndReason
  /** For how long this instance is no candidate afterwards. */
  readonly coolDownMs: number
  /** Whether the lease is still renewed while the work stops; if not, it expires. */
  renews: boolean
  /** Whether all work of the term has ended, so that the lease may be released. */
  drained: boolean
}

/** How a term is over: released, or left to expire; and for how long no candidacy follows. */
export interface EndOfHolding {
  readonly reason: EndReason
  readonly released: boolean
  readonly coolDownMs: number
}

/** What a held term has of its elector. */
export interface HoldingDeps {
  readonly port: ElectorPort
  readonly attempts: Attempts
  readonly candidacy: Candidacy
  /** A reply of the store has told the token of another term. */
  readonly learn: (token: number) => void
  readonly over: (end: EndOfHolding) => void
}

/**
 * A term that this instance holds: the states `leading`, `ending` and `releasing` of the elector,
 * which hands its inputs on.
 */
export class Holding {
  readonly holder: string
  readonly token: number
  readonly #port: ElectorPort
  readonly #attempts: Attempts
  readonly #deps: HoldingDeps
  #state: 'leading' | 'ending' | 'releasing' = 'leading'
  /** s: when the last renewal that succeeded was sent. */
  #since: Instant
  /** What was sent with it; with longer trust, if more was left of a renewal before. */
  #times: TermTimes
  /** Failed attempts since then. */
  #failures = 0
  #nextRenewalMs: number
  #lastSentMs: number
  /** The token that the ledger takes for the last one, and since when it is known to do so. */
  #supersededBy: { readonly token: number; readonly atMs: number } | undefined
  readonly #looks = new PushedLooks()
  /** Of the heartbeat under way, or of the next one if somebody gave it one. */
  #correlationId: string | undefined
  #end: Ending | undefined
  /** The instant by which a release must have succeeded, once one was begun. */
  #releaseByMs: number | undefined
  #releaseNotBeforeMs = 0

  constructor(
    identity: { readonly holder: string; readonly token: number },
    trust: { readonly since: Instant; readonly times: TermTimes },
    deps: HoldingDeps,
  ) {
    this.holder = identity.holder
    this.token = identity.token
    this.#since = trust.since
    this.#times = trust.times
    this.#nextRenewalMs = trust.since.monotonicMs + trust.times.heartbeatMs
    this.#lastSentMs = trust.since.monotonicMs
    this.#deps = deps
    this.#port = deps.port
    this.#attempts = deps.attempts
  }

  get state(): 'leading' | 'ending' | 'releasing' {
    return this.#state
  }

  /** When `wake` wants to be called; `undefined`: not by time. */
  get wakeMs(): number | undefined {
    const { isUnderWay } = this.#attempts
    switch (this.#state) {
      case 'leading':
        return isUnderWay ? this.#softStopMs : Math.min(this.#softStopMs, this.#renewalDueMs)
      case 'ending':
        return isUnderWay || !this.#end?.renews
          ? this.#hardFenceMs
          : Math.min(this.#hardFenceMs, this.#nextRenewalMs)
      case 'releasing':
        return isUnderWay ? undefined : this.#releaseNotBeforeMs
    }
  }

  // ---- inputs ----

  /** Leads; unless there is no trust left, because the acquisition has taken too long. */
  lead(): void {
    if (this.#untilSoftStopMs() <= 0) return this.giveBack('store-unreachable')
    const { holder, token } = this
    this.#port.trust.open(token, this.#since, this.#times)
    const { wokenBy } = this.#deps.candidacy
    this.#port.report({ kind: 'acquired', holder, token, wokenBy })
  }

  /** Releases a term that never began here. */
  giveBack(reason: EndReason, coolDownMs: number = 0): void {
    this.#end = { reason, coolDownMs, renews: false, drained: true }
    this.#release()
  }

  /** Ends a term that leads. */
  end(reason: EndReason, coolDownMs: number = 0): void {
    if (this.#state === 'leading') this.#beginEnding(reason, { coolDownMs })
  }

  /** See {@link Elector.drained}. */
  drained(complete: boolean): void {
    if (this.#state !== 'ending' || this.#end === undefined) return
    this.#end.drained = complete
    if (!complete) this.#end.renews = false
    else if (!this.#attempts.isUnderWay) this.#release()
  }

  stall(): void {
    if (this.#state === 'leading') this.#beginEnding('stalled', { renews: false })
    else if (this.#state === 'ending' && this.#end) this.#end.renews = false
  }

  pushedRenewal(renewal: PushedRenewal): void {
    // Its own renewals come back to it.
    if (renewal.token > this.token) this.pushed()
  }

  /** The store says that something changed: a renewal tells what. */
  pushed(): void {
    // After its end, a term is followed by a look in any case.
    if (this.#state !== 'leading') return
    this.#looks.push(Math.max(this.#nowMs(), this.#lastSentMs + pushedLookMsMin))
    this.wake()
  }

  superseded(by: number): void {
    if (this.#state !== 'leading') return
    this.#supersededBy ??= { token: by, atMs: this.#nowMs() }
    this.pushed()
  }

  /** Fires the heartbeat now; false if there is none. */
  beat(correlationId: string): boolean {
    if (this.#state !== 'leading') return false
    if (!this.#attempts.isUnderWay) {
      this.#correlationId ??= correlationId
      this.#nextRenewalMs = this.#nowMs()
      this.wake()
    }
    return true
  }

  /** The process ends, and all work of the term with it. */
  exit(reason: EndReason): void {
    if (this.#state === 'releasing' && this.#attempts.isUnderWay) return
    this.end(reason)
    this.#attempts.abandon()
    this.#release()
  }

  /** Does what is due. */
  wake(): void {
    switch (this.#state) {
      case 'leading':
        return this.#wakeLeading()
      case 'ending':
        return this.#wakeEnding()
      case 'releasing':
        if (!this.#attempts.isUnderWay && this.#nowMs() >= this.#releaseNotBeforeMs) {
          this.#release()
        }
    }
  }

  /** The outcome of a renewal or a release. */
  settled(attempt: Attempt, settlement: Settlement): void {
    if (attempt.verb === 'renew') {
      if (settlement.kind === 'failed') this.#renewFailed(attempt, settlement)
      else this.#renewReplied(attempt, settlement.reply as RenewReply)
    } else if (settlement.kind === 'failed') this.#releaseFailed(settlement)
    else this.#over(this.#ending().reason, (settlement.reply as ReleaseReply).kind === 'released')
  }

  // ---- leading ----

  #wakeLeading(): void {
    if (this.#untilHardFenceMs() <= 0) {
      this.#over(this.#lossReason(), false)
    } else if (this.#untilSoftStopMs() <= 0 || this.#port.trust.softStopSeen) {
      // A renewal that is under way, or made from here on, does not bring leadership back; it
      // only keeps the lease until the work has ended.
      this.#beginEnding(this.#lossReason())
      this.wake()
    } else if (!this.#attempts.isUnderWay && this.#nowMs() >= this.#renewalDueMs) {
      this.#renew()
    }
  }

  /** Why trust ran out: because attempts failed, or because none was made in time. */
  #lossReason(): EndReason {
    return this.#failures > 0 || this.#attempts.isUnderWay ? 'store-unreachable' : 'expired'
  }

  #renew(): void {
    const settings = this.#port.settings()
    const sentAt = readInstant(this.#port.clock)
    const correlationId = (this.#correlationId ??= this.#port.newCorrelationId())
    this.#lastSentMs = sentAt.monotonicMs
    this.#looks.sent(sentAt.monotonicMs, settings.heartbeatMs)
    const { attemptTimeoutMs } = this.#paceWith(settings)
    const timeoutMs = Math.min(attemptTimeoutMs, this.#untilHardFenceMs())
    this.#attempts.renew(this, { sentAt, timeoutMs, correlationId })
  }

  #renewReplied(attempt: RenewAttempt, reply: RenewReply): void {
    invariant(this.token === attempt.request.token, 'a renewal settles within its own term')
    const { correlationId } = attempt
    const { token } = this
    const { candidacy, learn } = this.#deps
    if (reply.kind === 'refused') {
      if (reply.by !== undefined) learn(reply.by.token)
      const reason = reply.cause === 'expired' ? 'expired' : 'stolen'
      this.#port.report({ kind: 'renew-refused', correlationId, token, reason, by: reply.by })
      return this.#over(reason, false)
    }
    const { clock, trust } = this.#port
    const marginMs = this.#untilHardFenceMs()
    const late = this.#untilSoftStopMs() <= 0
    // The soft stop passed while this attempt was under way, so that it was the store that was slow.
    if (marginMs <= 0) return this.#over(this.#end?.reason ?? 'store-unreachable', false)
    const lossReason = late || this.#failures > 0 ? 'store-unreachable' : 'expired'
    this.#renewed(attempt.sentAt, attempt.times)
    const inTime = trust.extend(this.#since, this.#times)
    const latencyMs = clock.monotonicMs() - attempt.sentAt.monotonicMs
    this.#port.report({ kind: 'renewed', correlationId, token, latencyMs, marginMs })
    const { resignRequest } = reply
    if (this.#state === 'ending') {
      if (this.#end?.drained) this.#release()
    } else if (late || !inTime) {
      this.#beginEnding(lossReason)
    } else if (resignRequest !== undefined && resignRequest.token === token) {
      this.#port.report({ kind: 'resign-requested', token, by: resignRequest.by })
      this.#beginEnding('resigned', { coolDownMs: resignRequest.coolDownMs })
    } else if (this.#isSuperseded(attempt.sentAt.monotonicMs)) {
      this.#port.report({ kind: 'superseded', token, by: this.#supersededBy?.token ?? 0 })
      this.#beginEnding('resigned', { coolDownMs: candidacy.tooLowMs(this.#port.settings()) })
    } else if (this.#supersededBy === undefined) {
      candidacy.highEnough()
    }
  }

  /** A renewal that was sent at `since` has succeeded. */
  #renewed(since: Instant, times: TermTimes): void {
    this.#times = keepingTrust({ since, times }, { since: this.#since, times: this.#times })
    this.#since = since
    this.#failures = 0
    this.#correlationId = undefined
    this.#nextRenewalMs = since.monotonicMs + times.heartbeatMs
  }

  /** Whether a renewal that was sent then shows that the lease is ours, though the ledger is not. */
  #isSuperseded(sentMs: number): boolean {
    return this.#supersededBy !== undefined && sentMs >= this.#supersededBy.atMs
  }

  /** The outcome is unknown: trust stays where it was, and the renewal is tried again. */
  #renewFailed(attempt: RenewAttempt, { failure, error }: Failure): void {
    const { retryBackoffMs, heartbeatMs } = this.#paceWith(this.#port.settings())
    const times = { baseMs: retryBackoffMs, maxMs: heartbeatMs }
    this.#failures++
    this.#nextRenewalMs = this.#nowMs() + backoffMs(this.#failures, times, this.#port.random)
    const { correlationId, timeoutMs } = attempt
    const { token } = this
    this.#port.report({ kind: 'renew-failed', correlationId, token, failure, error, timeoutMs })
    if (this.#end?.drained) this.#release()
    else this.wake()
  }

  // ---- ending, releasing ----

  #beginEnding(reason: EndReason, options: Partial<Ending> = {}): void {
    this.#end = { reason, coolDownMs: 0, renews: true, drained: false, ...options }
    this.#state = 'ending'
    this.#port.trust.softStop()
    this.#port.report({ kind: 'ending', token: this.token, reason })
  }

  #wakeEnding(): void {
    const { reason, renews } = this.#ending()
    if (this.#untilHardFenceMs() <= 0) this.#over(reason, false)
    else if (renews && !this.#attempts.isUnderWay && this.#nowMs() >= this.#nextRenewalMs) {
      this.#renew()
    }
  }

  #release(): void {
    const { reason } = this.#ending()
    const sentAt = readInstant(this.#port.clock)
    this.#releaseByMs ??= sentAt.monotonicMs + this.#port.settings().attemptTimeoutMs
    this.#state = 'releasing'
    this.#port.trust.close()
    const { holder, token } = this
    const timeoutMs = this.#releaseByMs - sentAt.monotonicMs
    this.#attempts.release({ holder, token, reason }, { sentAt, timeoutMs })
  }

  #releaseFailed({ error }: Failure): void {
    const { holder, token } = this
    this.#port.report({ kind: 'release-failed', holder, token, error })
    this.#releaseNotBeforeMs = this.#nowMs() + this.#port.settings().retryBackoffMs
    const byMs = this.#releaseByMs
    const retries = byMs !== undefined && this.#releaseNotBeforeMs < byMs
    if (!retries) this.#over(this.#ending().reason, false)
  }

  #over(reason: EndReason, released: boolean): void {
    this.#attempts.abandon()
    this.#port.trust.close()
    this.#deps.over({ reason, released, coolDownMs: this.#end?.coolDownMs ?? 0 })
  }

  #ending(): Ending {
    invariant(this.#end !== undefined, `the term has begun to end in the state ${this.#state}`)
    return this.#end
  }

  // ---- times ----

  /** When the next renewal is sent: in its turn, or sooner because of a push. */
  get #renewalDueMs(): number {
    return Math.min(this.#nextRenewalMs, this.#looks.dueMs)
  }

  /** The soft stop as an instant of the monotonic clock; only for setting timers. */
  get #softStopMs(): number {
    return this.#since.monotonicMs + softStopAfterMs(this.#times)
  }

  /** The hard fence as an instant of the monotonic clock; only for setting timers. */
  get #hardFenceMs(): number {
    return this.#since.monotonicMs + hardFenceAfterMs(this.#times)
  }

  /** Time left to the soft stop, negative when it has passed; counts suspended time. */
  #untilSoftStopMs(): number {
    return softStopAfterMs(this.#times) - elapsedMs(this.#since, this.#port.clock)
  }

  /** Time left to the hard fence, negative when it has passed; counts suspended time. */
  #untilHardFenceMs(): number {
    return hardFenceAfterMs(this.#times) - elapsedMs(this.#since, this.#port.clock)
  }

  /**
   * How attempts are made until one has succeeded that was sent with `settings`: the trust that is
   * left is of the times before, so that neither their pace nor the new one may be exceeded.
   */
  #paceWith(settings: TermPace): TermPace {
    const times = this.#times
    return {
      heartbeatMs: Math.min(settings.heartbeatMs, times.heartbeatMs),
      attemptTimeoutMs: Math.min(settings.attemptTimeoutMs, times.attemptTimeoutMs),
      retryBackoffMs: Math.min(settings.retryBackoffMs, times.retryBackoffMs),
    }
  }

  #nowMs(): number {
    return this.#port.clock.monotonicMs()
  }
}
