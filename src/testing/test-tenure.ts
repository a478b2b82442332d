import { randomUUID } from 'node:crypto'

import { checkChoice, checkKeys } from '../options/check.ts'
import { nextTurn } from '../clock.ts'
import {
  heartbeatJobId,
  parseDuration,
  TenureError,
  type Duration,
  type TenureOptions,
} from '../index.ts'
import { optionNames } from '../options.ts'
import { Memory, provideMemory } from '../store/memory/memory-store.ts'
import { systemDeps } from '../instance/instance.ts'
import { Tenure } from '../tenure.ts'
import { FakeClock } from './fake-clock.ts'

/** The options of {@link createTestTenure}: those of `createTenure`, as far as they mean anything there. */
export interface TestTenureOptions extends Omit<TenureOptions, (typeof notForTests)[number]> {
  /** What time it is at the beginning. @default 2026-01-01T00:00:00Z */
  readonly now?: Date | undefined
}

/** How a term can be lost on purpose: see {@link TestTenure.lose}. */
export type LossReason = 'stolen' | 'expired' | 'store-unreachable'

/** What a test has by itself; the types leave the same out. */
const notForTests = ['store', 'heartbeatIn', 'witness'] as const

/** All others, as they come: an option that `createTenure` is given tomorrow is one here as well. */
const testOptionNames: readonly string[] = [
  ...optionNames.filter((name) => !notForTests.some((fixed) => fixed === name)),
  'now',
]

/**
 * How many turns of the event loop the runs that go on are given at each instant. A handler whose
 * promises are settled by nothing real has ended long before.
 */
const turnsMax = 20

/**
 * Makes a Tenure for tests of your own jobs: it always leads, and its time passes by hand.
 *
 * It is the real one, with its whole interface: a memory of its own is its store, no thread is
 * started, and no timer set that could keep a test runner from exiting. Once `start()` has
 * resolved it leads.
 *
 * @throws TenureError with a code that names what is wrong about the options
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict'
 * import { test } from 'node:test'
 * import { createTestTenure } from 'tenure/testing'
 *
 * test('the job runs once a minute', async () => {
 *   const tenure = createTestTenure()
 *   let runs = 0
 *   await tenure.schedule('count', { every: '1m' }, () => void runs++)
 *   await tenure.start()
 *   await tenure.advance('3m')
 *   assert.equal(runs, 3)
 *   await tenure.stop()
 * })
 * ```
 */
export function createTestTenure(options: TestTenureOptions = {}): TestTenure {
  return new TestTenure(options, new FakeClock())
}

/** A Tenure whose time stands still until it is told to pass: made by {@link createTestTenure}. */
export class TestTenure extends Tenure {
  readonly #clock: FakeClock
  readonly #memory: Memory
  #running = 0
  #idleWaiters: (() => void)[] = []

  /** @internal Use {@link createTestTenure}. */
  constructor(options: TestTenureOptions, clock: FakeClock) {
    checkKeys(options, 'options', testOptionNames)
    const { now, ...rest } = options
    if (now !== undefined) clock.setWall(readNow(now))
    const memory = new Memory(clock)
    const name = `test-${randomUUID()}`
    provideMemory(name, memory)
    const fixed = { store: `memory:${name}`, heartbeatIn: 'main', witness: false } as const
    // What is tested by hand has to be due at the instants that it says.
    super({ ...rest, ...fixed }, { ...systemDeps(clock), random: () => 0, tellDefect: rethrow })
    this.#clock = clock
    this.#memory = memory
    this.on('run:started', () => void this.#running++)
    this.on('run:finished', () => this.#finished())
  }

  /** What time it is for this Tenure; `Date.now()` knows nothing of it. */
  get now(): Date {
    return new Date(this.#clock.wallMs())
  }

  /** Becomes the leader. */
  override async start(): Promise<void> {
    await super.start()
    await this.#settle()
  }

  /** Stops, as every Tenure does. As much time passes as that takes: the `drain` of a stubborn run. */
  override async stop(options: { drain?: Duration } = {}): Promise<void> {
    await this.#passUntilSettled(super.stop(options))
  }

  /** Resigns, as every Tenure does. As much time passes as that takes. */
  override async resign(options: { coolDown?: Duration; drain?: Duration } = {}): Promise<void> {
    await this.#passUntilSettled(super.resign(options))
  }

  /**
   * Lets time pass: what becomes due meanwhile happens, instant by instant, ticks of jobs,
   * timeouts of runs and heartbeats among them.
   *
   * A run that awaits nothing real has ended before time goes on. One that waits for something
   * real, a query say, may still go on when this resolves: `idle()` waits for it.
   */
  async advance(duration: Duration): Promise<void> {
    await this.#pass(parseDuration(duration, 'duration'), () => false)
  }

  /** Resolves when no run goes on; time does not pass. */
  async idle(): Promise<void> {
    if (this.#running === 0) return
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve))
  }

  /**
   * Loses the term, and resolves when it is over: the signals of its runs are aborted, and
   * `term:lost` is told.
   *
   * - `'stolen'`: another instance holds the lease, as if an operator had deleted it. No time
   *   passes.
   * - `'expired'`: a ttl passes in which nothing happens, as in a process that was frozen.
   * - `'store-unreachable'`: the store rejects every call, and time passes until trust has run out.
   *   Runs have `stopGrace` between their abort and the end of the term.
   *
   * Afterwards this instance is a candidate. It leads again, with a higher fencing token, as time
   * goes on: after a ttl if the term was stolen, else at once.
   *
   * @throws TenureError `TENURE_ERR_NOT_LEADER`
   */
  async lose(reason: LossReason = 'stolen'): Promise<void> {
    checkChoice(reason, 'reason', ['stolen', 'expired', 'store-unreachable'])
    if (!this.isLeader) {
      throw new TenureError(
        'TENURE_ERR_NOT_LEADER',
        'Expected to lead, to lose the term; this instance does not. Was it started?',
      )
    }
    // What was started a moment ago has begun before.
    await this.#settle()
    if (reason === 'stolen') await this.#steal()
    else if (reason === 'expired') this.#clock.freeze(this.settings.ttlMs)
    else await this.#failUntilLost()
    // What is due at this very instant: the abort of the runs, where it has not happened yet.
    await this.#pass(0, () => false)
  }

  // ---- losing ----

  async #steal(): Promise<void> {
    const { lease, application = '', ttlMs } = this.settings
    const holder = 'another-instance'
    const { table } = this.#memory
    table.deleteRecord(lease)
    table.acquire({ lease, holder, application, label: undefined, ttlMs, observed: undefined })
    await this.runNow(heartbeatJobId)
  }

  async #failUntilLost(): Promise<void> {
    this.#memory.fault = new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      "The memory is unreachable, because the test wants its term to be lost: 'store-unreachable'.",
    )
    await this.#pass(this.settings.ttlMs, () => this.term === undefined)
    this.#memory.fault = undefined
  }

  // ---- time ----

  /** Lets time pass, for so long or until `ended` holds. */
  async #pass(ms: number, ended: () => boolean): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + ms
    await this.#settle()
    while (!ended()) {
      const leftMs = untilMs - this.#clock.monotonicMs()
      const nextMs = this.#clock.untilNextTimerMs ?? Infinity
      if (leftMs <= 0 && nextMs > 0) return
      this.#clock.advance(Math.max(0, Math.min(leftMs, nextMs)))
      await this.#settle()
    }
  }

  async #passUntilSettled(done: Promise<void>): Promise<void> {
    let settled = false
    const settle = (): void => void (settled = true)
    done.then(settle, settle)
    for (;;) {
      await this.#settle()
      if (settled) return done
      this.#clock.advance(this.#clock.untilNextTimerMs ?? 0)
    }
  }

  /** Lets everything end that has become possible at this instant. */
  async #settle(): Promise<void> {
    for (let turn = 0; turn < turnsMax; turn++) {
      await nextTurn()
      if (this.#running === 0) return
    }
  }

  #finished(): void {
    this.#running--
    if (this.#running > 0) return
    const waiters = this.#idleWaiters
    this.#idleWaiters = []
    for (const resolve of waiters) resolve()
  }
}

function readNow(now: unknown): number {
  const ms = now instanceof Date ? now.getTime() : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new TenureError('TENURE_ERR_OPTION_TYPE', 'Expected `now` to be a valid Date.')
}

/** A defect of Tenure's fails the test that meets it. */
function rethrow(error: unknown): never {
  throw error
}
