import type { Clock, Timer } from '../clock.ts'
import type { ReconfigurableOptions } from '../options.ts'
import type { Cell } from './cell.ts'
import { checkReport } from './message-checks.ts'
import {
  recordOfError,
  type Command,
  type ErrorRecord,
  type HeartConfig,
  type Report,
} from './messages.ts'
import type { RunHeart, RunningHeart } from './running-heart.ts'
import { stallTickMs } from './stall-gate.ts'

/** How long an exit of the process may be held up until the lease is released. */
export const exitWaitMs = 1_000

/** A heart that died is started again after this time, doubled each time up to the second one. */
const restartMs = { first: 100, longest: 5_000 }

/** The process, as far as its end is heard of. */
export interface ExitingProcess {
  on(event: 'exit', listener: (code: number) => void): unknown
  off(event: 'exit', listener: (code: number) => void): unknown
}

/** What a main side is made of. */
export interface HeartThreadParts {
  readonly process: ExitingProcess
  readonly runHeart: RunHeart
  readonly clock: Clock
  readonly stallLimitMs: () => number
  readonly report: (report: Report) => void
  /** The main thread shows life, which it does a few times a second. */
  readonly onPulse: () => void
  /** The heart has died with this error, and will be started again after so long. */
  readonly restarting: (error: ErrorRecord, retryMs: number) => void
}

/**
 * The main thread's side of the heart: starts it, in a worker thread or beside the application,
 * starts it again when it dies, and, for one in a thread, shows the main thread's life and lets it
 * release at an exit.
 */
export class HeartThread {
  readonly #parts: HeartThreadParts
  #config: HeartConfig
  #heart: RunningHeart | undefined
  #keepsAlive = true
  #stopping = false
  #wasReady = false
  #restarts = 0
  #restartTimer: Timer | undefined
  #pulseTimer: Timer | undefined
  readonly #over = Promise.withResolvers<void>()
  readonly #onExit = (code: number): void => this.#exit(code)

  constructor(config: HeartConfig, parts: HeartThreadParts) {
    this.#config = config
    this.#parts = parts
  }

  /** The state of the heart that runs now, or ran last. */
  get cell(): Cell | undefined {
    return this.#heart?.cell
  }

  /** Resolves when it was stopped and nothing of it is left. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  start(): void {
    if (this.#config.fixed.host === 'thread') {
      this.#parts.process.on('exit', this.#onExit)
      this.#pulse()
    }
    this.#run()
  }

  send(command: Command): void {
    this.#heart?.send(command)
  }

  reconfigure(options: ReconfigurableOptions): void {
    this.#config = { ...this.#config, options }
    this.send({ kind: 'reconfigure', options })
  }

  /** Whether the heart keeps the process alive; it does until it is told otherwise. */
  keepAlive(keeps: boolean): void {
    this.#keepsAlive = keeps
    this.#heart?.keepAlive(keeps)
  }

  /**
   * Stops the heart: a leader's term has to be drained meanwhile. Resolves when nothing of it is
   * left; one that does not stop within `patienceMs` is ended without a word.
   */
  async stop(patienceMs: number): Promise<void> {
    this.#stopping = true
    this.#restartTimer?.cancel()
    const heart = this.#heart
    if (heart !== undefined) {
      heart.send({ kind: 'stop' })
      const timer = this.#parts.clock.setTimer(patienceMs, () => heart.kill())
      await heart.over
      timer.cancel()
    }
    this.#pulseTimer?.cancel()
    this.#parts.process.off('exit', this.#onExit)
    this.#over.resolve()
  }

  #run(): void {
    const { clock, runHeart } = this.#parts
    const heart: RunningHeart = runHeart(this.#config, clock, (report) => this.#hear(heart, report))
    this.#heart = heart
    heart.keepAlive(this.#keepsAlive)
  }

  /** Whatever a report does to this thread ends the heart, and not the application. */
  #hear(heart: RunningHeart, report: Report): void {
    try {
      checkReport(report)
      this.#heard(report)
    } catch (error) {
      heart.kill()
      this.#heard({ kind: 'died', error: recordOfError(error) })
    }
  }

  #heard(report: Report): void {
    if (report.kind === 'ready') {
      this.#wasReady = true
      this.#restarts = 0
    }
    // What does not work at the start is a mistake; what worked once may work again.
    if (report.kind === 'died' && this.#wasReady) this.#died(report.error)
    else this.#parts.report(report)
  }

  /** The heart is started again, as a candidate; trust in its term runs out meanwhile. */
  #died(error: ErrorRecord): void {
    if (this.#stopping) return
    const retryMs = Math.min(restartMs.first * 2 ** this.#restarts++, restartMs.longest)
    this.#parts.restarting(error, retryMs)
    this.#restartTimer = this.#parts.clock.setTimer(retryMs, () => this.#run())
  }

  #pulse(): void {
    this.#heart?.cell.beat()
    this.#parts.onPulse()
    const pulseMs = stallTickMs(this.#parts.stallLimitMs())
    this.#pulseTimer = this.#parts.clock.setTimer(pulseMs, () => this.#pulse())
  }

  /**
   * The exit handshake: JavaScript still runs, though no event loop will turn again in this thread.
   * The heart has its own, and releases what it holds while this thread waits.
   */
  #exit(code: number): void {
    const heart = this.#heart
    if (heart === undefined || !heart.cell.holding) return
    heart.send({ kind: 'exit', reason: code === 0 ? 'stopped' : 'crashed' })
    heart.cell.waitForExited(exitWaitMs)
  }
}
