import { durationOr, type Duration } from '../duration.ts'
import { messageOf } from '../errors.ts'
import type { Cell } from '../heart/cell.ts'
import type { Report } from '../heart/messages.ts'
import { killWaitMs } from '../heart/running-heart.ts'
import { checkFunction, checkKeys } from '../options/check.ts'
import { LiveTerm, type Term } from './live-term.ts'
import { TermWatch, type TermWatchDeps } from './term-watch.ts'

/** What the leadership of an instance is made of. */
export interface LeadershipDeps extends Omit<TermWatchDeps, 'onUndrained'> {
  readonly onBegin: (term: LiveTerm) => void
}

/** A function of the application that works while its instance leads. */
interface WhileLeader {
  readonly work: (term: Term) => unknown
  /** No term of this instance calls it any more. */
  readonly over: () => void
}

/**
 * The main thread's side of leading: begins a term when the heart has acquired the lease, has it
 * watched to its end, and calls what works while this instance leads. Whether it leads is answered
 * here, and nowhere else.
 */
export class Leadership {
  readonly #deps: LeadershipDeps
  #whileLeader: WhileLeader[] = []
  #watch: TermWatch | undefined
  /**
   * A term whose work did not end in time, until the heart says that it is over. Trust ends before
   * that: the lease is not released, and the heart lasts until it has expired.
   */
  #undrained: { readonly token: number; readonly leftMs: number } | undefined
  #endWaiters: (() => void)[] = []
  #undrainedWaiters: (() => void)[] = []

  constructor(deps: LeadershipDeps) {
    this.#deps = deps
  }

  /** The term, until it is over. */
  get term(): LiveTerm | undefined {
    return this.#watch?.term
  }

  /** May new work start on this instance? Asks the clock each time, and allocates nothing. */
  get leads(): boolean {
    return this.#watch !== undefined && this.#watch.term.leads
  }

  // ---- what the heart reports ----

  acquired(cell: Cell, report: Report & { kind: 'acquired' }): void {
    this.#watch?.end('expired')
    const { onBegin, settings } = this.#deps
    const term = new LiveTerm(cell, settings().lease, report.token, report.holder)
    const watch = new TermWatch(term, {
      ...this.#deps,
      onUndrained: () => this.#keepUndrained(term),
      onEnd: (...end) => this.#ended(...end),
    })
    this.#watch = watch
    this.#undrained = undefined
    if (term.leads) {
      onBegin(term)
      for (const { work } of this.#whileLeader) this.#call(work, term)
    }
    watch.look()
  }

  ending({ token, reason }: Report & { kind: 'ending' }): void {
    if (this.term?.fencingToken === token) this.#watch?.ending(reason)
  }

  ended({ token, reason }: Report & { kind: 'ended' }): void {
    if (this.#undrained?.token === token) this.#undrained = undefined
    if (this.term?.fencingToken === token) this.#watch?.end(reason)
  }

  /** The heart is gone, and can say nothing about the term that may be left. */
  abandon(): void {
    this.#undrained = undefined
    this.#watch?.abandon()
  }

  /** The heart has died, and another one is started. */
  heartDied(): void {
    this.#undrained = undefined
    this.look()
  }

  /** Looks at the clock: has trust run out, without a word from the heart? */
  look(): void {
    this.#watch?.look()
  }

  // ---- what the application wants ----

  /** How long the term that is held may take to drain: see {@link TermWatch.drainMs}. */
  set drainMs(drainMs: number) {
    if (this.#watch !== undefined) this.#watch.drainMs = drainMs
  }

  /** Calls a function once in each term from now on; resolves when that is over. */
  whileLeader(work: WhileLeader['work']): Promise<void> {
    checkFunction(work, 'work')
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whileLeader.push({ work, over: resolve })
    const { term } = this
    if (term?.leads) this.#call(work, term)
    return promise
  }

  /** What was given to `whileLeader` so far is called in no further term. */
  forgetWhileLeader(): void {
    for (const { over } of this.#whileLeader) over()
    this.#whileLeader = []
  }

  /** Gives the term up; resolves when it is over, at once if there is none. */
  async resign(options: { coolDown?: Duration; drain?: Duration }): Promise<void> {
    checkKeys(options, 'options', ['coolDown', 'drain'])
    const { ttlMs, drainMs } = this.#deps.settings()
    const coolDownMs = durationOr(ttlMs, options.coolDown, 'coolDown')
    this.drainMs = durationOr(drainMs, options.drain, 'drain')
    this.#deps.send({ kind: 'resign', coolDownMs })
    await this.whenEnded()
  }

  /** Resolves when no term is held; at once if that is so now. */
  whenEnded(): Promise<void> {
    if (this.#watch === undefined) return Promise.resolve()
    return new Promise((resolve) => this.#endWaiters.push(resolve))
  }

  /** Resolves when there is a term whose work has not ended in time. */
  whenUndrained(): Promise<void> {
    if (this.#undrained !== undefined) return Promise.resolve()
    return new Promise((resolve) => this.#undrainedWaiters.push(resolve))
  }

  /** How long a heart may take to stop, by what is known now. */
  stopLimitMs(drainMs: number): number {
    const { stopGraceMs, attemptTimeoutMs } = this.#deps.settings()
    // Three attempts, of which the end of a thread that does not end by itself has a little.
    const limitMs =
      drainMs + stopGraceMs + 3 * attemptTimeoutMs - Math.min(killWaitMs, attemptTimeoutMs / 4)
    // Nobody waits for a term that is not drained.
    return limitMs + (this.#undrained?.leftMs ?? 0)
  }

  // ---- the end of a term ----

  #keepUndrained({ fencingToken: token, remainingMs }: LiveTerm): void {
    // It lasts until its hard fence, which is less than a ttl away: the one that was in force when it
    // was renewed.
    this.#undrained = { token, leftMs: Math.max(this.#deps.settings().ttlMs, remainingMs) }
    const waiters = this.#undrainedWaiters
    this.#undrainedWaiters = []
    for (const resolve of waiters) resolve()
  }

  #ended(...end: Parameters<LeadershipDeps['onEnd']>): void {
    this.#watch = undefined
    this.#deps.onEnd(...end)
    const waiters = this.#endWaiters
    this.#endWaiters = []
    for (const resolve of waiters) resolve()
  }

  #call(work: WhileLeader['work'], term: LiveTerm): void {
    const done = (async () => work(term))()
    term.work.add({ name: 'whileLeader', abort: () => {} }, done)
    done.catch((error: unknown) => {
      // What fails because its term has ended has done what was asked of it.
      if (term.signal.aborted) return
      const token = term.fencingToken
      this.#deps.log('while_leader_failed', { token, error: messageOf(error), err: error })
    })
  }
}
