import type { Clock, Timer } from '../../clock.ts'
import type { Term } from '../../index.ts'
import type { CommandGroup } from './command-group.ts'

/** What a supervision is made of. */
export interface SupervisionDeps {
  readonly clock: Clock
  /** How long the command may take to end after it was asked to, if its term lasts so long. */
  readonly drainMs: number
  readonly stopGraceMs: number
  /** The command was asked to end; it is killed after so long. */
  readonly onStop: (killInMs: number) => void
  /** Something of it is there long after it was killed. */
  readonly onStuck: () => void
}

/** However long the stop grace is, this much before the hard fence is enough for a SIGKILL. */
const killMarginMsMax = 1_000

/** After a SIGKILL everything ends at once, unless the system itself is held up, by a disk say. */
const stuckMs = 5_000

/** The clock is looked at this often at least: a suspended machine's timers do not fire in time. */
const lookMsMax = 1_000

/** How long before the hard fence of its term a command is killed. */
export function killMarginMs(stopGraceMs: number): number {
  return Math.min(stopGraceMs / 2, killMarginMsMax)
}

/**
 * Keeps a command within its term: asks it to end when the term does, and kills it in good time
 * before the hard fence, whatever the store, the network or the command do.
 */
export class Supervision {
  readonly #group: CommandGroup
  readonly #term: Term
  readonly #deps: SupervisionDeps
  #stoppingSinceMs: number | undefined
  #timer: Timer | undefined
  #wasCut = false

  constructor(group: CommandGroup, term: Term, deps: SupervisionDeps) {
    this.#group = group
    this.#term = term
    this.#deps = deps
  }

  /** Whether the end of its term stopped the command, and not itself or somebody's signal. */
  get wasCut(): boolean {
    return this.#wasCut
  }

  /** Watches over the command until nothing of it is left; resolves with its exit code. */
  async run(): Promise<number> {
    const onTermEnd = (): void => this.#cut()
    this.#term.signal.addEventListener('abort', onTermEnd)
    if (this.#term.signal.aborted) this.#cut()
    this.#look()
    const exitCode = await this.#group.ended
    this.#term.signal.removeEventListener('abort', onTermEnd)
    // What the command leaves behind when it ends by itself would go on after the release. Where
    // the command was asked to end, so was the rest, which has the same time to do so.
    if (this.#stoppingSinceMs === undefined) this.#kill()
    await this.#group.gone()
    this.#timer?.cancel()
    return exitCode
  }

  /** Hands a signal on, and has the command end within the drain; again, if it was sent again. */
  stop(signal: NodeJS.Signals): void {
    this.#group.signal(signal)
    if (this.#stoppingSinceMs !== undefined) return
    this.#stoppingSinceMs = this.#deps.clock.monotonicMs()
    this.#deps.onStop(Math.max(0, this.#leftMs()))
    this.#look()
  }

  #cut(): void {
    if (this.#stoppingSinceMs !== undefined) return
    this.#wasCut = true
    this.stop('SIGTERM')
  }

  /** How long the command may go on at most, as things stand: a renewal makes it longer. */
  #leftMs(): number {
    const { drainMs, stopGraceMs, clock } = this.#deps
    const untilKillMs = this.#term.remainingMs - killMarginMs(stopGraceMs)
    if (this.#stoppingSinceMs === undefined) return untilKillMs
    return Math.min(untilKillMs, this.#stoppingSinceMs + drainMs - clock.monotonicMs())
  }

  #look(): void {
    this.#timer?.cancel()
    const leftMs = this.#leftMs()
    if (leftMs > 0) {
      const delayMs = Math.min(leftMs, lookMsMax)
      this.#timer = this.#deps.clock.setTimer(delayMs, () => this.#look())
    } else if (this.#stoppingSinceMs === undefined) {
      // After the machine was suspended, the term may be over without a word of its end.
      this.#cut()
    } else this.#kill()
  }

  #kill(): void {
    this.#timer?.cancel()
    this.#group.signal('SIGKILL')
    this.#timer = this.#deps.clock.setTimer(stuckMs, this.#deps.onStuck)
  }
}
