// Messages between the threads at random: right ones in any order, and malformed ones. Whatever comes,
// the application goes on, and trusts no term that the store would give to another.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { readInstant } from '../../src/clock.ts'
import { Cell } from '../../src/heart/cell.ts'
import { Heart } from '../../src/heart/heart.ts'
import type { Command, HeartConfig, Report } from '../../src/heart/messages.ts'
import type { RunningHeart } from '../../src/heart/running-heart.ts'
import { errorCodes, logEvents } from '../../src/index.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import { Tenure } from '../../src/tenure.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { settle as turns } from '../support/bench.ts'
import { silentLogger } from '../support/fastify-app.ts'

const lease = 'scheduler'
const shortSet = { ttl: 6_000, heartbeat: 2_000, attemptTimeout: 1_000 } as const
const times = { ttlMs: 6_000, stopGraceMs: 600, safetyMarginMs: 560 }

/** Lets everything happen that waits for no time to pass. */
const settle = (): Promise<void> => turns(3)

const keysOf = <Key extends string>(table: Readonly<Record<Key, unknown>>): Key[] =>
  Object.keys(table) as Key[]
const token = fc.integer({ min: 1, max: 4 })
const reason = fc.constantFrom('resigned', 'stopped', 'stalled', 'expired', 'stolen', 'crashed')
const constant = <const Value>(value: Value): fc.Arbitrary<Value> => fc.constant(value)

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    kind: constant('reconfigure'),
    options: fc.constantFrom({}, shortSet, { ttl: '9s' as const }),
  }),
  fc.record({ kind: constant('resign'), coolDownMs: fc.nat(5_000) }),
  fc.record({ kind: constant('soft-stop-seen') }),
  fc.record({ kind: constant('drained'), token, complete: fc.boolean() }),
  fc.record({ kind: constant('beat'), correlationId: fc.uuid() }),
  fc.record({ kind: constant('stop') }),
  fc.record({ kind: constant('exit'), reason }),
  fc.record({ kind: constant('lines-logged') }),
)

const line = fc.record({
  event: fc.constantFrom(...keysOf(logEvents)),
  timeMs: fc.nat(),
  fields: fc.dictionary(fc.string(), fc.jsonValue()),
})
const atMs = fc.nat()

const report: fc.Arbitrary<Report> = fc.oneof(
  fc.record({ kind: constant('ready'), ttlMsMin: fc.nat() }),
  fc.record({ kind: constant('acquired'), token, holder: fc.string() }),
  fc.record({
    kind: constant('heartbeat'),
    outcome: fc.constantFrom('renewed', 'refused', 'timeout', 'error'),
    correlationId: fc.uuid(),
    token,
    atMs,
    latencyMs: fc.nat(),
  }),
  fc.record({
    kind: constant('store'),
    atMs,
    fault: fc.option(fc.record({ error: fc.string(), message: fc.string() }), { nil: undefined }),
  }),
  fc.record({ kind: constant('ending'), token, reason }),
  fc.record({ kind: constant('ended'), token, reason, released: fc.boolean() }),
  fc.record({ kind: constant('lines'), lines: fc.array(line, { maxLength: 3 }) }),
  fc.record({
    kind: constant('died'),
    error: fc.record({
      code: fc.option(fc.constantFrom(...keysOf(errorCodes)), { nil: undefined }),
      error: fc.string(),
      message: fc.string(),
      stack: fc.option(fc.string(), { nil: undefined }),
    }),
  }),
)

/** What no field of any message can be. */
const nonsense = fc.constantFrom<unknown>(null, Number.NaN, Symbol('x'), 2n, () => {}, ['x'])

/** A message of which one field is missing or nonsense; or something else altogether. */
function malformed(message: fc.Arbitrary<object>): fc.Arbitrary<unknown> {
  const broken = fc
    .tuple(message, fc.nat(), fc.option(nonsense, { nil: undefined }))
    .map(([message, at, value]) => {
      const names = Object.keys(message)
      // Only a fault may be undefined.
      const name = names[at % names.length] ?? 'kind'
      const wrong = value === undefined && name === 'fault' ? null : value
      return { ...message, [name]: wrong }
    })
  return fc.oneof(
    broken,
    fc.anything(),
    constant({ kind: 'constructor' }),
    constant({ kind: 'later' }),
  )
}

/** A heart on a fake clock, with a memory for its store. */
class HeartBench {
  readonly clock = new FakeClock()
  readonly memory = new Memory(this.clock)
  readonly cell = new Cell(this.clock)
  /** What the main thread sees. */
  readonly seen = new Cell(this.clock, this.cell.buffer)
  readonly reports: Report[] = []
  #holders = 0
  readonly heart: Heart

  constructor() {
    const config = { fixed: { lease, application: 'test' }, options: shortSet } as HeartConfig
    this.heart = new Heart({
      clock: this.clock,
      environment: {},
      openStore: async () => new MemoryLeaseStore(this.memory),
      openLedger: async () => undefined,
      random: () => 0.5,
      newHolder: () => `holder-${++this.#holders}`,
      config,
      cell: this.cell,
      watchesMainThread: false,
      report: (report) => void this.reports.push(report),
      kill: () => assert.fail('nothing has stalled'),
    })
  }

  said<Kind extends Report['kind']>(kind: Kind): Extract<Report, { kind: Kind }>[] {
    return this.reports.filter(
      (report): report is Extract<Report, { kind: Kind }> => report.kind === kind,
    )
  }

  get isOver(): boolean {
    return this.said('stopped').length + this.said('died').length > 0
  }

  /** What has to hold at every moment. */
  check(): void {
    const { record } = this.memory.table.read(lease)
    const tokens = this.said('acquired').map(({ token }) => token)
    assert.deepEqual(
      tokens,
      [...new Set(tokens)].toSorted((a, b) => a - b),
      'tokens rise',
    )
    for (const token of tokens) {
      if (!this.seen.trusts(token)) {
        assert.equal(this.seen.leads(token), false)
        continue
      }
      assert.equal(record?.token, token, 'the store keeps what is trusted')
      assert.ok((record.remainingMs ?? 0) > 0, 'and another cannot have it')
    }
    const last = this.reports.findIndex(({ kind }) => kind === 'stopped' || kind === 'died')
    if (last === -1) return
    assert.equal(last, this.reports.length - 1, 'the last word is the last')
    for (const token of tokens) assert.equal(this.seen.trusts(token), false)
  }

  /** Stops, draining what is told to end; it has to come to its end. */
  async stop(): Promise<void> {
    this.memory.fault = undefined
    this.heart.command({ kind: 'stop' })
    for (let i = 0; i < 60 && !this.isOver; i++) {
      for (const { token } of this.said('ending')) {
        this.heart.command({ kind: 'drained', token, complete: true })
      }
      this.clock.advance(500)
      await settle()
      this.check()
    }
    assert.ok(this.isOver, 'it hangs')
    await settle()
    assert.equal(this.clock.timers, 0)
  }
}

/** What happens to a heart. */
type Step =
  | { readonly do: 'command'; readonly command: Command }
  | { readonly do: 'advance' | 'freeze'; readonly ms: number }
  | { readonly do: 'fault' | 'mend' | 'compete' }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: constant('command'), command }) },
  { weight: 4, arbitrary: fc.record({ do: constant('advance'), ms: fc.nat(3_000) }) },
  { weight: 1, arbitrary: fc.record({ do: constant('freeze'), ms: fc.nat(7_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fault', 'mend', 'compete') }) },
)

function take(bench: HeartBench, step: Step): void {
  const { clock, memory, heart } = bench
  switch (step.do) {
    case 'command':
      return heart.command(step.command)
    case 'advance':
      return clock.advance(step.ms)
    case 'freeze':
      return clock.freeze(step.ms)
    case 'fault':
      memory.fault = new Error('the store is down')
      return
    case 'mend':
      memory.fault = undefined
      return
    case 'compete':
      memory.table.acquire({
        lease,
        holder: 'another',
        application: 'test',
        label: undefined,
        ttlMs: 1_000,
        observed: undefined,
      })
  }
}

describe('what the main thread tells a heart', () => {
  test('in any order never makes it trust more than the store does, nor hang', async () => {
    let acquisitions = 0
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 25, size: 'max' }),
      async (steps) => {
        const bench = new HeartBench()
        await bench.heart.start()
        await settle()
        for (const step of steps) {
          take(bench, step)
          await settle()
          bench.check()
        }
        await bench.stop()
        assert.deepEqual(bench.said('died'), [])
        acquisitions += bench.said('acquired').length
      },
    )
    await fc.assert(property, { numRuns: 200 })
    assert.ok(acquisitions > 200, `${acquisitions} acquisitions: nothing was shown`)
  })

  test('and is malformed ends it with a word, and with its trust', async () => {
    const property = fc.asyncProperty(malformed(command), fc.nat(10_000), async (wrong, ms) => {
      const bench = new HeartBench()
      await bench.heart.start()
      await settle()
      bench.clock.advance(ms)
      await settle()
      bench.heart.command(wrong as Command)
      await settle()
      bench.check()
      const [died] = bench.said('died')
      assert.equal(died?.error.code, 'TENURE_ERR_INVARIANT')
      assert.match(died.error.message, /what one thread tells the other is a command; got/)
      assert.equal(bench.clock.timers, 0)
    })
    await fc.assert(property, { numRuns: 300 })
  })
})

/** A Tenure whose hearts say what the test wants. */
class TenureBench {
  readonly clock = new FakeClock()
  readonly hearts: FakeHeart[] = []
  readonly terms: string[] = []
  readonly lines: string[] = []
  readonly tenure: Tenure

  constructor() {
    const note = (_fields: object, event: string): void => void this.lines.push(event)
    const logger = { ...silentLogger, error: note, warn: note }
    const { clock } = this
    const options = { store: 'memory:messages', logger, ...shortSet }
    this.tenure = new Tenure(options, {
      clock,
      process: { on: () => {}, off: () => {} },
      random: () => 0,
      runHeart: (_config, _clock, hear) => {
        const heart = new FakeHeart(clock, hear)
        this.hearts.push(heart)
        return heart
      },
    })
    this.tenure.on('term:acquired', ({ term }) => this.terms.push(`acquired ${term.fencingToken}`))
    this.tenure.on('term:lost', ({ term }) => this.terms.push(`lost ${term.fencingToken}`))
  }

  get heart(): FakeHeart {
    const heart = this.hearts.at(-1)
    assert.ok(heart)
    return heart
  }

  async start(): Promise<void> {
    const started = this.tenure.start()
    await settle()
    this.heart.hear({ kind: 'ready', ttlMsMin: 0 })
    await started
  }

  /** What has to hold at every moment. */
  check(): void {
    const { tenure } = this
    const { term } = tenure
    if (tenure.isLeader) {
      assert.ok(term?.isTrusted)
      // Of a heart that has died, trust runs out by itself.
      const opened = this.hearts.map(({ opened }) => opened)
      const sinceMs = opened
        .filter((one) => one?.token === term.fencingToken)
        .map((one) => this.clock.monotonicMs() - (one?.atMs ?? 0))
      assert.ok(Math.min(...sinceMs) < times.ttlMs - times.safetyMarginMs - times.stopGraceMs)
    }
    for (const word of [tenure.health, tenure.jobs()]) assert.ok(word)
    // A term may be lost that never began here; but what began is lost before another begins.
    let begun: string | undefined
    for (const said of this.terms) {
      const [what, token] = said.split(' ')
      if (what === 'acquired') assert.equal(begun, undefined, this.terms.join(', '))
      begun = what === 'acquired' ? token : undefined
    }
  }

  async stop(): Promise<void> {
    // Trust runs out, whatever was said; then nothing is left.
    this.clock.advance(2 * times.ttlMs)
    await settle()
    this.check()
    assert.equal(this.tenure.isLeader, false)
    assert.equal(this.tenure.term, undefined, 'a term without end')
    await this.tenure.stop()
    assert.equal(this.clock.timers, 0)
  }
}

/** A heart without any lease, which stops when it is told to. */
class FakeHeart implements RunningHeart {
  readonly cell: Cell
  readonly over: Promise<void>
  readonly #clock: FakeClock
  readonly #hear: (report: Report) => void
  #end = (): void => {}
  #isOver = false
  killed = 0
  opened: { readonly token: number; readonly atMs: number } | undefined

  constructor(clock: FakeClock, hear: (report: Report) => void) {
    this.#clock = clock
    this.#hear = hear
    this.cell = new Cell(clock)
    this.over = new Promise((resolve) => (this.#end = resolve))
  }

  /** Says something; whether it is killed or has died, nothing more is heard of it. */
  hear(report: unknown): void {
    if (this.killed > 0 || this.#isOver) return
    const { kind } = (report ?? {}) as { kind?: unknown }
    this.#isOver = kind === 'died' || kind === 'stopped'
    this.#hear(report as Report)
  }

  /** Opens the cell, as a heart does before it says that it has acquired. */
  open(token: number): void {
    this.opened = { token, atMs: this.#clock.monotonicMs() }
    this.cell.open(token, readInstant(this.#clock), times)
  }

  send(command: Command): void {
    if (command.kind !== 'stop') return
    this.hear({ kind: 'stopped', mayHold: false })
    this.#end()
  }

  keepAlive(): void {}

  kill(): void {
    this.killed++
    this.#end()
  }
}

/** What a heart says, with or without a lease behind it, and what else happens. */
type Saying =
  | { readonly do: 'say'; readonly report: Report }
  | { readonly do: 'acquire'; readonly token: number }
  | { readonly do: 'open'; readonly token: number }
  | { readonly do: 'close' | 'soft stop' }
  | { readonly do: 'advance' | 'freeze'; readonly ms: number }

const saying: fc.Arbitrary<Saying> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: constant('say'), report }) },
  { weight: 3, arbitrary: fc.record({ do: constant('acquire'), token }) },
  { weight: 1, arbitrary: fc.record({ do: constant('open'), token }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('close', 'soft stop') }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('advance', 'freeze'), ms: fc.nat(7_000) }),
  },
)

function carryOut({ heart, clock }: TenureBench, saying: Saying): void {
  switch (saying.do) {
    case 'say':
      return heart.hear(saying.report)
    case 'acquire':
      heart.open(saying.token)
      return heart.hear({ kind: 'acquired', token: saying.token, holder: 'holder' })
    case 'open':
      return heart.open(saying.token)
    case 'close':
      return heart.cell.close()
    case 'soft stop':
      return heart.cell.softStop()
    default:
      clock[saying.do](saying.ms)
  }
}

describe('what a heart tells the main thread', () => {
  test('in any order never makes it lead without a lease, nor hang', async () => {
    let begun = 0
    const property = fc.asyncProperty(
      fc.array(saying, { maxLength: 25, size: 'max' }),
      async (sayings) => {
        const bench = new TenureBench()
        await bench.start()
        for (const saying of sayings) {
          carryOut(bench, saying)
          await settle()
          bench.check()
        }
        await bench.stop()
        begun += bench.terms.filter((said) => said.startsWith('acquired')).length
      },
    )
    await fc.assert(property, { numRuns: 200 })
    assert.ok(begun > 100, `${begun} terms: nothing was shown`)
  })

  test('and is malformed ends that heart, and another one begins', async () => {
    const property = fc.asyncProperty(malformed(report), async (wrong) => {
      const bench = new TenureBench()
      await bench.start()
      const { heart } = bench
      heart.hear(wrong)
      await settle()
      assert.equal(heart.killed, 1)
      assert.ok(bench.lines.includes('heart_died'))
      bench.clock.advance(1_000)
      assert.equal(bench.hearts.length, 2)
      bench.check()
      await bench.stop()
    })
    await fc.assert(property, { numRuns: 300 })
  })

  test('and is malformed before the first good word keeps it from starting, with an error', async () => {
    const property = fc.asyncProperty(malformed(report), async (wrong) => {
      const bench = new TenureBench()
      const started = bench.tenure.start()
      await settle()
      bench.heart.hear(wrong)
      await assert.rejects(started, { code: 'TENURE_ERR_INVARIANT' })
      assert.equal(bench.heart.killed, 1)
      assert.equal(bench.clock.timers, 0)
    })
    await fc.assert(property, { numRuns: 100 })
  })
})
