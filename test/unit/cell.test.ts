import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Worker } from 'node:worker_threads'

import { createSystemClock, readInstant } from '../../src/clock.ts'
import { Cell } from '../../src/heart/cell.ts'
import { elapsedMs } from '../../src/lease/term.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const times = { ttlMs: 6_000, stopGraceMs: 600, safetyMarginMs: 560 }
const softStopMs = 4_840
const hardFenceMs = 5_440

/** The heart's and the main thread's view of one cell. */
function cells(clock = new FakeClock()): { clock: FakeClock; heart: Cell; main: Cell } {
  const heart = new Cell(clock)
  return { clock, heart, main: new Cell(clock, heart.buffer) }
}

describe('the cell', () => {
  test('shows nothing before a term and after it', () => {
    const { clock, heart, main } = cells()
    assert.equal(main.leads(0), false)
    assert.equal(main.leads(1), false)
    heart.open(1, readInstant(clock), times)
    assert.equal(main.leads(1), true)
    assert.equal(main.trusts(1), true)
    heart.close()
    assert.equal(main.leads(1), false)
    assert.equal(main.trusts(1), false)
    assert.equal(main.remainingMs(1), 0)
  })

  test('shows leadership up to the soft stop, and trust up to the hard fence', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    clock.freeze(softStopMs - 1)
    assert.equal(main.leads(1), true)
    assert.equal(main.untilSoftStopMs(1), 1)
    clock.freeze(1)
    assert.equal(main.leads(1), false)
    assert.equal(main.trusts(1), true)
    assert.equal(main.remainingMs(1), hardFenceMs - softStopMs)
    clock.freeze(hardFenceMs - softStopMs)
    assert.equal(main.trusts(1), false)
  })

  test('moves on with each renewal', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    for (let renewal = 0; renewal < 5; renewal++) {
      clock.freeze(2_000)
      assert.equal(heart.extend(readInstant(clock), times), true)
      assert.equal(main.remainingMs(1), hardFenceMs)
    }
  })

  test('makes the soft stop final when the main thread has seen it first', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    clock.freeze(softStopMs)
    assert.equal(main.leads(1), false)
    assert.equal(heart.softStopSeen, true)
    assert.equal(heart.extend(readInstant(clock), times), false)
    assert.equal(main.leads(1), false, 'a late renewal does not bring leadership back')
    assert.equal(main.trusts(1), true, 'but the work may stop in peace')
  })

  test('makes the soft stop final when the heart has seen it first', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    heart.softStop()
    assert.equal(main.leads(1), false)
    assert.equal(main.trusts(1), true)
    heart.close()
    heart.softStop()
    assert.equal(main.trusts(1), false)
  })

  test('shows a term to nobody who asks for another', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    heart.close()
    heart.open(2, readInstant(clock), times)
    assert.equal(main.leads(1), false)
    assert.equal(main.leads(2), true)
    assert.equal(heart.softStopSeen, false)
  })

  test('knows that a suspended machine has lost its term, in the first look after waking', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    clock.suspend(20_000)
    assert.equal(main.leads(1), false)
    assert.equal(main.trusts(1), false)
  })

  test('knows it also where the wall clock was set back meanwhile, by more or by less', () => {
    for (const backMs of [3_000, 17_000, 60_000]) {
      const { clock, heart, main } = cells()
      heart.open(1, readInstant(clock), times)
      clock.suspend(20_000)
      clock.setWall(clock.wallMs() - backMs)
      assert.equal(main.leads(1), false, String(backMs))
      assert.equal(main.trusts(1), false, String(backMs))
    }
  })

  test('is not impressed by a wall clock that was set', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    clock.setWall(clock.wallMs() + 3_600_000)
    assert.equal(main.leads(1), true)
    clock.setWall(clock.wallMs() - 7_200_000)
    assert.equal(main.leads(1), true)
    clock.freeze(softStopMs)
    assert.equal(main.leads(1), false)
  })

  test('of a heart that is held up in the middle of a write shows what was written before', () => {
    const { clock, heart, main } = cells()
    heart.open(1, readInstant(clock), times)
    const words = new Int32Array(heart.buffer, 0, 16)
    const numbers = new Float64Array(heart.buffer, 64)
    // The copy that is not valid is half written, and stays so.
    const invalid = (1 - ((words[0] ?? 0) & 1)) * (numbers.length / 2)
    numbers.fill(Number.NaN, invalid, invalid + 3)
    assert.equal(main.leads(1), true)
    assert.equal(main.remainingMs(1), hardFenceMs)
    clock.freeze(hardFenceMs)
    assert.equal(main.trusts(1), false)
  })

  test('is never seen half written by another thread', async () => {
    const clock = createSystemClock()
    const cell = new Cell(clock)
    const path = new URL('../support/cell-writer.ts', import.meta.url)
    const worker = new Worker(path, { workerData: cell.buffer })
    const ended = new Promise((resolve) => worker.once('exit', resolve))
    // The writer keeps the hard fence at exactly a hundred hours after a send that it moves by
    // hundred hours each time: what is not of one write is hours off.
    await new Promise((resolve) => worker.once('message', resolve))
    const seen = new Set<number>()
    for (let looks = 0; looks < 200_000; looks++) {
      seen.add(Math.round(cell.remainingMs(1) / 3_600_000))
    }
    worker.postMessage('stop')
    await ended
    assert.deepEqual([...seen], [100])
  })

  test('wakes a main thread that waits for an exit, which otherwise waits no longer than it may', () => {
    const { heart, main } = cells()
    assert.equal(main.waitForExited(1), false)
    heart.exited()
    assert.equal(main.waitForExited(10_000), true)
    heart.holding = true
    assert.equal(main.holding, true)
  })
})

describe('elapsed time', () => {
  test('is monotonic, and counts suspended time', () => {
    const clock = new FakeClock()
    const since = readInstant(clock)
    clock.freeze(1_000)
    assert.equal(elapsedMs(since, clock), 1_000)
    clock.suspend(5_000)
    // The suspend-aware clock is coarse: it is rounded against the leader.
    assert.ok(elapsedMs(since, clock) >= 6_000 && elapsedMs(since, clock) <= 7_000)
  })

  test('never goes back, however coarse the suspend-aware clock is', () => {
    for (const grainMs of [10, 1_000]) {
      const clock = new FakeClock()
      clock.freeze(123)
      const coarse = {
        monotonicMs: () => clock.monotonicMs(),
        wallMs: () => clock.wallMs(),
        uptimeMs: () => Math.floor(clock.uptimeMs() / grainMs) * grainMs,
      }
      const since = readInstant(coarse)
      clock.suspend(1_500)
      let before = 0
      for (let looks = 0; looks < 1_000; looks++) {
        clock.freeze(3)
        const now = elapsedMs(since, coarse)
        assert.ok(now >= before, `${before} ms, and then ${now} ms`)
        assert.ok(now >= 1_500 + 3 * (looks + 1))
        before = now
      }
    }
  })

  test('asks the slow clock only where the wall clock and the monotonic one have come apart', () => {
    const clock = new FakeClock()
    const since = readInstant(clock)
    let asked = 0
    const counting = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      uptimeMs: () => {
        asked++
        return clock.uptimeMs()
      },
    }
    clock.freeze(10_000)
    elapsedMs(since, counting)
    assert.equal(asked, 0)
    clock.setWall(clock.wallMs() - 60_000)
    elapsedMs(since, counting)
    assert.equal(asked, 1)
    clock.setWall(clock.wallMs() + 120_000)
    elapsedMs(since, counting)
    assert.equal(asked, 2)
  })

  test('is the same in every thread of the machine', async () => {
    const clock = createSystemClock()
    const path = new URL('../support/clock-reader.ts', import.meta.url)
    const worker = new Worker(path)
    const before = clock.monotonicMs()
    const theirs = await new Promise<number>((resolve) => worker.once('message', resolve))
    const after = clock.monotonicMs()
    assert.ok(before <= theirs && theirs <= after, `${before} <= ${theirs} <= ${after}`)
  })
})
