import type { Clock } from '../../src/clock.ts'
import { TenureError } from '../../src/errors.ts'
import { Cell } from '../../src/heart/cell.ts'
import { Heart } from '../../src/heart/heart.ts'
import { recordOfError } from '../../src/heart/error-record.ts'
import type { Command, HeartConfig, Report } from '../../src/heart/messages.ts'
import type { RunningHeart } from '../../src/heart/running-heart.ts'
import type { Surroundings } from '../../src/heart/surroundings.ts'
import type { SimThread } from './thread.ts'

/** The cell as a process has it whose exit does not block the thread that simulates it. */
export class ExitCell extends Cell {
  readonly #wait: (timeoutMs: number) => void
  readonly #done: () => void

  constructor(
    clock: Clock,
    exit: { wait: (timeoutMs: number) => void; done: () => void },
    buffer?: SharedArrayBuffer,
  ) {
    super(clock, buffer)
    this.#wait = exit.wait
    this.#done = exit.done
  }

  override waitForExited(timeoutMs: number): boolean {
    this.#wait(timeoutMs)
    return true
  }

  override exited(): void {
    super.exited()
    this.#done()
  }
}

/** What a heart's thread is made of. */
export interface HeartThreadParts {
  readonly config: HeartConfig
  readonly surroundings: Surroundings
  readonly main: SimThread
  readonly thread: SimThread
  /** How long the thread takes to start, before it does anything. */
  readonly startMs: number
  readonly exit: { wait: (timeoutMs: number) => void; done: () => void }
  readonly hear: (report: Report) => void
  /** Is told of each report at once, on the heart's own thread. */
  readonly overhear: (report: Report) => void
  /** The heart ends the whole process, whose main thread hangs. */
  readonly kill: () => void
}

/** A heart in a simulated thread, as `runInThread` has it in a real one. */
export class SimHeartThread implements RunningHeart {
  readonly cell: Cell
  readonly thread: SimThread
  readonly over: Promise<void>
  readonly #main: SimThread
  readonly #hear: (report: Report) => void
  readonly #resolveOver: () => void
  #heart: Heart | undefined
  /** What was sent before the thread had started. */
  readonly #early: Command[] = []
  #said = false

  constructor(parts: HeartThreadParts) {
    const { main, thread, surroundings, exit, overhear } = parts
    this.#main = main
    this.#hear = parts.hear
    this.thread = thread
    const over = Promise.withResolvers<void>()
    this.over = over.promise
    this.#resolveOver = over.resolve
    this.cell = new ExitCell(main.clock, exit)
    const cell = new ExitCell(thread.clock, exit, this.cell.buffer)
    thread.clock.setTimer(parts.startMs, () => {
      const heart = new Heart({
        ...surroundings,
        config: parts.config,
        cell,
        watchesMainThread: true,
        kill: () => parts.kill(),
        report: (report) => {
          overhear(report)
          main.send(() => this.#heard(report))
          if (report.kind === 'stopped' || report.kind === 'died') this.#end()
        },
      })
      this.#heart = heart
      void heart.start()
      for (const command of this.#early.splice(0)) heart.command(command)
    })
  }

  send(command: Command): void {
    this.thread.send(() => {
      if (this.#heart === undefined) this.#early.push(command)
      else this.#heart.command(command)
    })
  }

  keepAlive(): void {}

  /** As `Worker.terminate`: nothing is heard of it any more. */
  kill(): void {
    this.#said = true
    this.#end()
  }

  /** As an exception in the thread that nobody catches. */
  die(): void {
    this.#end()
  }

  #heard(report: Report): void {
    if (report.kind === 'stopped' || report.kind === 'died') this.#said = true
    this.#hear(report)
  }

  #end(): void {
    if (this.thread.isDead) return
    this.thread.end()
    this.#main.send(() => {
      if (!this.#said) {
        this.#said = true
        const error = new TenureError('TENURE_ERR_HEART_DIED', "The heart's thread has ended.")
        this.#hear({ kind: 'died', error: recordOfError(error) })
      }
      this.#resolveOver()
    })
  }
}
