import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Cell } from '../../src/heart/cell.ts'
import {
  recordOfError,
  type Command,
  type HeartConfig,
  type Report,
} from '../../src/heart/messages.ts'
import { HeartThread } from '../../src/heart/thread.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** A heart that hears of a stop, and does not end by itself. */
function stubborn(): {
  clock: FakeClock
  heart: HeartThread
  told: string[]
  hear: (report: Report) => void
} {
  let hear: (report: Report) => void = () => {}
  const clock = new FakeClock()
  const told: string[] = []
  const fixed = { witness: false, host: 'main' } as HeartConfig['fixed']
  const config = { store: { scheme: 'memory', name: '' }, fixed, options: {} } as HeartConfig
  const over = Promise.withResolvers<void>()
  const heart = new HeartThread(config, {
    process: { on: () => {}, off: () => {} },
    runHeart: (_config, _clock, hears) => {
      hear = hears
      return {
        cell: new Cell(clock),
        over: over.promise,
        send: ({ kind }: Command) => void told.push(kind),
        keepAlive() {},
        kill() {
          told.push('killed')
          over.resolve()
        },
      }
    },
    clock,
    stallLimitMs: () => 60_000,
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
