import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { formatDuration } from '../../src/duration.ts'
import { describeValue, TenureError } from '../../src/errors.ts'
import type { LogLine } from '../../src/events.ts'
import { LedgerDesk, type LedgerAnswer } from '../../src/heart/ledger-desk.ts'
import { LineBuffer, linesMax } from '../../src/heart/line-buffer.ts'
import { errorOfRecord, recordOfError } from '../../src/heart/error-record.ts'
import { StallGate, stallTickMs } from '../../src/heart/stall-gate.ts'
import { backoffMs } from '../../src/lease/backoff.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

describe('the stall gate', () => {
  test('counts from the last sign of life, in ticks', () => {
    const gate = new StallGate(0, 0)
    assert.equal(gate.tick(1, 100, 100), 0)
    assert.equal(gate.tick(1, 200, 100), 100)
    assert.equal(gate.tick(1, 300, 100), 200)
    assert.equal(gate.tick(2, 400, 100), 0)
  })

  test('does not take a process that was stopped as a whole for one that stalls', () => {
    const gate = new StallGate(0, 0)
    gate.tick(1, 100, 100)
    // An hour passes without a tick: the heart did not run either.
    assert.equal(gate.tick(1, 3_600_100, 100), 200)
    assert.equal(gate.tick(2, 3_600_200, 100), 0)
  })

  test('looks 50 times a stall limit, and twice a second at least', () => {
    assert.equal(stallTickMs(6_000), 120)
    assert.equal(stallTickMs(60_000), 500)
    assert.equal(stallTickMs(3_600_000), 500)
  })
})

describe('the buffer of lines', () => {
  const line = (i: number): LogLine => ({ event: 'lease_held', timeMs: i, fields: { i } })

  test('sends one batch at a time, and what came meanwhile after it', () => {
    const sent: (readonly LogLine[])[] = []
    const buffer = new LineBuffer((lines) => sent.push(lines))
    for (let i = 0; i < 4; i++) buffer.add(line(i))
    assert.deepEqual(
      sent.map((lines) => lines.length),
      [1],
    )
    buffer.logged()
    assert.deepEqual(
      sent.map((lines) => lines.length),
      [1, 3],
    )
    buffer.logged()
    buffer.logged()
    assert.equal(sent.length, 2)
  })

  test('is bounded: the oldest are dropped, counted, and the rest keeps its own times', () => {
    const sent: (readonly LogLine[])[] = []
    const buffer = new LineBuffer((lines) => sent.push(lines))
    for (let i = 0; i <= linesMax + 5; i++) buffer.add(line(i))
    buffer.logged()
    const [first, second] = sent[1] ?? []
    assert.deepEqual(first, { event: 'log_lines_dropped', timeMs: 6, fields: { count: 5 } })
    assert.equal(second?.timeMs, 6)
    assert.equal(sent[1]?.length, linesMax + 1)
  })
})

test('an error keeps its code, its message and its stack when it crosses threads', () => {
  const error = new TenureError('TENURE_ERR_STORE_MODULE', 'Expected a module.')
  const crossed = errorOfRecord(structuredClone(recordOfError(error)))
  assert.ok(crossed instanceof TenureError)
  assert.equal(crossed.code, error.code)
  assert.equal(crossed.message, error.message)
  assert.equal(crossed.stack, error.stack)
})

test("anybody else's error keeps its own code when it crosses threads, or else its name", () => {
  const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' })
  const crossed = errorOfRecord(structuredClone(recordOfError(full)))
  assert.ok(!(crossed instanceof TenureError))
  assert.equal((crossed as { code?: unknown }).code, 'SQLITE_FULL')
  assert.equal(crossed.message, full.message)
  assert.equal(recordOfError(new RangeError('no')).error, 'RangeError')
  assert.equal(recordOfError('thrown').error, 'string')
})

/** What is made to be looked at by nobody. */
const unprintable: readonly unknown[] = [
  Object.create(null),
  Symbol('x'),
  Object.assign(new Error(), { message: Symbol('x'), code: Symbol('x') }),
  new Proxy({}, { get: refuse, ownKeys: refuse, getPrototypeOf: refuse, has: refuse }),
  new Proxy(new Error(), { get: refuse, getPrototypeOf: refuse }),
  revoked(),
  Object.defineProperties(new Error(), {
    message: { get: refuse },
    stack: { get: refuse },
    code: { get: refuse },
    name: { get: refuse },
  }),
  { toString: refuse, toJSON: refuse },
]

function refuse(): never {
  throw new Error('looked at')
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable([], {})
  revoke()
  return proxy
}

test('whatever was thrown can be told, and crosses threads', () => {
  for (const thrown of [...unprintable, null, undefined, 1n, () => {}]) {
    const { error, message } = structuredClone(recordOfError(thrown))
    assert.equal(typeof error, 'string')
    assert.equal(typeof message, 'string')
    assert.equal(typeof describeValue(thrown), 'string')
    assert.ok(errorOfRecord(recordOfError(thrown)) instanceof Error)
  }
})

test('what is told of a text has nothing that a terminal obeys', () => {
  const text = '\u001B[31m\u009B31m\u0007\n\u007F\u2028\u202E'
  assert.doesNotMatch(describeValue(text), /[\p{Cc}\p{Zl}\u202E]/u)
})

test('what is told of it is bounded, however much was thrown', () => {
  const much = 'x'.repeat(1_000_000)
  const parts = Object.fromEntries(Array.from({ length: 100_000 }, (_, key) => [`k${key}`, key]))
  const named = Object.assign(new Error(much), { name: much, code: much })
  const thrown = [much, Symbol(much), Buffer.alloc(1_000_000), new Error(much), named, parts]
  for (const value of [...thrown, { [much]: 1 }, 10n ** 10_000n, Object(much)]) {
    const { error, message, stack = '' } = recordOfError(value)
    assert.ok(error.length <= 100, error.slice(0, 200))
    assert.ok(message.length + stack.length < 30_000, message.slice(0, 200))
    assert.ok(describeValue(value).length < 2_000, describeValue(value).slice(0, 200))
  }
})

describe("the calls of a ledger of somebody's own", () => {
  /** What is answered to a claim, if the store replies this. */
  function answered(reply: unknown): Promise<LedgerAnswer> {
    return new Promise((resolve) => {
      const desk = new LedgerDesk({
        open: async () => ({ tryClaim: async () => reply, close: async () => {} }) as never,
        clock: new FakeClock(),
        timeoutMs: () => 1_000,
        answer: (_id, answer) => resolve(answer),
        superseded: () => {},
      })
      desk.call(1, { verb: 'claim', request: { token: 1, claims: [{}] } as never })
    })
  }

  test('are answered only by what a ledger may reply', async () => {
    const claimed = { kind: 'answered', outcomes: [{ kind: 'claimed' }] }
    assert.deepEqual(await answered(claimed), { kind: 'replied', reply: claimed })
    const superseded = { kind: 'superseded', token: 2 }
    assert.deepEqual(await answered(superseded), { kind: 'replied', reply: superseded })
    for (const reply of [
      null,
      'x',
      {},
      { kind: 'superseded' },
      { kind: 'superseded', token: 'x' },
      { kind: 'answered' },
      { kind: 'answered', outcomes: [] },
      { kind: 'answered', outcomes: [null] },
    ]) {
      assert.equal((await answered(reply)).kind, 'failed')
    }
  })

  test('that throw what cannot be printed have failed', async () => {
    for (const thrown of unprintable) {
      const desk = Promise.withResolvers<LedgerAnswer>()
      new LedgerDesk({
        open: () => Promise.reject(thrown),
        clock: new FakeClock(),
        timeoutMs: () => 1_000,
        answer: (_id, answer) => desk.resolve(answer),
        superseded: () => {},
      }).call(1, { verb: 'claim', request: { claims: [] } as never })
      assert.equal((await desk.promise).kind, 'failed')
    }
  })
})

test('a back-off is never longer than its base at first, doubles, and has a longest', () => {
  const times = { baseMs: 200, maxMs: 2_000 }
  const least = (): number => 0
  const most = (): number => 0.999
  assert.deepEqual(
    [1, 2, 3, 4, 5, 99].map((retry) => backoffMs(retry, times, least)),
    [200, 400, 800, 1_600, 2_000, 2_000],
  )
  for (let retry = 1; retry < 10; retry++) {
    const ms = backoffMs(retry, times, most)
    assert.ok(ms > 0.8 * Math.min(200 * 2 ** (retry - 1), 2_000) - 1, formatDuration(ms))
  }
})
