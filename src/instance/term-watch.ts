import type { Clock, Timer } from '../clock.ts'
import type { LogEventName } from '../events.ts'
import type { Command } from '../heart/messages.ts'
import { detached, type TellDefect } from '../invariant.ts'
import type { Settings } from '../options.ts'
import type { EndReason } from '../store/lease-store.ts'
import { Deadline } from './deadline.ts'
import { termEndedError, type LiveTerm } from './live-term.ts'

/** What the watch over a term is made of. */
export interface TermWatchDeps {
  readonly clock: Clock
  readonly settings: () => Settings
  readonly send: (command: Command) => void
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  /** No new work may start; what runs is being stopped. */
  readonly onSoftStop: (term: LiveTerm) => void
  /** The work of the term did not end in time; it is still waited for. */
  readonly onUndrained: () => void
  readonly onEnd: (term: LiveTerm, reason: EndReason) => void
  readonly tellDefect: TellDefect
}

/** How long the heart's own word about the end of a term is waited for, after the hard fence. */
const lastWordMs = 500

/**
 * Watches one term to its end: stops it softly, whoever sees that first, aborts and drains its work,
 * and tells the heart when that is done.
 */
export class TermWatch {
  readonly term: LiveTerm
  readonly #deps: TermWatchDeps
  #softStopped = false
  /** Why the term ends, once the heart has said so. */
  #reason: EndReason | undefined
  #drainMs: number | undefined
  /** While the work drains. */
  #deadline: Deadline | undefined
  #timer: Timer | undefined
  /** Trust has run out, and only the heart's own word is waited for. */
  #awaitsLastWord = false
  #isOver = false

  constructor(term: LiveTerm, deps: TermWatchDeps) {
    this.term = term
    this.#deps = deps
  }

  /**
   * How long the work may take to drain, instead of the setting. Of several that are told the
   * shortest counts: whoever has told it waits no longer. What drains already takes no longer than
   * that from now on.
   */
  set drainMs(drainMs: number) {
    this.#drainMs = Math.min(drainMs, this.#drainMs ?? Infinity)
    this.#deadline?.shorten(drainMs)
  }

  /** The heart ends the term, for this reason. */
  ending(reason: EndReason): void {
    this.#reason = reason
    this.#softStop(reason)
  }

  /** The heart is gone, and can say nothing about the term. */
  abandon(): void {
    this.end(this.#reason ?? 'stopped')
  }

  /** The term is over. */
  end(reason: EndReason): void {
    if (this.#isOver) return
    this.#timer?.cancel()
    this.#softStop(reason)
    this.#abortWork(reason)
    this.#isOver = true
    this.#deps.onEnd(this.term, reason)
  }

  /** Looks at the clock: has trust run out, without a word from the heart? */
  look(): void {
    if (this.#isOver || this.#awaitsLastWord) return
    this.#timer?.cancel()
    const { clock, settings } = this.#deps
    const { untilSoftStopMs } = this.term
    if (untilSoftStopMs > 0) {
      this.#timer = clock.setTimer(untilSoftStopMs, () => this.look())
      return
    }
    this.#softStop(undefined)
    const { remainingMs } = this.term
    // What may drain is told to stop, too, if the lease is not renewed meanwhile.
    const untilAbortMs = remainingMs - settings().stopGraceMs
    if (untilAbortMs <= 0) this.#abortWork(this.#reason)
    this.#awaitsLastWord = remainingMs <= 0
    this.#timer = this.#awaitsLastWord
      ? clock.setTimer(lastWordMs, () => this.end(this.#reason ?? 'expired'))
      : clock.setTimer(untilAbortMs > 0 ? untilAbortMs : remainingMs, () => this.look())
  }

  #softStop(reason: EndReason | undefined): void {
    if (this.#softStopped) return
    this.#softStopped = true
    const { term } = this
    if (reason === undefined) this.#deps.send({ kind: 'soft-stop-seen' })
    this.#deps.onSoftStop(term)
    term.abort(termEndedError(term.fencingToken, reason))
    detached(this.#drain(reason), this.#deps.tellDefect)
  }

  /**
   * Lets the work of the term end by itself if the term ends on purpose, else aborts it at once;
   * then tells the heart whether the lease may be released.
   */
  async #drain(reason: EndReason | undefined): Promise<void> {
    const { drainMs, stopGraceMs } = this.#deps.settings()
    const { clock, send, log } = this.#deps
    const { fencingToken: token, work } = this.term
    const onPurpose = reason === 'resigned' || reason === 'stopped'
    this.#deadline = new Deadline(clock, onPurpose ? (this.#drainMs ?? drainMs) : 0)
    let complete = await this.#deadline.awaits(work.whenIdle())
    if (!complete) {
      this.#abortWork(reason)
      complete = await new Deadline(clock, stopGraceMs).awaits(work.whenIdle())
    }
    if (!complete) {
      const message =
        'The work of the term did not end after its signal was aborted, so that the lease is not ' +
        'released: it expires by itself, or with this process.'
      log('drain_exceeded', { token, jobs: work.names, message })
      send({ kind: 'drained', token, complete: false })
      if (!this.#isOver) this.#deps.onUndrained()
      await work.whenIdle()
    }
    send({ kind: 'drained', token, complete: true })
  }

  #abortWork(reason: EndReason | undefined): void {
    const { fencingToken, work } = this.term
    work.abortAll(termEndedError(fencingToken, reason))
  }
}
