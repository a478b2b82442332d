import type { LogLine } from '../events.ts'

/** How many lines wait for a blocked main thread; older ones are dropped, and counted. */
export const linesMax = 1_000

/**
 * Log lines on their way to the main thread: one batch is under way at a time, and the rest waits
 * here, bounded, while the main thread is blocked.
 */
export class LineBuffer {
  readonly #send: (lines: readonly LogLine[]) => void
  #waiting: LogLine[] = []
  #dropped = 0
  #underWay = false

  constructor(send: (lines: readonly LogLine[]) => void) {
    this.#send = send
  }

  add(line: LogLine): void {
    this.#waiting.push(line)
    if (this.#waiting.length > linesMax) {
      this.#waiting.shift()
      this.#dropped++
    }
    this.#flush()
  }

  /** The batch under way has been logged. */
  logged(): void {
    this.#underWay = false
    this.#flush()
  }

  #flush(): void {
    if (this.#underWay || this.#waiting.length === 0) return
    const lines = this.#waiting
    const first = lines[0]
    if (this.#dropped > 0 && first !== undefined) {
      const count = this.#dropped
      lines.unshift({ event: 'log_lines_dropped', timeMs: first.timeMs, fields: { count } })
    }
    this.#waiting = []
    this.#dropped = 0
    this.#underWay = true
    this.#send(lines)
  }
}
