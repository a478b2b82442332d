import type { EndedTerm } from '../store/lease-store.ts'
import { backoffMs } from './backoff.ts'
import type { ElectorSettings } from './elector-port.ts'

/** How a term ended that was not released, until the history knows it. */
export class EndNote {
  readonly #random: () => number
  #ended: EndedTerm | undefined
  #notBeforeMs = 0
  #failures = 0

  constructor(random: () => number) {
    this.#random = random
  }

  get ended(): EndedTerm | undefined {
    return this.#ended
  }

  /** When the next attempt is due; never if there is nothing to tell. */
  get dueMs(): number {
    return this.#ended === undefined ? Infinity : this.#notBeforeMs
  }

  write(ended: EndedTerm, nowMs: number): void {
    this.#ended = ended
    this.#notBeforeMs = nowMs
    this.#failures = 0
  }

  /** The history knows it. */
  told(): void {
    this.#ended = undefined
  }

  /** It has to be told again: ever more rarely, up to once a ttl. */
  failed(nowMs: number, { retryBackoffMs, ttlMs }: ElectorSettings): void {
    this.#failures++
    const times = { baseMs: retryBackoffMs, maxMs: ttlMs }
    this.#notBeforeMs = nowMs + backoffMs(this.#failures, times, this.#random)
  }
}
