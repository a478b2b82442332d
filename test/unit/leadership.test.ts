import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { readInstant } from '../../src/clock.ts'
import { Cell } from '../../src/heart/cell.ts'
import type { Command } from '../../src/heart/messages.ts'
import { Leadership } from '../../src/instance/leadership.ts'
import { resolveRunning } from '../../src/options.ts'
import type { EndReason } from '../../src/store/lease-store.ts'
import { Bench } from '../support/bench.ts'

interface Leading {
  readonly clock: Bench['clock']
  /** Lets time pass in steps of a second. */
  readonly pass: (ms: number) => Promise<void>
  readonly leadership: Leadership
  readonly cell: Cell
  /** What the heart was told. */
  readonly sent: Command[]
  /** Why its terms have ended. */
  readonly reasons: EndReason[]
}

/** A leadership in its first term. */
function leading(): Leading {
  const bench = new Bench()
  const { clock } = bench
  const sent: Command[] = []
  const reasons: EndReason[] = []
  const settings = { ...resolveRunning({}, {}), lease: 'scheduler' }
  const leadership = new Leadership({
    clock,
    settings: () => settings as ReturnType<ConstructorParameters<typeof Leadership>[0]['settings']>,
    send: (command) => sent.push(command),
    log() {},
    onBegin() {},
    onSoftStop() {},
    onEnd: (_term, reason) => reasons.push(reason),
    tellDefect: assert.ifError,
  })
  const cell = new Cell(clock)
  const times = { ttlMs: 20_000, stopGraceMs: 2_000, safetyMarginMs: 1_000 }
  cell.open(1, readInstant(clock), times)
  leadership.acquired(cell, { kind: 'acquired', token: 1, holder: 'a:1:1' })
  return { clock, pass: (ms) => bench.pass(ms, 1_000), leadership, cell, sent, reasons }
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

describe('a term that is resigned with a drain of 12 s', () => {
  /** When its work is aborted, if this is asked for 5 s later, in milliseconds from its end on. */
  async function abortedAfterMs(drainMs: number): Promise<number | undefined> {
    const { clock, pass, leadership } = leading()
    const { term } = leadership
    assert.ok(term)
    const beganMs = clock.monotonicMs()
    let abortedMs: number | undefined
    const abort = (): void => void (abortedMs ??= clock.monotonicMs() - beganMs)
    term.work.add({ name: 'stubborn', abort }, new Promise(() => {}))
    leadership.drainMs = 12_000
    leadership.ending({ kind: 'ending', token: 1, reason: 'resigned' })
    await pass(5_000)
    leadership.drainMs = drainMs
    await pass(10_000)
    return abortedMs
  }

  test('and then stopped with a drain of 1 s, has aborted its work 6 s after its end began', async () => {
    assert.equal(await abortedAfterMs(1_000), 6_000)
  })

  test('and then stopped with one of 30 s, keeps to its own', async () => {
    assert.equal(await abortedAfterMs(30_000), 12_000)
  })

  test('and had been stopped with one of 1 s in the same turn, drains for that', async () => {
    const { pass, leadership } = leading()
    const { term } = leadership
    assert.ok(term)
    let aborted = false
    const abort = (): void => void (aborted = true)
    term.work.add({ name: 'stubborn', abort }, new Promise(() => {}))
    leadership.drainMs = 1_000
    leadership.drainMs = 12_000
    leadership.ending({ kind: 'ending', token: 1, reason: 'stopped' })
    await pass(1_000)
    assert.equal(aborted, true)
  })

  test('has still its whole grace where the drain is cut short', async () => {
    const { pass, leadership, sent } = leading()
    leadership.term?.work.add({ name: 'stubborn', abort() {} }, new Promise(() => {}))
    leadership.drainMs = 12_000
    leadership.ending({ kind: 'ending', token: 1, reason: 'resigned' })
    leadership.drainMs = 1_000
    await pass(1_000)
    leadership.drainMs = 0
    await pass(1_999)
    assert.deepEqual(sent, [])
    await pass(1)
    assert.deepEqual(sent, [{ kind: 'drained', token: 1, complete: false }])
  })
})

test('a term whose work does not end leaves its heart time until the lease expires, also once it is told as lost', async () => {
  const { pass, leadership, cell, sent, reasons } = leading()
  const limitMs = leadership.stopLimitMs(0)
  leadership.term?.work.add({ name: 'stubborn', abort() {} }, new Promise(() => {}))
  leadership.drainMs = 0
  leadership.ending({ kind: 'ending', token: 1, reason: 'stopped' })
  await pass(3_000)
  assert.deepEqual(sent, [{ kind: 'drained', token: 1, complete: false }])
  // The heart ends trust now. The lease, which it may not release, lasts.
  cell.close()
  leadership.look()
  await pass(1_000)
  assert.deepEqual(reasons, ['stopped'])
  assert.equal(leadership.stopLimitMs(0), limitMs + 20_000)
  await leadership.whenUndrained()
  leadership.ended({ kind: 'ended', token: 1, reason: 'stopped', released: false })
  assert.equal(leadership.stopLimitMs(0), limitMs)
})
