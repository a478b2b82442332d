const enter = '\u001B[?1049h\u001B[?25l\u001B[?7l'
const leave = '\u001B[?7h\u001B[?25h\u001B[?1049l'

/**
 * The terminal, while it shows the screen: the alternate screen without a cursor and without line
 * breaks of its own; and the keys. What was there before comes back at the end, whatever happens.
 */
export class Terminal {
  readonly #onKey: (key: string) => void
  readonly #onExit = (): void => this.close()
  readonly #onData = (data: Buffer): void => this.#onKey(data.toString('utf8'))
  #isOpen = false

  constructor(onKey: (key: string) => void) {
    this.#onKey = onKey
  }

  get size(): { columns: number; rows: number } {
    // A terminal that does not know its size says 0.
    return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }
  }

  open(onResize: () => void): void {
    this.#isOpen = true
    process.on('exit', this.#onExit)
    process.stdout.on('resize', onResize)
    // It was closed: the signal that says so is on its way.
    process.stdout.on('error', () => {})
    process.stdout.write(enter)
    if (!process.stdin.isTTY) return
    process.stdin.setRawMode(true)
    process.stdin.on('data', this.#onData)
  }

  /** Shows these lines, and nothing else. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return
    const text = lines.map((line) => `${line}\u001B[K`).join('\r\n')
    process.stdout.write(`\u001B[H${text}\u001B[J`)
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    process.off('exit', this.#onExit)
    process.stdout.write(leave)
    if (!process.stdin.isTTY) return
    process.stdin.off('data', this.#onData)
    process.stdin.setRawMode(false)
    process.stdin.pause()
  }
}
