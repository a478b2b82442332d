import { readInstant } from '../clock.ts'
import { invariant } from '../invariant.ts'
import type {
  AcquireReply,
  EndedTerm,
  EndReason,
  PushedRenewal,
  ReleaseReply,
  RenewReply,
} from '../store/lease-store.ts'
import { acquireAttempt, isRenewal, overError, renewsWithinMs, timesOf } from './attempts.ts'
import { backoffMs } from './backoff.ts'
import { Candidacy, type Pushes } from './candidacy.ts'
import type { Attempt, ElectorPort, Settlement } from './elector-port.ts'
import { EndNote } from './end-note.ts'
import { Holding, type Ending } from './holding.ts'
import { KnownTokens } from './known-tokens.ts'

/** Where the elector stands; drawn in README.md. */
export type ElectorState =
  | 'stopped'
  | 'waiting'
  | 'noting'
  | 'acquiring'
  | 'leading'
  | 'ending'
  | 'releasing'

type AcquireAttempt = Extract<Attempt, { verb: 'acquire' }>
type RenewAttempt = Extract<Attempt, { verb: 'renew' }>
type Failure = Extract<Settlement, { kind: 'failed' }>

/** How often a candidate that stops asks once more what came of its acquisition. */
const lastAsksMax = 2

/**
 * Campaigns for one lease and keeps it: the state machine of the lease protocol, without any I/O.
 *
 * Every input (`start`, `wake`, `settled`, `push`, ...) is synchronous and looks at the clock of
 * its port. What shall happen goes out through the port, at most one attempt at a time; when the
 * elector wants to be woken stands in `nextWakeMs`. The same code therefore runs in the worker
 * thread, in the tests on a fake clock, and in the simulator.
 */
export class Elector {
  readonly #port: ElectorPort
  readonly #candidacy: Candidacy
  readonly #endNote: EndNote
  #state: ElectorState = 'stopped'
  #inFlight: Attempt | undefined
  #holding: Holding | undefined
  #releaseNotBeforeMs = 0
  readonly #tokens = new KnownTokens()
  #stopping = false
  #stalled = false
  /** By when a candidate that stops has asked, and how often until then. */
  #askByMs = Infinity
  #asksLeft = lastAsksMax

  constructor(port: ElectorPort) {
    this.#port = port
    this.#tokens.learn(port.knownToken ?? 0)
    this.#candidacy = new Candidacy(port.random)
    this.#endNote = new EndNote(port.random)
  }

  get state(): ElectorState {
    return this.#state
  }

  /** When `wake` wants to be called, on the monotonic clock; `undefined`: not by time. */
  get nextWakeMs(): number | undefined {
    switch (this.#state) {
      case 'waiting': {
        const nowMs = this.#nowMs()
        if (this.#stopping) return this.#candidacy.asking.askMs(nowMs) ?? nowMs
        const wakeMs = Math.min(this.#candidacy.dueMs(nowMs), this.#endNote.dueMs)
        return wakeMs === Infinity ? undefined : wakeMs
      }
      case 'leading': {
        const { softStopMs, renewalDueMs } = this.#held()
        return this.#inFlight ? softStopMs : Math.min(softStopMs, renewalDueMs)
      }
      case 'ending': {
        const { hardFenceMs, nextRenewalMs, end } = this.#held()
        return this.#inFlight || !end?.renews ? hardFenceMs : Math.min(hardFenceMs, nextRenewalMs)
      }
      case 'releasing':
        return this.#inFlight ? undefined : this.#releaseNotBeforeMs
      default:
        return undefined
    }
  }

  // ---- inputs ----

  /** Becomes a candidate. */
  start(): void {
    if (this.#state !== 'stopped') return
    this.#stopping = false
    this.#askByMs = Infinity
    this.#asksLeft = lastAsksMax
    this.#state = 'waiting'
    this.wake()
  }

  /** Stops to be a candidate; a leader ends its term, and then says `stopped`. */
  stop(): void {
    if (this.#stopping) return
    this.#beginStopping()
    if (this.#state === 'leading') this.#beginEnding('stopped')
    if (this.#holding === undefined && this.#state !== 'acquiring') this.#stopCandidacy()
  }

  /**
   * Ends the term on purpose; for `coolDownMs` after it this instance is no candidate. The same of an
   * acquisition that is under way, or may have been granted.
   */
  resign(coolDownMs: number): void {
    if (this.#state === 'leading') return this.#beginEnding('resigned', { coolDownMs })
    if (this.#holding !== undefined) return
    const nowMs = this.#nowMs()
    if (this.#state !== 'acquiring' && !this.#candidacy.asking.isUnknown(nowMs)) return
    this.#candidacy.coolDown(nowMs, coolDownMs)
  }

  /**
   * The work of the ending term has stopped (`true`), so that the lease may be released; or it
   * has outlasted its bound (`false`), so that the lease must expire by itself.
   */
  drained(token: number, complete: boolean): void {
    const holding = this.#holding
    if (this.#state !== 'ending' || holding?.end === undefined || holding.token !== token) return
    holding.end.drained = complete
    if (!complete) holding.end.renews = false
    else if (this.#inFlight === undefined) this.#release()
  }

  /** The main thread has given no sign of life for `stallLimit`: the lease is left to expire. */
  stall(): void {
    this.#stalled = true
    if (this.#state === 'leading') this.#beginEnding('stalled', { renews: false })
    else if (this.#state === 'ending' && this.#holding?.end) this.#holding.end.renews = false
  }

  /** Whether the main thread could serve as leader now; one that does not answer could not. */
  setResponsive(responsive: boolean): void {
    if (responsive) this.#stalled = false
    if (this.#candidacy.responsive === responsive) return
    this.#candidacy.responsive = responsive
    if (responsive) this.wake()
  }

  /** Whether this instance may lead at all; a leader that may not any more resigns. */
  setEligible(eligible: boolean): void {
    if (this.#candidacy.eligible === eligible) return
    this.#candidacy.eligible = eligible
    if (eligible) this.wake()
    else this.resign(0)
  }

  /** Which pushes come. */
  setPushes(pushes: Pushes): void {
    if (this.#candidacy.pushes === pushes) return
    this.#candidacy.pushes = pushes
    // Something may have been missed; and the wait under way may be longer than is good now.
    this.push()
  }

  /** The store says that a lease was renewed just now. */
  pushRenewed(renewal: PushedRenewal): void {
    if (!isRenewal(renewal)) return this.push()
    switch (this.#state) {
      case 'waiting':
      case 'noting':
        return this.#candidacy.pushedRenewal(renewal, this.#nowMs())
      case 'acquiring':
        return this.#candidacy.heard(renewal)
      case 'leading':
        // Its own renewals come back to it.
        if (renewal.token > this.#held().token) this.push()
        return
      default:
    }
  }

  /** The store says that something changed: one look follows, also where one is under way. */
  push(): void {
    const nowMs = this.#nowMs()
    switch (this.#state) {
      case 'waiting':
      case 'noting':
      case 'acquiring':
        return this.#candidacy.pushed(nowMs)
      case 'leading':
        this.#held().pushed(nowMs)
        return this.wake()
      default:
      // After its end, a term is followed by a look in any case.
    }
  }

  /**
   * The ledger, too, has said which token was granted last. Where that is not the one of the term,
   * though the lease is renewed, the term cannot run anything: it ends, for one that can.
   */
  superseded(token: number, by: number): void {
    this.#learn(by, 'anybody')
    const holding = this.#holding
    if (this.#state !== 'leading' || holding?.token !== token) return
    holding.supersededBy ??= { token: by, atMs: this.#nowMs() }
    holding.pushed(this.#nowMs())
    this.wake()
  }

  /** Fires the heartbeat now; false if there is no lease to renew. */
  beat(correlationId: string): boolean {
    if (this.#state !== 'leading') return false
    if (this.#inFlight === undefined) {
      const holding = this.#held()
      holding.correlationId ??= correlationId
      holding.nextRenewalMs = this.#nowMs()
      this.wake()
    }
    return true
  }

  /**
   * The process ends: what is held is released at once, because its work ends with it. An
   * acquisition under way is released as soon as its token is known.
   */
  exit(reason: EndReason): void {
    this.#beginStopping()
    if (this.#state === 'acquiring') return
    if (this.#holding === undefined) return this.#stopCandidacy()
    if (this.#state === 'releasing' && this.#inFlight !== undefined) return
    if (this.#state === 'leading') this.#beginEnding(reason)
    this.#abandonInFlight()
    this.#release()
  }

  /** Does what is due. Calling it too early is harmless. */
  wake(): void {
    switch (this.#state) {
      case 'waiting':
        return this.#wakeWaiting()
      case 'leading':
        return this.#wakeLeading()
      case 'ending':
        return this.#wakeEnding()
      case 'releasing':
        if (this.#inFlight === undefined && this.#nowMs() >= this.#releaseNotBeforeMs)
          this.#release()
        return
      default:
    }
  }

  /** The outcome of an attempt; that of an abandoned one is ignored. */
  settled(attempt: Attempt, settlement: Settlement): void {
    if (attempt !== this.#inFlight) return
    this.#inFlight = undefined
    switch (attempt.verb) {
      case 'acquire':
        return settlement.kind === 'failed'
          ? this.#acquireFailed(attempt, settlement)
          : this.#acquireReplied(attempt, settlement.reply as AcquireReply)
      case 'renew':
        return settlement.kind === 'failed'
          ? this.#renewFailed(attempt, settlement)
          : this.#renewReplied(attempt, settlement.reply as RenewReply)
      case 'release':
        return settlement.kind === 'failed'
          ? this.#releaseFailed(settlement)
          : this.#end(this.#ending().reason, (settlement.reply as ReleaseReply).kind === 'released')
      case 'note':
        return this.#noted(settlement.kind === 'replied')
    }
  }

  // ---- candidate: waiting, noting, acquiring ----

  #wakeWaiting(): void {
    const nowMs = this.#nowMs()
    if (this.#stopping) return this.#wakeStopping(nowMs)
    const { ended } = this.#endNote
    if (ended !== undefined && nowMs >= this.#endNote.dueMs) return this.#note(ended)
    if (nowMs >= this.#candidacy.dueMs(nowMs)) this.#acquire()
  }

  /** One of the last questions of a candidate that stops. */
  #wakeStopping(nowMs: number): void {
    const askMs = this.#candidacy.asking.askMs(nowMs)
    if (askMs === undefined) return this.#toStopped()
    if (nowMs < askMs) return
    if (nowMs >= this.#askByMs) return this.#toStopped()
    this.#asksLeft--
    this.#acquire()
  }

  #acquire(): void {
    const settings = this.#port.settings()
    const sentAt = readInstant(this.#port.clock)
    const { asking } = this.#candidacy
    const timeoutMs = Math.min(settings.attemptTimeoutMs, this.#askByMs - sentAt.monotonicMs)
    asking.lapse(sentAt.monotonicMs)
    asking.holder ??= this.#port.newHolder()
    this.#candidacy.sent(sentAt.monotonicMs, settings)
    this.#state = 'acquiring'
    const observed = this.#candidacy.observed(sentAt.monotonicMs)
    const wish = { holder: asking.holder, observed, knownToken: this.#tokens.max }
    this.#send(acquireAttempt(settings, { sentAt, timeoutMs, wish }))
  }

  /** Tells the history why the last term ended; also an instance that hangs does so. */
  #note(ended: EndedTerm): void {
    const { lease, attemptTimeoutMs } = this.#port.settings()
    this.#state = 'noting'
    this.#send({
      verb: 'note',
      sentAt: readInstant(this.#port.clock),
      timeoutMs: attemptTimeoutMs,
      request: { lease, ended },
    })
  }

  #noted(done: boolean): void {
    if (done) this.#endNote.told()
    else this.#endNote.failed(this.#nowMs(), this.#port.settings())
    this.#toWaiting()
    this.wake()
  }

  /** The outcome is unknown: the same holder asks again, and so learns what came of it. */
  #acquireFailed(attempt: AcquireAttempt, { failure, error }: Failure): void {
    const { holder, ttlMs } = attempt.request
    const sent = { sentMs: attempt.sentAt.monotonicMs, timeoutMs: attempt.timeoutMs, ttlMs }
    const retryMs = this.#candidacy.failed(sent, this.#nowMs(), this.#port.settings())
    this.#port.report({ kind: 'acquire-failed', holder, failure, error, retryMs })
    this.#toWaiting()
  }

  #acquireReplied(attempt: AcquireAttempt, reply: AcquireReply): void {
    const { holder } = attempt.request
    if (reply.kind === 'held') {
      this.#learn(reply.record.token)
      this.#candidacy.refused(reply.record, this.#nowMs(), this.#port.settings())
      // A late copy of an earlier attempt may still be granted.
      const unsettled = this.#candidacy.asking.holder !== undefined
      this.#port.report({ kind: 'held', record: reply.record, unsettled })
      return this.#toWaiting()
    }
    if (reply.kind === 'over') {
      const retryMs = this.#candidacy.over(this.#nowMs(), this.#port.settings())
      const failed = { failure: 'error', error: overError(), retryMs } as const
      this.#port.report({ kind: 'acquire-failed', holder, ...failed })
      return this.#toWaiting()
    }
    this.#candidacy.granted()
    this.#acquired(attempt, reply.token)
  }

  #acquired(attempt: AcquireAttempt, token: number): void {
    const isToken = Number.isSafeInteger(token) && token > 0
    invariant(isToken, `a store gives a safe integer above 0 as a token; got ${String(token)}`)
    const { holder } = attempt.request
    const holding = new Holding({ holder, token }, { since: attempt.sentAt, times: attempt.times })
    this.#holding = holding
    const previousToken = this.#tokens.max
    const isTooLow = this.#tokens.isTooLow(token)
    this.#learn(token)
    if (isTooLow) {
      // The store went back, and does not heed the token that it was told. Every acquisition raises
      // its counter, so that trying again comes to tokens that no resource has seen.
      this.#port.report({ kind: 'token-went-back', holder, token, previousToken })
      return this.#giveBack('resigned', this.#candidacy.tooLowMs(this.#port.settings()))
    }
    // In these cases the term never began for this instance, so that it can be given back at once.
    if (this.#stopping) return this.#giveBack('stopped')
    if (this.#stalled) return this.#giveBack('stalled')
    if (!this.#candidacy.eligible) return this.#giveBack('resigned')
    const coolDownMs = this.#candidacy.coolDownMs(this.#nowMs())
    if (coolDownMs > 0) return this.#giveBack('resigned', coolDownMs)
    if (holding.untilSoftStopMs(this.#port.clock) <= 0) return this.#giveBack('store-unreachable')
    this.#state = 'leading'
    this.#port.trust.open(token, holding.since, holding.times)
    this.#port.report({ kind: 'acquired', holder, token, wokenBy: this.#candidacy.wokenBy })
  }

  // ---- leader: leading ----

  #wakeLeading(): void {
    const holding = this.#held()
    const { clock, trust } = this.#port
    if (holding.untilHardFenceMs(clock) <= 0) {
      this.#end(this.#lossReason(holding), false)
    } else if (holding.untilSoftStopMs(clock) <= 0 || trust.softStopSeen) {
      // A renewal that is under way, or made from here on, does not bring leadership back; it
      // only keeps the lease until the work has ended.
      this.#beginEnding(this.#lossReason(holding))
      this.wake()
    } else if (this.#inFlight === undefined && this.#nowMs() >= holding.renewalDueMs) {
      this.#renew(holding)
    }
  }

  /** Why trust ran out: because attempts failed, or because none was made in time. */
  #lossReason(holding: Holding): EndReason {
    return holding.failures > 0 || this.#inFlight !== undefined ? 'store-unreachable' : 'expired'
  }

  #renew(holding: Holding): void {
    const settings = this.#port.settings()
    const sentAt = readInstant(this.#port.clock)
    holding.correlationId ??= this.#port.newCorrelationId()
    holding.sent(sentAt.monotonicMs, settings.heartbeatMs)
    const { holder, token, correlationId } = holding
    const { attemptTimeoutMs } = holding.paceWith(settings)
    const { lease, ttlMs, jobsHash } = settings
    this.#send({
      verb: 'renew',
      sentAt,
      timeoutMs: Math.min(attemptTimeoutMs, holding.untilHardFenceMs(this.#port.clock)),
      times: timesOf(settings),
      correlationId,
      request: {
        lease,
        holder,
        token,
        ttlMs,
        jobsHash,
        renewsWithinMs: renewsWithinMs(settings),
      },
    })
  }

  #renewReplied(attempt: RenewAttempt, reply: RenewReply): void {
    const holding = this.#held()
    invariant(holding.token === attempt.request.token, 'a renewal settles within its own term')
    const { correlationId } = attempt
    const { token } = holding
    if (reply.kind === 'refused') {
      if (reply.by !== undefined) this.#learn(reply.by.token)
      const reason = reply.cause === 'expired' ? 'expired' : 'stolen'
      this.#port.report({ kind: 'renew-refused', correlationId, token, reason, by: reply.by })
      return this.#end(reason, false)
    }
    const { clock, trust } = this.#port
    const marginMs = holding.untilHardFenceMs(clock)
    const late = holding.untilSoftStopMs(clock) <= 0
    // The soft stop passed while this attempt was under way, so that it was the store that was slow.
    if (marginMs <= 0) return this.#end(holding.end?.reason ?? 'store-unreachable', false)
    const lossReason = late || holding.failures > 0 ? 'store-unreachable' : 'expired'
    holding.renewed(attempt.sentAt, attempt.times)
    const inTime = trust.extend(holding.since, holding.times)
    const latencyMs = clock.monotonicMs() - attempt.sentAt.monotonicMs
    this.#port.report({ kind: 'renewed', correlationId, token, latencyMs, marginMs })
    const wish = reply.resignRequest
    if (this.#state === 'ending') {
      if (holding.end?.drained) this.#release()
    } else if (late || !inTime) {
      this.#beginEnding(lossReason)
    } else if (wish !== undefined && wish.token === token) {
      this.#port.report({ kind: 'resign-requested', token, by: wish.by })
      this.#beginEnding('resigned', { coolDownMs: wish.coolDownMs })
    } else if (holding.isSuperseded(attempt.sentAt.monotonicMs)) {
      this.#port.report({ kind: 'superseded', token, by: holding.supersededBy?.token ?? 0 })
      const coolDownMs = this.#candidacy.tooLowMs(this.#port.settings())
      this.#beginEnding('resigned', { coolDownMs })
    } else if (holding.supersededBy === undefined) {
      this.#candidacy.highEnough()
    }
  }

  /** The outcome is unknown: trust stays where it was, and the renewal is tried again. */
  #renewFailed(attempt: RenewAttempt, { failure, error }: Failure): void {
    const holding = this.#held()
    const { retryBackoffMs, heartbeatMs } = holding.paceWith(this.#port.settings())
    const times = { baseMs: retryBackoffMs, maxMs: heartbeatMs }
    holding.failures++
    holding.nextRenewalMs = this.#nowMs() + backoffMs(holding.failures, times, this.#port.random)
    const { correlationId, timeoutMs } = attempt
    const { token } = holding
    this.#port.report({ kind: 'renew-failed', correlationId, token, failure, error, timeoutMs })
    if (holding.end?.drained) this.#release()
    else this.wake()
  }

  // ---- the end of a term: ending, releasing ----

  #beginEnding(reason: EndReason, options: Partial<Ending> = {}): void {
    const holding = this.#held()
    holding.end = { reason, coolDownMs: 0, renews: true, drained: false, ...options }
    this.#state = 'ending'
    this.#port.trust.softStop()
    this.#port.report({ kind: 'ending', token: holding.token, reason })
  }

  #wakeEnding(): void {
    const holding = this.#held()
    const end = this.#ending()
    if (holding.untilHardFenceMs(this.#port.clock) <= 0) this.#end(end.reason, false)
    else if (end.renews && !this.#inFlight && this.#nowMs() >= holding.nextRenewalMs) {
      this.#renew(holding)
    }
  }

  /** Releases a term that never began here. */
  #giveBack(reason: EndReason, coolDownMs: number = 0): void {
    this.#held().end = { reason, coolDownMs, renews: false, drained: true }
    this.#release()
  }

  #release(): void {
    const holding = this.#held()
    const { reason } = this.#ending()
    const { lease, attemptTimeoutMs } = this.#port.settings()
    const sentAt = readInstant(this.#port.clock)
    holding.releaseByMs ??= sentAt.monotonicMs + attemptTimeoutMs
    this.#state = 'releasing'
    this.#port.trust.close()
    const { holder, token } = holding
    this.#send({
      verb: 'release',
      sentAt,
      timeoutMs: holding.releaseByMs - sentAt.monotonicMs,
      request: { lease, holder, token, reason },
    })
  }

  #releaseFailed({ error }: Failure): void {
    const { holder, token, releaseByMs } = this.#held()
    this.#port.report({ kind: 'release-failed', holder, token, error })
    this.#releaseNotBeforeMs = this.#nowMs() + this.#port.settings().retryBackoffMs
    const retries = releaseByMs !== undefined && this.#releaseNotBeforeMs < releaseByMs
    if (!retries) this.#end(this.#ending().reason, false)
  }

  #end(reason: EndReason, released: boolean): void {
    const { holder, token, end } = this.#held()
    const nowMs = this.#nowMs()
    this.#abandonInFlight()
    this.#holding = undefined
    this.#port.trust.close()
    if (!released) this.#endNote.write({ holder, token, reason }, nowMs)
    this.#candidacy.begin(nowMs, end?.coolDownMs ?? 0)
    this.#state = 'waiting'
    this.#port.report({ kind: 'ended', token, holder, reason, released })
    this.#toWaiting()
  }

  // ---- steps that several states share ----

  #send(attempt: Attempt): void {
    invariant(this.#inFlight === undefined, 'one attempt is under way at a time')
    this.#inFlight = attempt
    this.#port.attempt(attempt)
  }

  #abandonInFlight(): void {
    if (this.#inFlight !== undefined) this.#port.abandon(this.#inFlight)
    this.#inFlight = undefined
  }

  #toWaiting(): void {
    this.#state = 'waiting'
    if (this.#stopping) this.#stopCandidacy()
  }

  #beginStopping(): void {
    if (!this.#stopping) {
      // Three attempts in all: the third is for the release of what the last question brings.
      this.#askByMs = this.#nowMs() + 2 * this.#port.settings().attemptTimeoutMs
    }
    this.#stopping = true
  }

  /** Stops; but first finds out what came of an acquisition, as the same holder, to release it. */
  #stopCandidacy(): void {
    this.#abandonInFlight()
    const askMs = this.#candidacy.asking.askMs(this.#nowMs())
    if (askMs === undefined || askMs >= this.#askByMs || this.#asksLeft === 0) {
      return this.#toStopped()
    }
    this.#state = 'waiting'
    this.wake()
  }

  /** A reply of the store has told a token of the lease: what is acquired next has to be above it. */
  #learn(token: number, of?: 'another' | 'anybody'): void {
    if (this.#tokens.learn(token, of)) this.#port.learned?.(token)
  }

  #toStopped(): void {
    this.#state = 'stopped'
    this.#port.report({ kind: 'stopped' })
  }

  #held(): Holding {
    invariant(this.#holding !== undefined, `a term is held in the state ${this.#state}`)
    return this.#holding
  }

  #ending(): Ending {
    const { end } = this.#held()
    invariant(end !== undefined, `the term has begun to end in the state ${this.#state}`)
    return end
  }

  #nowMs(): number {
    return this.#port.clock.monotonicMs()
  }
}
