import { readInstant } from '../clock.ts'
import { invariant } from '../invariant.ts'
import type { AcquireReply, EndReason, PushedRenewal } from '../store/lease-store.ts'
import { Attempts, isRenewal, overError } from './attempts.ts'
import { Candidacy, type Pushes } from './candidacy.ts'
import type { Attempt, ElectorPort, Settlement } from './elector-port.ts'
import { EndNote } from './end-note.ts'
import { Holding, type EndOfHolding } from './holding.ts'
import { KnownTokens } from './known-tokens.ts'

/** The states of the elector, drawn in README.md; the last three are those of a {@link Holding}. */
export type ElectorState =
  | 'stopped'
  | 'waiting'
  | 'noting'
  | 'acquiring'
  | 'leading'
  | 'ending'
  | 'releasing'

type AcquireAttempt = Extract<Attempt, { verb: 'acquire' }>
type Failure = Extract<Settlement, { kind: 'failed' }>

/**
 * Campaigns for one lease and keeps it: the state machine of the lease protocol, without any I/O.
 * The states of a candidate are here; those of a term that is held are in `Holding`.
 *
 * Every input (`start`, `wake`, `settled`, `push`, ...) is synchronous and looks at the clock of
 * its port. What is to happen goes out through the port, at most one attempt at a time; `nextWakeMs`
 * says when the elector wants to be woken. The same code therefore runs in the worker thread, in the
 * tests on a fake clock, and in the simulator.
 */
export class Elector {
  readonly #port: ElectorPort
  readonly #attempts: Attempts
  readonly #candidacy: Candidacy
  readonly #endNote: EndNote
  #state: 'stopped' | 'waiting' | 'noting' | 'acquiring' | 'holding' = 'stopped'
  #holding: Holding | undefined
  readonly #tokens = new KnownTokens()
  #stopping = false
  #stalled = false

  constructor(port: ElectorPort) {
    this.#port = port
    this.#attempts = new Attempts(port)
    this.#tokens.learn(port.knownToken ?? 0)
    this.#candidacy = new Candidacy(port.random)
    this.#endNote = new EndNote(port.random)
  }

  get state(): ElectorState {
    return this.#state === 'holding' ? this.#held().state : this.#state
  }

  /** When `wake` wants to be called, on the monotonic clock; `undefined`: not by time. */
  get nextWakeMs(): number | undefined {
    if (this.#holding !== undefined) return this.#holding.wakeMs
    if (this.#state !== 'waiting') return undefined
    const nowMs = this.#nowMs()
    if (this.#stopping) return this.#candidacy.asking.lastAskMs(nowMs) ?? nowMs
    const wakeMs = Math.min(this.#candidacy.dueMs(nowMs), this.#endNote.dueMs)
    return wakeMs === Infinity ? undefined : wakeMs
  }

  // ---- inputs ----

  /** Becomes a candidate. */
  start(): void {
    if (this.#state !== 'stopped') return
    this.#stopping = false
    this.#candidacy.asking.begin()
    this.#state = 'waiting'
    this.wake()
  }

  /** Stops to be a candidate; a leader ends its term, and then says `stopped`. */
  stop(): void {
    if (this.#stopping) return
    this.#beginStopping()
    if (this.#holding !== undefined) this.#holding.end('stopped')
    else if (this.#state !== 'acquiring') this.#stopCandidacy()
  }

  /**
   * Ends the term on purpose; for `coolDownMs` after it this instance is no candidate. The same of an
   * acquisition that is under way, or may have been granted.
   */
  resign(coolDownMs: number): void {
    if (this.#holding !== undefined) return this.#holding.end('resigned', coolDownMs)
    const nowMs = this.#nowMs()
    if (this.#state !== 'acquiring' && !this.#candidacy.asking.isUnknown(nowMs)) return
    this.#candidacy.coolDown(nowMs, coolDownMs)
  }

  /**
   * The work of the ending term has stopped (`true`), so that the lease may be released; or it
   * has outlasted its bound (`false`), so that the lease must expire by itself.
   */
  drained(token: number, complete: boolean): void {
    if (this.#holding?.token === token) this.#holding.drained(complete)
  }

  /** The main thread has given no sign of life for `stallLimit`: the lease is left to expire. */
  stall(): void {
    this.#stalled = true
    this.#holding?.stall()
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
      case 'holding':
        return this.#held().pushedRenewal(renewal)
    }
  }

  /** The store says that something changed: one look follows, also where one is under way. */
  push(): void {
    switch (this.#state) {
      case 'waiting':
      case 'noting':
      case 'acquiring':
        return this.#candidacy.pushed(this.#nowMs())
      case 'holding':
        return this.#held().pushed()
    }
  }

  /**
   * The ledger, too, has said which token was granted last. Where that is not the one of the term,
   * though the lease is renewed, the term cannot run anything: it ends, for one that can.
   */
  superseded(token: number, by: number): void {
    this.#learn(by, 'anybody')
    if (this.#holding?.token === token) this.#holding.superseded(by)
  }

  /** Fires the heartbeat now; false if there is no lease to renew. */
  beat(correlationId: string): boolean {
    return this.#holding?.beat(correlationId) ?? false
  }

  /**
   * The process ends: what is held is released at once, because its work ends with it. An
   * acquisition under way is released as soon as its token is known.
   */
  exit(reason: EndReason): void {
    this.#beginStopping()
    if (this.#state === 'acquiring') return
    if (this.#holding === undefined) this.#stopCandidacy()
    else this.#holding.exit(reason)
  }

  /** Does what is due. Calling it too early is harmless. */
  wake(): void {
    if (this.#holding !== undefined) this.#holding.wake()
    else if (this.#state === 'waiting') this.#wakeWaiting()
  }

  /** The outcome of an attempt; that of an abandoned one is ignored. */
  settled(attempt: Attempt, settlement: Settlement): void {
    if (!this.#attempts.settles(attempt)) return
    switch (attempt.verb) {
      case 'acquire':
        return settlement.kind === 'failed'
          ? this.#acquireFailed(attempt, settlement)
          : this.#acquireReplied(attempt, settlement.reply as AcquireReply)
      case 'note':
        return this.#noted(settlement.kind === 'replied')
      default:
        return this.#held().settled(attempt, settlement)
    }
  }

  // ---- waiting, noting, acquiring ----

  #wakeWaiting(): void {
    const nowMs = this.#nowMs()
    if (this.#stopping) return this.#wakeStopping(nowMs)
    const { ended } = this.#endNote
    if (ended !== undefined && nowMs >= this.#endNote.dueMs) {
      this.#state = 'noting'
      return this.#attempts.note(ended)
    }
    if (nowMs >= this.#candidacy.dueMs(nowMs)) this.#acquire()
  }

  /** One of the last questions of a candidate that stops. */
  #wakeStopping(nowMs: number): void {
    const { asking } = this.#candidacy
    const askMs = asking.lastAskMs(nowMs)
    if (askMs === undefined) return this.#toStopped()
    if (nowMs < askMs) return
    asking.lastAsked()
    this.#acquire()
  }

  #acquire(): void {
    const sentAt = readInstant(this.#port.clock)
    const sentMs = sentAt.monotonicMs
    const { asking } = this.#candidacy
    asking.lapse(sentMs)
    asking.holder ??= this.#port.newHolder()
    this.#candidacy.sent(sentMs, this.#port.settings())
    this.#state = 'acquiring'
    const { holder } = asking
    const observed = this.#candidacy.observed(sentMs)
    const request = { holder, observed, knownToken: this.#tokens.max }
    this.#attempts.acquire(request, { sentAt, timeoutMsMax: asking.timeoutMsMax(sentMs) })
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
    const trust = { since: attempt.sentAt, times: attempt.times }
    const holding = new Holding({ holder, token }, trust, {
      port: this.#port,
      attempts: this.#attempts,
      candidacy: this.#candidacy,
      learn: (other) => this.#learn(other),
      over: (end) => this.#over(holding, end),
    })
    this.#holding = holding
    this.#state = 'holding'
    const previousToken = this.#tokens.max
    const isTooLow = this.#tokens.isTooLow(token)
    this.#learn(token)
    if (isTooLow) {
      // The store went back, and does not heed the token that it was told. Every acquisition raises
      // its counter, so that trying again comes to tokens that no resource has seen.
      this.#port.report({ kind: 'token-went-back', holder, token, previousToken })
      return holding.giveBack('resigned', this.#candidacy.tooLowMs(this.#port.settings()))
    }
    // In these cases the term never began for this instance, so that it can be given back at once.
    if (this.#stopping) return holding.giveBack('stopped')
    if (this.#stalled) return holding.giveBack('stalled')
    if (!this.#candidacy.eligible) return holding.giveBack('resigned')
    const coolDownMs = this.#candidacy.coolDownMs(this.#nowMs())
    if (coolDownMs > 0) return holding.giveBack('resigned', coolDownMs)
    holding.lead()
  }

  /** The term is over. */
  #over(holding: Holding, { reason, released, coolDownMs }: EndOfHolding): void {
    const { holder, token } = holding
    const nowMs = this.#nowMs()
    this.#holding = undefined
    if (!released) this.#endNote.write({ holder, token, reason }, nowMs)
    this.#candidacy.begin(nowMs, coolDownMs)
    this.#state = 'waiting'
    this.#port.report({ kind: 'ended', token, holder, reason, released })
    this.#toWaiting()
  }

  // ---- steps that several states share ----

  #toWaiting(): void {
    this.#state = 'waiting'
    if (this.#stopping) this.#stopCandidacy()
  }

  #beginStopping(): void {
    if (!this.#stopping) this.#candidacy.asking.stopping(this.#nowMs(), this.#port.settings())
    this.#stopping = true
  }

  /** Stops; but first finds out what came of an acquisition, as the same holder, to release it. */
  #stopCandidacy(): void {
    this.#attempts.abandon()
    if (this.#candidacy.asking.lastAskMs(this.#nowMs()) === undefined) return this.#toStopped()
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

  #nowMs(): number {
    return this.#port.clock.monotonicMs()
  }
}
