import type { Clock, Timer } from '../clock.ts'
import type { LogEventName } from '../events.ts'
import type { Elector } from '../lease/elector.ts'
import type { Settings } from '../options.ts'
import type { Cell } from './cell.ts'
import { StallGate, stallTickMs } from './stall-gate.ts'

/** What a watch of the main thread has of its heart. */
export interface MainThreadWatchDeps {
  readonly clock: Clock
  readonly cell: Cell
  readonly settings: () => Settings
  readonly elector: Elector
  /** Gives the elector an input; it does nothing when the heart is over. */
  readonly input: (give: () => void) => void
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  /** Ends the process at once, while its main thread is blocked and can handle no signal. */
  readonly kill: (lastWords: string) => void
}

/** Tells the elector, from beside the main thread, whether that can serve as leader. */
export class MainThreadWatch {
  readonly #deps: MainThreadWatchDeps
  #timer: Timer | undefined
  #stalled = false
  #over = false

  constructor(deps: MainThreadWatchDeps) {
    this.#deps = deps
  }

  start(): void {
    const { cell, clock, settings, input } = this.#deps
    const gate = new StallGate(cell.pulse, clock.monotonicMs())
    const tick = (): void => {
      const { stallLimitMs } = settings()
      const tickMs = stallTickMs(stallLimitMs)
      input(() => this.#judge(gate.tick(cell.pulse, clock.monotonicMs(), tickMs), tickMs))
      if (!this.#over) this.#timer = clock.setTimer(tickMs, tick)
    }
    tick()
  }

  stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  #judge(stalledMs: number, tickMs: number): void {
    const { elector, settings, log, kill } = this.#deps
    const { stallLimitMs, heartbeatMs, onStall, eligible } = settings()
    // A candidate whose main thread misses a heartbeat interval would not serve well as leader.
    elector.setResponsive(stalledMs < Math.max(heartbeatMs, 4 * tickMs))
    // The environment may have changed, which an instance that never asks for the lease would miss.
    elector.setEligible(eligible)
    if (stalledMs < stallLimitMs) {
      if (this.#stalled && stalledMs === 0) {
        this.#stalled = false
        const message = 'The main thread runs again; this instance is a candidate.'
        log('main_thread_revived', { message })
      }
      return
    }
    if (this.#stalled) return
    this.#stalled = true
    const message =
      'The main thread is blocked: the lease is not renewed any more, so that another instance ' +
      'can take over when it has expired.'
    log('main_thread_stalled', { stalledMs, stallLimitMs, message })
    elector.stall()
    if (onStall === 'kill') kill(message)
  }
}
