import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { DueQueue, type Due } from '../../src/schedule/due-queue.ts'
import { nextOfInterval } from '../../src/schedule/schedule.ts'

describe('a queue of what is due', () => {
  test('gives out its members in order, whatever was added and taken out', () => {
    const steps = fc.array(fc.record({ dueMs: fc.nat(1_000), removes: fc.boolean(), at: fc.nat() }))
    fc.assert(
      fc.property(steps, (added) => {
        const queue = new DueQueue<Due>()
        const inside: Due[] = []
        for (const { dueMs, removes, at } of added) {
          const item: Due = { dueMs, place: undefined }
          queue.add(item)
          inside.push(item)
          const [taken] = removes ? inside.splice(at % inside.length, 1) : []
          if (taken !== undefined) {
            queue.remove(taken)
            assert.equal(taken.place, undefined)
          }
        }
        const expected = inside.map(({ dueMs }) => dueMs).toSorted((a, b) => a - b)
        for (const dueMs of expected) {
          const { first } = queue
          assert.equal(first?.dueMs, dueMs)
          if (first) queue.remove(first)
        }
        assert.equal(queue.first, undefined)
      }),
    )
  })

  test('leaves alone what is in no queue', () => {
    const queue = new DueQueue<Due>()
    queue.add({ dueMs: 1, place: undefined })
    queue.remove({ dueMs: 1, place: 0 })
    queue.remove({ dueMs: 1, place: undefined })
    assert.equal(queue.first?.dueMs, 1)
  })
})

describe('the ticks of an interval', () => {
  test('are after now, at most one interval away, and on the grid of the anchor', () => {
    fc.assert(
      fc.property(
        fc.nat(10 ** 9),
        fc.integer({ min: 10, max: 10 ** 8 }),
        fc.nat(10 ** 9),
        (anchorMs, everyMs, laterMs) => {
          const nowMs = anchorMs + laterMs
          const next = nextOfInterval(anchorMs, everyMs, nowMs)
          assert.ok(next > nowMs && next <= nowMs + everyMs)
          assert.equal((next - anchorMs) % everyMs, 0)
        },
      ),
    )
  })

  test('survive fractions of milliseconds', () => {
    const next = nextOfInterval(0.1, 0.2 * 3, 0.1 + 0.6 * 3)
    assert.ok(next > 0.1 + 0.6 * 3)
  })
})
