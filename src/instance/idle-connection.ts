import type { Clock, Timer } from '../clock.ts'

/** How long a connection that is used only now and then is kept after its last use has ended. */
const idleMs = 10_000

/**
 * A connection that is opened on first use, and closed when it has not been used for a while:
 * somebody may use a Tenure that was stopped, or never started. What cannot be opened is tried again
 * by the next use. It is idle only while nobody uses it, however long a use takes: how long that may
 * be is the caller's to say.
 */
export class IdleConnection<Connected extends { close(): Promise<void> } | undefined> {
  readonly #openAnew: () => Promise<Connected>
  readonly #clock: Clock
  #connected: Promise<Connected> | undefined
  #users = 0
  #timer: Timer | undefined

  constructor(open: () => Promise<Connected>, clock: Clock) {
    this.#openAnew = open
    this.#clock = clock
  }

  async use<Result>(work: (connected: Connected) => Promise<Result>): Promise<Result> {
    this.#timer?.cancel()
    this.#users++
    try {
      return await work(await this.#open())
    } finally {
      if (--this.#users === 0) this.#closeWhenIdle()
    }
  }

  async close(): Promise<void> {
    this.#timer?.cancel()
    const connected = this.#connected
    this.#connected = undefined
    await (await connected)?.close()
  }

  #open(): Promise<Connected> {
    this.#connected ??= this.#openAnew().catch((error: unknown) => {
      this.#connected = undefined
      throw error
    })
    return this.#connected
  }

  #closeWhenIdle(): void {
    if (this.#connected === undefined) return
    this.#timer = this.#clock.setTimer(idleMs, () => void this.close().catch(() => {}))
  }
}
