import type { Clock } from '../clock.ts'
import { faultOf } from './elector-lines.ts'

/** How long one cause is not told again. */
const quietMs = 3_600_000
/** How many causes are remembered. */
const causesMax = 20

/**
 * Says that no pushes come, once an hour for each cause: a connection that a server or a firewall
 * cuts whenever it is idle comes back with the next look, and would be told of each time.
 */
export class PushNotice {
  readonly #clock: Clock
  readonly #say: (fields: Readonly<Record<string, unknown>>) => void
  readonly #saidMs = new Map<string, number>()

  constructor(clock: Clock, say: (fields: Readonly<Record<string, unknown>>) => void) {
    this.#clock = clock
    this.#say = say
  }

  failed(error: unknown): void {
    const fault = faultOf(error)
    const cause = JSON.stringify(fault)
    const nowMs = this.#clock.monotonicMs()
    const saidMs = this.#saidMs.get(cause)
    if (saidMs !== undefined && nowMs - saidMs < quietMs) return
    // What is said again becomes the newest; the oldest is forgotten.
    this.#saidMs.delete(cause)
    this.#saidMs.set(cause, nowMs)
    const [oldest] = this.#saidMs.keys()
    if (this.#saidMs.size > causesMax && oldest !== undefined) this.#saidMs.delete(oldest)
    this.#say({ ...fault })
  }
}
