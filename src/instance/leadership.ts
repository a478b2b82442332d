import type { Clock, Timer } from '../clock.ts'
import { detached, type TellDefect } from '../invariant.ts'
import { messageOf } from '../errors.ts'
import type { LogEventName } from '../events.ts'
import type { Cell } from '../heart/cell.ts'
import { killWaitMs } from '../heart/running-heart.ts'
import { Patience } from './patience.ts'
import { LiveTerm, termEndedError, type Term } from './live-term.ts'
import type { Command, Report } from '../heart/messages.ts'
import type { Settings } from '../options.ts'
import type { EndReason } from '../store/lease-store.ts'

/** What the leadership of an instance is made of. */
export interface LeadershipParts {
  readonly clock: Clock
  readonly settings: () => Settings
  readonly send: (command: Command) => void
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  readonly onBegin: (term: LiveTerm) => void
  /** No new work may start; what runs is being stopped. */
  readonly onSoftStop: (term: LiveTerm) => void
  readonly onEnd: (term: LiveTerm, reason: EndReason) => void
  readonly tellDefect: TellDefect
}

/** A function of the application that works while its instance leads. */
type WhileLeader = (term: Term) => unknown

/** How long the heart's own word about the end of a term is waited for, after the hard fence. */
const lastWordMs = 500

/**
 * The main thread's side of a term: begins it when the heart has acquired, ends it at the soft
 * stop, whoever sees that first, aborts and drains its work, and tells the heart when that is done.
 */
export class Leadership {
  readonly #parts: LeadershipParts
  readonly #callbacks = new Set<WhileLeader>()
  #term: LiveTerm | undefined
  #softStopped = false
  /** Why the term ends, once the heart has said so. */
  #reason: EndReason | undefined
  #drainMs: number | undefined
  /** With what drains now. */
  #patience: Patience | undefined
  #timer: Timer | undefined
  /** Trust has run out, and only the heart's own word is waited for. */
  #awaitsLastWord = false
  #endWaiters: (() => void)[] = []
  /** The work of the term did not end in time; it is still waited for. */
  #isUndrained = false
  #undrainedWaiters: (() => void)[] = []

  constructor(parts: LeadershipParts) {
    this.#parts = parts
  }

  /** The term, until it is over. */
  get term(): LiveTerm | undefined {
    return this.#term
  }

  // ---- what the heart reports ----

  acquired(cell: Cell, report: Report & { kind: 'acquired' }): void {
    if (this.#term !== undefined) this.#end(this.#term, 'expired')
    const term = new LiveTerm(cell, this.#parts.settings().lease, report.token, report.holder)
    this.#term = term
    this.#softStopped = false
    this.#reason = undefined
    this.#drainMs = undefined
    this.#awaitsLastWord = false
    this.#isUndrained = false
    if (term.leads) {
      this.#parts.onBegin(term)
      for (const callback of this.#callbacks) this.#call(callback, term)
    }
    this.look()
  }

  ending({ token, reason }: Report & { kind: 'ending' }): void {
    const term = this.#term
    if (term?.fencingToken !== token) return
    this.#reason = reason
    this.#softStop(term, reason)
  }

  ended({ token, reason }: Report & { kind: 'ended' }): void {
    const term = this.#term
    if (term?.fencingToken === token) this.#end(term, reason)
  }

  /** The heart is gone, and can say nothing about the term that may be left. */
  abandon(): void {
    if (this.#term !== undefined) this.#end(this.#term, this.#reason ?? 'stopped')
  }

  /** Looks at the clock: has trust run out, without a word from the heart? */
  look(): void {
    const term = this.#term
    if (term === undefined || this.#awaitsLastWord) return
    this.#timer?.cancel()
    const { clock, settings } = this.#parts
    const untilSoftStopMs = term.untilSoftStopMs
    if (untilSoftStopMs > 0) {
      this.#timer = clock.setTimer(untilSoftStopMs, () => this.look())
      return
    }
    this.#softStop(term, undefined)
    const { remainingMs } = term
    // What may drain is told to stop, too, where the lease is not renewed meanwhile.
    const untilAbortMs = remainingMs - settings().stopGraceMs
    if (untilAbortMs <= 0) this.#abortWork(term, this.#reason)
    this.#awaitsLastWord = remainingMs <= 0
    this.#timer = this.#awaitsLastWord
      ? clock.setTimer(lastWordMs, () => this.#end(term, this.#reason ?? 'expired'))
      : clock.setTimer(untilAbortMs > 0 ? untilAbortMs : remainingMs, () => this.look())
  }

  // ---- what the application wants ----

  /**
   * How long the term that ends next may take to drain, instead of the setting. Of several that are
   * told the shortest counts: whoever has told it waits no longer. One that drains already takes no
   * longer than that from now on.
   */
  set drainMs(drainMs: number) {
    this.#drainMs = Math.min(drainMs, this.#drainMs ?? Infinity)
    this.#patience?.shorten(drainMs)
  }

  /** Calls a function once in each term from now on, until the returned function is called. */
  whileLeader(callback: WhileLeader): () => void {
    this.#callbacks.add(callback)
    const term = this.#term
    if (term?.leads) this.#call(callback, term)
    return () => void this.#callbacks.delete(callback)
  }

  /** Resolves when no term is held; at once if that is so now. */
  whenEnded(): Promise<void> {
    if (this.#term === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#endWaiters.push(resolve))
  }

  /** Whether a term is held whose work has not ended in time. */
  get isUndrained(): boolean {
    return this.#term !== undefined && this.#isUndrained
  }

  /** Resolves when that is so. */
  whenUndrained(): Promise<void> {
    if (this.isUndrained) return Promise.resolve()
    return new Promise((resolve) => this.#undrainedWaiters.push(resolve))
  }

  /** How long a heart may take to stop, by what is known now. */
  stopPatienceMs(drainMs: number): number {
    const { stopGraceMs, ttlMs, attemptTimeoutMs } = this.#parts.settings()
    // Three attempts, of which the end of a thread that does not end by itself has a little.
    const patienceMs =
      drainMs + stopGraceMs + 3 * attemptTimeoutMs - Math.min(killWaitMs, attemptTimeoutMs / 4)
    if (!this.isUndrained) return patienceMs
    // Such a term lasts until its hard fence, which is less than a ttl away: the one that was in
    // force when it was renewed. Nobody waits for it.
    return patienceMs + Math.max(ttlMs, this.#term?.remainingMs ?? 0)
  }

  // ---- the end of a term ----

  #softStop(term: LiveTerm, reason: EndReason | undefined): void {
    if (this.#softStopped) return
    this.#softStopped = true
    if (reason === undefined) this.#parts.send({ kind: 'soft-stop-seen' })
    this.#parts.onSoftStop(term)
    term.abort(termEndedError(term.fencingToken, reason))
    detached(this.#drain(term, reason), this.#parts.tellDefect)
  }

  /**
   * Lets the work of the term end by itself if the term ends on purpose, else aborts it at once;
   * then tells the heart whether the lease may be released.
   */
  async #drain(term: LiveTerm, reason: EndReason | undefined): Promise<void> {
    const { drainMs, stopGraceMs } = this.#parts.settings()
    const { clock, send, log } = this.#parts
    const { fencingToken: token, work } = term
    const onPurpose = reason === 'resigned' || reason === 'stopped'
    const patienceMs = onPurpose ? (this.#drainMs ?? drainMs) : 0
    this.#patience = new Patience(clock, patienceMs)
    let complete = await this.#patience.awaits(work.whenIdle())
    if (!complete) {
      this.#abortWork(term, reason)
      complete = await new Patience(clock, stopGraceMs).awaits(work.whenIdle())
    }
    if (!complete) {
      const message =
        'The work of the term did not end after its signal was aborted, so that the lease is not ' +
        'released: it expires by itself, or with this process.'
      log('drain_exceeded', { token, jobs: work.names, message })
      send({ kind: 'drained', token, complete: false })
      this.#undrained(term)
      await work.whenIdle()
    }
    send({ kind: 'drained', token, complete: true })
  }

  #undrained(term: LiveTerm): void {
    if (this.#term !== term) return
    this.#isUndrained = true
    const waiters = this.#undrainedWaiters
    this.#undrainedWaiters = []
    for (const resolve of waiters) resolve()
  }

  #abortWork({ fencingToken, work }: LiveTerm, reason: EndReason | undefined): void {
    work.abortAll(termEndedError(fencingToken, reason))
  }

  #end(term: LiveTerm, reason: EndReason): void {
    if (this.#term !== term) return
    this.#timer?.cancel()
    this.#softStop(term, reason)
    this.#abortWork(term, reason)
    this.#term = undefined
    this.#parts.onEnd(term, reason)
    const waiters = this.#endWaiters
    this.#endWaiters = []
    for (const resolve of waiters) resolve()
  }

  #call(callback: WhileLeader, term: LiveTerm): void {
    const done = (async () => callback(term))()
    term.work.add({ name: 'whileLeader', abort: () => {} }, done)
    done.catch((error: unknown) => {
      // What fails because its term has ended has done what was asked of it.
      if (term.signal.aborted) return
      const token = term.fencingToken
      this.#parts.log('while_leader_failed', { token, error: messageOf(error), err: error })
    })
  }
}
