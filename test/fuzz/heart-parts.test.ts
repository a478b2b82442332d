// The parts of the cell and of the line buffer at random.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { readInstant } from '../../src/clock.ts'
import type { LogLine } from '../../src/events.ts'
import { Cell } from '../../src/heart/cell.ts'
import { LineBuffer, linesMax } from '../../src/heart/line-buffer.ts'
import { suspendSlackMs } from '../../src/lease/term.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** What the heart does to the cell, what the main thread does, and time. */
type Step =
  | { readonly do: 'open'; readonly token: number; readonly ttlMs: number }
  | { readonly do: 'extend'; readonly ttlMs: number; readonly agoMs: number }
  | { readonly do: 'soft stop' | 'close' | 'look' }
  | { readonly do: 'freeze' | 'suspend'; readonly ms: number }

const constant = <const Value>(value: Value): fc.Arbitrary<Value> => fc.constant(value)
const ttlMs = fc.integer({ min: 2_000, max: 20_000 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: constant('open'), token: fc.integer({ min: 1, max: 3 }), ttlMs }),
  fc.record({ do: constant('extend'), ttlMs, agoMs: fc.nat(3_000) }),
  fc.record({ do: fc.constantFrom('soft stop', 'close', 'look', 'look') }),
  fc.record({ do: fc.constantFrom('freeze', 'suspend'), ms: fc.nat(4_000) }),
)

/** The term of a cell as this test understands it; instants count suspended time. */
interface Model {
  phase: 'none' | 'leading' | 'ending'
  token: number
  softStopMs: number
  hardFenceMs: number
}

const stopGraceMs = 600
const safetyMarginMs = 700
/** A shorter suspension is not noticed; the safety margin covers it. Besides, sums are rounded. */
const slackMs = suspendSlackMs + 1e-6

/** A number of any bits: denormal, negative, endless, or none. */
const anyBits = fc
  .tuple(fc.nat(2 ** 32 - 1), fc.nat(2 ** 32 - 1))
  .map((words) => new Float64Array(Uint32Array.from(words).buffer)[0] ?? 0)

describe('the cell', () => {
  test('never lets a reader trust for longer than was last written, nor lead after a soft stop', () => {
    const property = fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
      const clock = new FakeClock()
      const heart = new Cell(clock)
      const main = new Cell(clock, heart.buffer)
      const model: Model = { phase: 'none', token: 0, softStopMs: 0, hardFenceMs: 0 }
      // Time that counts for trust: the clock of a machine that is suspended goes on.
      let nowMs = 0
      const write = (ttlMs: number, agoMs: number): void => {
        model.hardFenceMs = nowMs - agoMs + ttlMs - safetyMarginMs
        model.softStopMs = model.hardFenceMs - stopGraceMs
      }
      for (const step of steps) {
        const since = readInstant(clock)
        switch (step.do) {
          case 'open': {
            heart.open(step.token, since, { ttlMs: step.ttlMs, stopGraceMs, safetyMarginMs })
            model.phase = 'leading'
            model.token = step.token
            write(step.ttlMs, 0)
            break
          }
          case 'extend': {
            const { agoMs, ttlMs } = step
            const sent = {
              monotonicMs: since.monotonicMs - agoMs,
              wallMs: since.wallMs - agoMs,
              uptimeMs: since.uptimeMs - agoMs,
            }
            const leads = heart.extend(sent, { ttlMs, stopGraceMs, safetyMarginMs })
            write(ttlMs, agoMs)
            assert.equal(leads, model.phase === 'leading')
            break
          }
          case 'soft stop':
            heart.softStop()
            if (model.phase === 'leading') model.phase = 'ending'
            break
          case 'close':
            heart.close()
            model.phase = 'none'
            break
          case 'look':
            break
          default:
            clock[step.do](step.ms)
            nowMs += step.ms
        }
        if (step.do !== 'look') continue
        for (const token of [0, 1, 2, 3]) {
          const isIt = token === model.token
          const leads = main.leads(token)
          const remainingMs = main.remainingMs(token)
          assert.equal(main.trusts(token), remainingMs > 0)
          if (leads) {
            assert.ok(isIt && model.phase === 'leading' && nowMs < model.softStopMs + slackMs)
          } else if (isIt && model.phase === 'leading') {
            // Suspended time is rounded up, by a second at most; then the soft stop is final.
            assert.ok(nowMs > model.softStopMs - 1_001)
            model.phase = 'ending'
          }
          const bound = isIt && model.phase !== 'none' ? model.hardFenceMs - nowMs : 0
          assert.ok(remainingMs <= Math.max(0, bound) + slackMs, `${remainingMs} > ${bound}`)
          assert.ok(main.untilSoftStopMs(token) <= Math.max(0, bound - stopGraceMs) + slackMs)
        }
      }
    })
    fc.assert(property, { numRuns: 1_000 })
  })

  test('whose heart died in the middle of a write shows what it had written before', () => {
    const garbage = fc.array(anyBits, { minLength: 6, maxLength: 6 })
    const property = fc.property(
      fc.nat(5),
      fc.nat(6),
      garbage,
      fc.nat(9_000),
      (writes, written, garbage, ms) => {
        const clock = new FakeClock()
        const heart = new Cell(clock)
        const times = { ttlMs: 6_000, stopGraceMs, safetyMarginMs }
        heart.open(1, readInstant(clock), times)
        for (let i = 0; i < writes; i++) heart.extend(readInstant(clock), times)
        const words = new Int32Array(heart.buffer, 0, 16)
        const numbers = new Float64Array(heart.buffer, 64)
        const invalid = (1 - ((words[0] ?? 0) & 1)) * (numbers.length / 2)
        for (let i = 0; i < written; i++) numbers[invalid + i] = garbage[i] ?? 0
        clock.freeze(ms)
        const main = new Cell(clock, heart.buffer)
        assert.equal(main.leads(1), ms < 6_000 - stopGraceMs - safetyMarginMs)
        assert.equal(main.remainingMs(1), Math.max(0, 6_000 - safetyMarginMs - ms))
      },
    )
    fc.assert(property, { numRuns: 1_000 })
  })

  test('of any bits neither throws nor hangs, and trust in it only runs out', () => {
    const bits = fc.record({
      words: fc.array(fc.integer(), { minLength: 16, maxLength: 16 }),
      numbers: fc.array(fc.oneof(anyBits, fc.double(), fc.integer({ min: 0, max: 2_000_000 })), {
        minLength: 12,
        maxLength: 12,
      }),
    })
    const property = fc.property(
      bits,
      fc.array(fc.nat(5_000), { maxLength: 8 }),
      ({ words, numbers }, waits) => {
        const clock = new FakeClock()
        const main = new Cell(clock)
        new Int32Array(main.buffer, 0, 16).set(words)
        new Float64Array(main.buffer, 64).set(numbers)
        const copy = ((words[0] ?? 0) & 1) * 6
        const token = numbers[copy] ?? 0
        let led = main.leads(token)
        let trusted = main.trusts(token)
        for (const ms of waits) {
          clock.freeze(ms)
          const leads = main.leads(token)
          const trusts = main.trusts(token)
          assert.ok(led || !leads, 'leads again')
          assert.ok(trusted || !trusts, 'is trusted again')
          assert.equal(main.trusts(token === 1 ? 2 : 1), false)
          led = leads
          trusted = trusts
        }
      },
    )
    fc.assert(property, { numRuns: 2_000 })
  })
})

describe('the buffer of lines', () => {
  test('loses no line without counting it, keeps their order, and is bounded', () => {
    const action = fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({ do: constant('add'), count: fc.integer({ min: 1, max: 700 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: constant('logged') }) },
    )
    const property = fc.property(fc.array(action, { maxLength: 12, size: 'max' }), (actions) => {
      const batches: (readonly LogLine[])[] = []
      const buffer = new LineBuffer((lines) => batches.push(lines))
      let added = 0
      let logged = 0
      const addOne = (): void => {
        buffer.add({ event: 'lease_held', timeMs: added, fields: { i: added } })
        added++
      }
      for (const action of actions) {
        if (action.do === 'add') for (let i = 0; i < action.count; i++) addOne()
        else if (logged < batches.length) {
          logged++
          buffer.logged()
        }
        assert.ok(batches.length <= logged + 1, 'one batch is under way at a time')
      }
      while (logged < batches.length) {
        logged++
        buffer.logged()
      }
      let next = 0
      for (const batch of batches) {
        assert.ok(batch.length > 0 && batch.length <= linesMax + 1)
        for (const { event, timeMs, fields } of batch) {
          if (event === 'log_lines_dropped') next += Number(fields['count'])
          else assert.equal(fields['i'], next++)
          // What was dropped is told with the time of what follows.
          assert.ok(timeMs === next || timeMs === next - 1)
        }
      }
      assert.equal(next, added)
    })
    fc.assert(property, { numRuns: 300 })
  })
})
