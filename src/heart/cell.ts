import type { Instant, InstantSource } from '../clock.ts'
import type { TrustCell } from '../lease/elector-port.ts'
import { elapsedMs, hardFenceAfterMs, softStopAfterMs, type TrustTimes } from '../lease/term.ts'

/** Indexes of the 32-bit words, which both threads change atomically. */
const word = {
  /** Counts the writes of the numbers below. Whether it is even or odd tells which copy is valid. */
  writes: 0,
  /** The number of the term in this cell, times 4, plus its phase. */
  phase: 1,
  /** Counts up while the main thread lives. */
  pulse: 2,
  /** 1 while the heart holds a lease or asks for one. */
  holding: 3,
  /** 1 once an exit of the process has been dealt with. */
  exited: 4,
} as const

/** Indexes of the numbers, written by the heart alone, of which there are two copies. */
const number = {
  token: 0,
  sinceMonotonicMs: 1,
  sinceWallMs: 2,
  sinceUptimeMs: 3,
  softStopAfterMs: 4,
  hardFenceAfterMs: 5,
} as const

const wordBytes = 64
const numbersOfCopy = Object.keys(number).length
const byteLength = wordBytes + 2 * 8 * numbersOfCopy

const phase = { none: 0, leading: 1, ending: 2 } as const
const phaseMask = 3

/**
 * The leader's state in memory that the main thread and the heart share, so that the main thread
 * knows it without a message and without allocating, also in the first statement after a block.
 *
 * The heart writes, the main thread reads. Only the soft stop may come from either side: whoever
 * sees it first makes it final for both.
 *
 * The numbers are written to the copy that is not valid, which then becomes the valid one in a
 * single step: a heart that is held up, or dies, in the middle of a write holds up no reader. Each
 * heart has a cell of its own, so that a late write of one that was given up meets no other's.
 */
export class Cell implements TrustCell {
  readonly buffer: SharedArrayBuffer
  readonly #clock: InstantSource
  readonly #words: Int32Array
  readonly #numbers: Float64Array
  /** The numbers as they were read last: fields of the cell, so that reading allocates nothing. */
  readonly #since: { -readonly [Key in keyof Instant]: number } = {
    monotonicMs: 0,
    wallMs: 0,
    uptimeMs: 0,
  }
  #phase = 0
  #token = 0
  #softStopAfterMs = 0
  #hardFenceAfterMs = 0

  constructor(clock: InstantSource, buffer?: SharedArrayBuffer) {
    this.#clock = clock
    this.buffer = buffer ?? new SharedArrayBuffer(byteLength)
    this.#words = new Int32Array(this.buffer, 0, wordBytes / 4)
    this.#numbers = new Float64Array(this.buffer, wordBytes)
  }

  // ---- written by the heart ----

  open(token: number, since: Instant, times: TrustTimes): void {
    const term = (Atomics.load(this.#words, word.phase) >> 2) + 1
    this.#write(token, since, times)
    Atomics.store(this.#words, word.phase, (term << 2) | phase.leading)
  }

  extend(since: Instant, times: TrustTimes): boolean {
    this.#write(this.#numbers[this.#validCopy() + number.token] ?? 0, since, times)
    return this.#isIn(phase.leading)
  }

  get softStopSeen(): boolean {
    return this.#isIn(phase.ending)
  }

  softStop(): void {
    const before = Atomics.load(this.#words, word.phase)
    if ((before & phaseMask) === phase.leading) this.#toEnding(before)
  }

  close(): void {
    const term = Atomics.load(this.#words, word.phase) >> 2
    Atomics.store(this.#words, word.phase, term << 2)
  }

  set holding(holding: boolean) {
    Atomics.store(this.#words, word.holding, holding ? 1 : 0)
  }

  /** The exit of the process has been dealt with: the main thread need not wait any longer. */
  exited(): void {
    Atomics.store(this.#words, word.exited, 1)
    Atomics.notify(this.#words, word.exited)
  }

  get pulse(): number {
    return Atomics.load(this.#words, word.pulse)
  }

  // ---- read by the main thread ----

  /** Shows that the main thread lives. */
  beat(): void {
    Atomics.add(this.#words, word.pulse, 1)
  }

  get holding(): boolean {
    return Atomics.load(this.#words, word.holding) === 1
  }

  /** May new work of this term start? When trust has run out, that is final from here on. */
  leads(token: number): boolean {
    if (!this.#read(token) || (this.#phase & phaseMask) !== phase.leading) return false
    if (elapsedMs(this.#since, this.#clock) < this.#softStopAfterMs) return true
    this.#toEnding(this.#phase)
    return false
  }

  /** May work of this term go on? */
  trusts(token: number): boolean {
    return this.remainingMs(token) > 0
  }

  /** Time until the hard fence of this term; 0 when it has passed or the term is over. */
  remainingMs(token: number): number {
    if (!this.#read(token) || (this.#phase & phaseMask) === phase.none) return 0
    return Math.max(0, this.#hardFenceAfterMs - elapsedMs(this.#since, this.#clock))
  }

  /** Time until the soft stop of this term; 0 when it has passed or the term is ending or over. */
  untilSoftStopMs(token: number): number {
    if (!this.leads(token)) return 0
    return Math.max(0, this.#softStopAfterMs - elapsedMs(this.#since, this.#clock))
  }

  /** Blocks the main thread until the heart has dealt with the exit; false if it takes too long. */
  waitForExited(timeoutMs: number): boolean {
    return Atomics.wait(this.#words, word.exited, 0, timeoutMs) !== 'timed-out'
  }

  #isIn(expected: number): boolean {
    return (Atomics.load(this.#words, word.phase) & phaseMask) === expected
  }

  /** From leading to ending, unless the other thread has gone on to something else meanwhile. */
  #toEnding(before: number): void {
    const after = (before & ~phaseMask) | phase.ending
    Atomics.compareExchange(this.#words, word.phase, before, after)
  }

  #validCopy(): number {
    return (Atomics.load(this.#words, word.writes) & 1) * numbersOfCopy
  }

  #write(token: number, since: Instant, times: TrustTimes): void {
    const copy = numbersOfCopy - this.#validCopy()
    this.#numbers[copy + number.token] = token
    this.#numbers[copy + number.sinceMonotonicMs] = since.monotonicMs
    this.#numbers[copy + number.sinceWallMs] = since.wallMs
    this.#numbers[copy + number.sinceUptimeMs] = since.uptimeMs
    this.#numbers[copy + number.softStopAfterMs] = softStopAfterMs(times)
    this.#numbers[copy + number.hardFenceAfterMs] = hardFenceAfterMs(times)
    Atomics.add(this.#words, word.writes, 1)
  }

  /** Reads all of one moment; false if the cell holds another term. */
  #read(token: number): boolean {
    for (;;) {
      const writes = Atomics.load(this.#words, word.writes)
      const copy = (writes & 1) * numbersOfCopy
      this.#phase = Atomics.load(this.#words, word.phase)
      this.#token = this.#numbers[copy + number.token] ?? 0
      this.#since.monotonicMs = this.#numbers[copy + number.sinceMonotonicMs] ?? 0
      this.#since.wallMs = this.#numbers[copy + number.sinceWallMs] ?? 0
      this.#since.uptimeMs = this.#numbers[copy + number.sinceUptimeMs] ?? 0
      this.#softStopAfterMs = this.#numbers[copy + number.softStopAfterMs] ?? 0
      this.#hardFenceAfterMs = this.#numbers[copy + number.hardFenceAfterMs] ?? 0
      // A change means that the heart has completed a write meanwhile, and may be at the next one,
      // to this very copy. It does so once a heartbeat: a second turn is rare, a third unheard of.
      if (Atomics.load(this.#words, word.writes) === writes) return this.#token === token
    }
  }
}
