import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { readInstant } from '../../src/clock.ts'
import { Cell } from '../../src/heart/cell.ts'
import { Leadership } from '../../src/leadership.ts'
import { resolveRunning } from '../../src/options.ts'
import type { EndReason } from '../../src/store/lease-store.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** A leadership in its first term, and the reasons for which its terms have ended. */
function leading(): { leadership: Leadership; reasons: EndReason[] } {
  const clock = new FakeClock()
  const reasons: EndReason[] = []
  const settings = { ...resolveRunning({}, {}), lease: 'scheduler' }
  const leadership = new Leadership({
    clock,
    settings: () => settings as ReturnType<ConstructorParameters<typeof Leadership>[0]['settings']>,
    send() {},
    log() {},
    onBegin() {},
    onSoftStop() {},
    onUndrained() {},
    onEnd: (_term, reason) => reasons.push(reason),
  })
  const cell = new Cell(clock)
  const times = { ttlMs: 20_000, stopGraceMs: 2_000, safetyMarginMs: 1_000 }
  cell.open(1, readInstant(clock), times)
  leadership.acquired(cell, { kind: 'acquired', token: 1, holder: 'a:1:1' })
  return { leadership, reasons }
}

describe('a term whose heart is gone', () => {
  test('has ended for the reason that its heart has given', () => {
    const { leadership, reasons } = leading()
    leadership.ending({ kind: 'ending', token: 1, reason: 'store-unreachable' })
    leadership.abandon()
    assert.deepEqual(reasons, ['store-unreachable'])
  })

  test('was stopped where the heart has said nothing', () => {
    const { leadership, reasons } = leading()
    leadership.abandon()
    assert.deepEqual(reasons, ['stopped'])
    assert.equal(leadership.term, undefined)
  })
})
