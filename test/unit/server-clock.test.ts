import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { ServerClock } from '../../src/store/server/server-clock.ts'

const record = { token: 7, renewals: 3, ttlMs: 6_000 }
/** The smallest safety margin of a ttl of 6 s. */
const marginMs = 560

/** Reads the clock of a server that stands at `serverMs` when ours stands at `oursMs`. */
function look(clock: ServerClock, serverMs: number, oursMs: number, latencyMs = 0): number {
  return clock.read(serverMs, oursMs, oursMs + latencyMs)
}

describe("the server's clock", () => {
  test('is believed at first: there is nothing to compare it with', () => {
    const clock = new ServerClock()
    assert.equal(clock.seen('scheduler', 0), undefined)
    assert.equal(clock.isBelieved('scheduler', record, look(clock, 1e12, 500)), true)
    assert.deepEqual(clock.seen('scheduler', 1_500), { seenMs: 1e12, sinceMs: 1_000 })
  })

  test('may gain one percent and the smallest safety margin, and no more', () => {
    for (const [stepMs, believed] of [
      [marginMs - 1, true],
      [marginMs + 1, false],
      [60_000, false],
    ] as const) {
      const clock = new ServerClock()
      look(clock, 1_000_000, 0)
      const gainMs = look(clock, 1_000_000 + 10_100 + stepMs, 10_000)
      assert.equal(clock.isBelieved('scheduler', record, gainMs), believed, `${stepMs} ms`)
    }
  })

  test('is judged by all the time that a slow reply may have taken', () => {
    const clock = new ServerClock()
    look(clock, 1_000_000, 0)
    const gainMs = look(clock, 1_005_000, 100, 5_000)
    assert.equal(clock.isBelieved('scheduler', record, gainMs), true)
  })

  test('that was stepped is believed again about a record that was renewed since', () => {
    const clock = new ServerClock()
    look(clock, 1_000_000, 0)
    const gainMs = look(clock, 1_060_000, 10)
    assert.equal(clock.isBelieved('scheduler', record, gainMs), false)
    // The next readings show no step; the record is as old as before.
    assert.equal(clock.isBelieved('scheduler', record, look(clock, 1_061_000, 1_010)), false)
    assert.equal(clock.isBelieved('other', record, 0), true)
    const renewed = { ...record, renewals: 4 }
    assert.equal(clock.isBelieved('scheduler', renewed, look(clock, 1_062_000, 2_010)), true)
  })

  test('is compared with what it showed before a step, for as long as a record is disbelieved', () => {
    const clock = new ServerClock()
    look(clock, 1_000_000, 0)
    const beforeStep = { seenMs: 1_000_000, sinceMs: 2_000 }
    assert.equal(clock.isBelieved('scheduler', record, look(clock, 1_060_000, 10)), false)
    assert.deepEqual(clock.seen('scheduler', 2_000), beforeStep)
    // However often somebody looks: the step was before all of these.
    assert.equal(clock.isBelieved('scheduler', record, look(clock, 1_061_000, 1_010)), false)
    assert.deepEqual(clock.seen('scheduler', 2_000), beforeStep)
    assert.equal(clock.isBelieved('scheduler', record, look(clock, 1_121_000, 1_020)), false)
    assert.deepEqual(clock.seen('scheduler', 2_000), beforeStep, 'also after another step')
    assert.deepEqual(clock.seen('other', 2_020), { seenMs: 1_121_000, sinceMs: 1_000 })
    const renewed = { ...record, renewals: 4 }
    assert.equal(clock.isBelieved('scheduler', renewed, look(clock, 1_122_000, 2_020)), true)
    assert.deepEqual(clock.seen('scheduler', 2_030), { seenMs: 1_122_000, sinceMs: 10 })
  })

  test('is known more closely by what a push tells, if that is about what the last reply lets expect', () => {
    const hourMs = 3_600_000
    const clock = new ServerClock()
    look(clock, 1_000_000, 0)
    // An hour later one percent would be 36 s: the push bounds what may have happened since.
    clock.hear(1_000_000 + hourMs, hourMs)
    assert.deepEqual(clock.seen('scheduler', hourMs + 100), {
      seenMs: 1_000_000 + hourMs,
      sinceMs: 100,
    })
    const gainMs = look(clock, 1_000_000 + hourMs + 5_000, hourMs + 1_000)
    assert.equal(clock.isBelieved('scheduler', record, gainMs), false, 'it was stepped by 4 s')
  })

  test('is not what a forged push says', () => {
    for (const forgedMs of [0, 1, 1_000_000 - 2_000, 1_000_000 + 20_000, 1e15]) {
      const clock = new ServerClock()
      look(clock, 1_000_000, 0)
      clock.hear(forgedMs, 10_000)
      assert.deepEqual(clock.seen('scheduler', 10_000), { seenMs: 1_000_000, sinceMs: 10_000 })
      assert.equal(clock.isBelieved('scheduler', record, look(clock, 1_010_000, 10_000)), true)
    }
    const unread = new ServerClock()
    unread.hear(1_000_000, 0)
    assert.equal(
      unread.seen('scheduler', 0),
      undefined,
      'before any reply a push has nothing to fit to',
    )
  })

  test('bounds when something sent now may be carried out at the latest', () => {
    const clock = new ServerClock()
    assert.equal(clock.lastlyAt(0), undefined)
    look(clock, 1_000_000, 0)
    assert.equal(clock.lastlyAt(10_000), 1_010_100)
    assert.equal(clock.lastlyAt(Infinity), undefined)
  })

  test('that was set back gains nothing', () => {
    const clock = new ServerClock()
    look(clock, 1_000_000, 0)
    assert.equal(clock.isBelieved('scheduler', record, look(clock, 400_000, 1_000)), true)
  })
})
