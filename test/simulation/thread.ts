import type { Clock, Timer } from '../../src/clock.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Why a thread did not run, from when to when, in true time. */
export interface Hindrance {
  readonly why: 'paused' | 'suspended' | 'blocked'
  readonly fromMs: number
  toMs: number
}

type Act = () => void

/** A timer fires this much earlier at most, because Node.js counts whole milliseconds ... */
const earlyMsMax = 0.5
/** ... and this much later, because the loop has other things to do. */
const lateMsMax = 2

/**
 * One thread of a process: does one thing after another, unless it is blocked by one of them, or
 * its process or its machine stands still. What comes meanwhile waits, and comes out in an order
 * that keeps that of the timers and that of the messages, but not that between the two.
 */
export class SimThread {
  readonly hindrances: Hindrance[] = []
  readonly clock: Clock
  readonly #world: World
  readonly #random: Random
  readonly #waiting = { first: [] as Act[], timer: [] as Act[], message: [] as Act[] }
  #held = 0
  #blockedUntilMs = 0
  #kick: Timer | undefined
  #dead = false
  #lastMessageMs = 0

  constructor(world: World, machine: Machine, random: Random) {
    this.#world = world
    this.#random = random
    this.clock = {
      monotonicMs: () => machine.monotonicMs(),
      wallMs: () => machine.wallMs(),
      uptimeMs: () => machine.uptimeMs(),
      setTimer: (delayMs, callback) => {
        let cancelled = false
        const wholeMs = Math.max(1, Math.trunc(Math.min(delayMs, 2 ** 31 - 1)))
        const offMs = random.between(-earlyMsMax, lateMsMax)
        const alarm = machine.setAlarm(wholeMs + offMs, () =>
          this.#post('timer', () => {
            if (!cancelled) callback()
          }),
        )
        return {
          cancel() {
            cancelled = true
            alarm.cancel()
          },
        }
      },
    }
  }

  get isDead(): boolean {
    return this.#dead
  }

  get runs(): boolean {
    return !this.#dead && this.#held === 0 && this.#world.nowMs >= this.#blockedUntilMs
  }

  /** A message from another thread or from the network has arrived. */
  receive(act: Act): void {
    this.#post('message', act)
  }

  /** A message from another thread is under way; they arrive in the order of their sending. */
  send(act: Act): void {
    const arrivesMs = this.#world.nowMs + this.#random.between(0.05, 1)
    this.#lastMessageMs = Math.max(arrivesMs, this.#lastMessageMs + 0.001)
    this.#world.at(this.#lastMessageMs, () => this.#post('message', act))
  }

  /** Blocks the thread from now on; resolves in the first statement after the block. */
  block(forMs: number): Promise<void> {
    const { nowMs } = this.#world
    const untilMs = Math.max(this.#blockedUntilMs, nowMs + forMs)
    this.hindrances.push({ why: 'blocked', fromMs: nowMs, toMs: untilMs })
    this.#blockedUntilMs = untilMs
    this.#world.at(untilMs, () => this.#next())
    return new Promise((resolve) => this.#waiting.first.push(resolve))
  }

  /** The process or the machine stands still, until `release`. */
  hold(why: 'paused' | 'suspended'): void {
    this.#held++
    this.hindrances.push({ why, fromMs: this.#world.nowMs, toMs: Infinity })
  }

  release(why: 'paused' | 'suspended'): void {
    this.#held--
    const hindrance = this.hindrances.findLast((one) => one.why === why && one.toMs === Infinity)
    if (hindrance !== undefined) hindrance.toMs = this.#world.nowMs
    this.#soon()
  }

  /** Nothing is done any more. */
  end(): void {
    this.#dead = true
  }

  #post(kind: 'timer' | 'message', act: Act): void {
    if (this.#dead) return
    this.#waiting[kind].push(act)
    if (this.runs && this.#kick === undefined) this.#next()
  }

  #soon(): void {
    this.#kick ??= this.#world.after(this.#random.between(0.01, 0.2), () => {
      this.#kick = undefined
      this.#next()
    })
  }

  /** Does one of the things that wait. */
  #next(): void {
    if (!this.runs) return
    const { first, timer, message } = this.#waiting
    const both = timer.length > 0 && message.length > 0
    const kind = both
      ? this.#random.chance(0.5)
        ? timer
        : message
      : timer.length
        ? timer
        : message
    const act = first.length > 0 ? first.shift() : kind.shift()
    if (first.length + timer.length + message.length > 0) this.#soon()
    act?.()
  }
}
