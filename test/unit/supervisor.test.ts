import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Cell } from '../../src/heart/cell.ts'
import { nextTurn } from '../../src/clock.ts'
import { exitsOf } from '../../src/heart/exits.ts'
import { Heart } from '../../src/heart/heart.ts'
import { recordOfError } from '../../src/heart/error-record.ts'
import type { Command, HeartConfig, Report } from '../../src/heart/messages.ts'
import { createSystemSurroundings } from '../../src/heart/surroundings.ts'
import { Supervisor } from '../../src/heart/supervisor.ts'
import { resolveFixed } from '../../src/options.ts'
import { Memory, provideMemory } from '../../src/store/memory/memory-store.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** A heart that hears of a stop, and does not end by itself; or not even if it is ended. */
function stubborn(endures = false): {
  clock: FakeClock
  heart: Supervisor
  told: string[]
  hear: (report: Report) => void
} {
  let hear: (report: Report) => void = () => {}
  const clock = new FakeClock()
  const told: string[] = []
  const fixed = { witness: false, heartbeatIn: 'main' } as HeartConfig['fixed']
  const config = { store: { scheme: 'memory', name: '' }, fixed, options: {} } as HeartConfig
  const over = Promise.withResolvers<void>()
  const heart = new Supervisor(config, {
    process: { on: () => {}, off: () => {} },
    runHeart: (_config, _clock, hears) => {
      hear = hears
      return {
        cell: new Cell(clock),
        over: over.promise,
        send: ({ kind }: Command) => void told.push(kind),
        keepAlive: (keeps) => void (keeps || told.push('let go')),
        kill() {
          told.push('killed')
          if (!endures) over.resolve()
        },
      }
    },
    clock,
    settings: () => ({ stallLimitMs: 60_000, ttlMs: 20_000 }),
    report() {},
    onPulse() {},
    restarting() {},
    log() {},
    tellDefect: assert.ifError,
  })
  heart.start()
  return { clock, heart, told, hear: (report) => hear(report) }
}

describe('a heart that has died', () => {
  test('hears nothing, and whoever tells it something is told so, until the next one runs', () => {
    const { clock, heart, hear } = stubborn()
    hear({ kind: 'ready', ttlMsMin: 1_000 })
    assert.equal(heart.send({ kind: 'lines-logged' }), true)
    hear({ kind: 'died', error: recordOfError(new Error('no more')) })
    assert.equal(heart.send({ kind: 'lines-logged' }), false)
    clock.advance(100)
    assert.equal(heart.send({ kind: 'lines-logged' }), true)
  })
})

describe('a heart that has stopped though nobody stops it, by an exit event that was none', () => {
  test('is started again, until it is stopped', async () => {
    const { clock, heart, hear } = stubborn()
    hear({ kind: 'ready', ttlMsMin: 1_000 })
    hear({ kind: 'stopped', mayHold: false })
    assert.equal(heart.send({ kind: 'lines-logged' }), false)
    clock.advance(100)
    assert.equal(heart.send({ kind: 'lines-logged' }), true)
    void heart.stop(() => 0)
    hear({ kind: 'stopped', mayHold: false })
    clock.advance(60_000)
    assert.equal(heart.send({ kind: 'lines-logged' }), false)
  })
})

describe('a heart that cannot be started', () => {
  test('is tried again once one has run, and else is told, and ends nothing', () => {
    const clock = new FakeClock()
    const heard: Report[] = []
    const fixed = { witness: false, heartbeatIn: 'main' } as HeartConfig['fixed']
    let tries = 0
    let hear: (report: Report) => void = () => {}
    const heart = new Supervisor({ fixed, options: {} } as HeartConfig, {
      process: { on: () => {}, off: () => {} },
      runHeart: (_config, _clock, hears) => {
        if (++tries % 2 === 0) throw new Error('EAGAIN')
        hear = hears
        const over = Promise.resolve()
        return { cell: new Cell(clock), over, send() {}, keepAlive() {}, kill() {} }
      },
      clock,
      settings: () => ({ stallLimitMs: 60_000, ttlMs: 20_000 }),
      report: (report) => void heard.push(report),
      onPulse() {},
      restarting() {},
      log() {},
      tellDefect: assert.ifError,
    })
    heart.start()
    hear({ kind: 'ready', ttlMsMin: 1_000 })
    hear({ kind: 'died', error: recordOfError(new Error('no more')) })
    clock.advance(100)
    assert.equal(tries, 2)
    clock.advance(200)
    assert.equal(tries, 3)
    assert.deepEqual(
      heard.map(({ kind }) => kind),
      ['ready'],
    )
  })
})

describe('a heart that begins', () => {
  /** What it reports, if its ledger is opened like this. */
  async function reported(openLedger: () => Promise<undefined>): Promise<Report['kind'][]> {
    const clock = new FakeClock()
    const reports: Report['kind'][] = []
    const store = { scheme: 'memory', name: 'begins' } as const
    provideMemory(store.name, new Memory(clock))
    const heart = new Heart({
      ...createSystemSurroundings(clock),
      openLedger,
      environment: {},
      config: { store, fixed: resolveFixed({ store: 'memory:begins' }, {}), options: {} },
      cell: new Cell(clock),
      watchesMainThread: false,
      report: ({ kind }) => void reports.push(kind),
      kill: () => {},
    })
    void heart.start()
    await settle()
    clock.advance(60_000)
    await settle()
    heart.kill()
    clock.advance(60_000)
    return reports
  }

  /** Every turn that waits for nothing but others has come. */
  async function settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await nextTurn()
  }

  test('has loaded its ledger, which a deploy may delete later', async () => {
    let isOpened = false
    const reports = await reported(async () => {
      isOpened = true
      return undefined
    })
    assert.equal(reports[0], 'ready')
    assert.ok(isOpened)
  })

  test('does not wait for a ledger that is never open', async () => {
    assert.equal((await reported(() => new Promise(() => {})))[0], 'ready')
  })
})

describe('an exit of the process', () => {
  test('is heard by one listener for all, is told to all before any is waited for, and by all though one throws', () => {
    const clock = new FakeClock()
    let listener: ((code: number) => void) | undefined
    const process = {
      on(_event: 'exit', added: (code: number) => void) {
        assert.equal(listener, undefined)
        listener = added
      },
      off: () => void (listener = undefined),
    }
    const all = exitsOf(process, clock)
    assert.equal(exitsOf(process, clock), all)
    const told: string[] = []
    const cell = new Cell(clock)
    const waits = cell.waitForExited.bind(cell)
    cell.waitForExited = (timeoutMs) => {
      told.push('waits')
      cell.exited()
      return waits(timeoutMs)
    }
    const listeners = [
      () => {
        told.push('throws')
        throw new Error('no')
      },
      (code: number) => (told.push(`first ${code}`), cell),
      (code: number) => void told.push(`second ${code}`),
    ]
    for (const each of listeners) all.add(each)
    listener?.(7)
    assert.deepEqual(told, ['throws', 'first 7', 'second 7', 'waits'])
    for (const each of listeners) all.remove(each)
    assert.equal(listener, undefined)
  })
})

describe('a heart that does not stop', () => {
  test('is ended without a word when the stop has taken as long as it may', async () => {
    const { clock, heart, told } = stubborn()
    const stopped = heart.stop(() => 5_000)
    clock.advance(4_999)
    assert.deepEqual(told, ['stop'])
    clock.advance(1)
    await stopped
    assert.deepEqual(told, ['stop', 'killed'])
  })

  test('is not waited for if a disk that hangs keeps it from ending', async () => {
    const { clock, heart, told } = stubborn(true)
    const stopped = heart.stop(() => 5_000)
    let isOver = false
    void stopped.then(() => (isOver = true))
    clock.advance(5_000)
    clock.advance(1_000)
    await nextTurn()
    assert.ok(isOver)
    assert.deepEqual(told, ['stop', 'killed', 'let go'])
  })

  test('has the time of a term that cannot be drained, once that is known', async () => {
    const { clock, heart, told } = stubborn()
    let patienceMs = 5_000
    const stopped = heart.stop(() => patienceMs)
    clock.advance(4_000)
    patienceMs = 8_000
    clock.advance(3_999)
    assert.ok(!told.includes('killed'))
    clock.advance(1)
    await stopped
    assert.ok(told.includes('killed'))
  })

  test('has the longest time that any settings allowed for since', async () => {
    const { clock, heart, told } = stubborn()
    let patienceMs = 5_000
    const stopped = heart.stop(() => patienceMs)
    clock.advance(1_000)
    patienceMs = 8_000
    heart.reconfigure({})
    patienceMs = 2_000
    heart.reconfigure({})
    clock.advance(6_999)
    assert.ok(!told.includes('killed'))
    clock.advance(1)
    await stopped
    assert.ok(told.includes('killed'))
  })
})
