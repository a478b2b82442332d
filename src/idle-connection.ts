import type { Clock, Timer } from './clock.ts'

/** How long a connection that is used only now and then is kept. */
const idleMs = 10_000

/**
 * A connection that is opened on first use, and closed when it has not been used for a while:
 * somebody may use a Tenure that was stopped, or never started. What cannot be opened is tried again
 * by the next use.
 */
export class IdleConnection<Connected extends { close(): Promise<void> } | undefined> {
  readonly #openAnew: () => Promise<Connected>
  readonly #clock: Clock
  #connected: Promise<Connected> | undefined
  #timer: Timer | undefined

  constructor(open: () => Promise<Connected>, clock: Clock) {
    this.#openAnew = open
    this.#clock = clock
  }

  open(): Promise<Connected> {
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(idleMs, () => void this.close().catch(() => {}))
    this.#connected ??= this.#openAnew().catch((error: unknown) => {
      this.#connected = undefined
      throw error
    })
    return this.#connected
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    const connected = this.#connected
    this.#connected = undefined
    await (await connected)?.close()
  }
}
