import type { Timer } from '../../src/clock.ts'
import { DueQueue, type Due } from '../../src/schedule/due-queue.ts'

interface Happening extends Due {
  readonly act: () => void
}

/** More in one simulated second means that something turns without waiting for anything. */
const happeningsMaxPerSecond = 20_000

/**
 * True time, which no clock in the simulation shows exactly, and what happens when. One thing
 * happens at a time, and all promises that it has settled are heard before the next one: after
 * each, the real event loop makes one turn.
 */
export class World {
  nowMs = 0
  readonly #queue = new DueQueue<Happening>()
  #secondMs = 0
  #inThisSecond = 0

  at(atMs: number, act: () => void): Timer {
    const happening = { dueMs: Math.max(atMs, this.nowMs), act, place: undefined }
    this.#queue.add(happening)
    return { cancel: () => this.#queue.remove(happening) }
  }

  after(delayMs: number, act: () => void): Timer {
    return this.at(this.nowMs + delayMs, act)
  }

  /** Lets things happen until an instant; `look` is called after each, and may end it all. */
  async run(untilMs: number, look: () => boolean): Promise<void> {
    for (;;) {
      const next = this.#queue.first
      if (next === undefined || next.dueMs > untilMs) break
      this.#queue.remove(next)
      this.#count(next.dueMs)
      this.nowMs = next.dueMs
      next.act()
      await turn()
      if (!look()) return
    }
    this.nowMs = untilMs
  }

  #count(atMs: number): void {
    if (atMs >= this.#secondMs + 1_000) {
      this.#secondMs = atMs
      this.#inThisSecond = 0
    }
    if (++this.#inThisSecond > happeningsMaxPerSecond) {
      throw new Error(`more than ${happeningsMaxPerSecond} things happen in one second`)
    }
  }
}

/** One turn of the real event loop: every promise that is settled is heard before it ends. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
