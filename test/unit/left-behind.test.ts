// No acquisition is left behind, and no token comes twice, also on a store that went back.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Attempt } from '../../src/lease/elector-port.ts'
import { LeaseTable } from '../../src/store/memory/lease-table.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { ElectorBench, shortSet } from '../support/elector-bench.ts'

const attemptMs = shortSet.attemptTimeoutMs

/** An acquisition was granted, and its reply is lost: as it times out, or while it is under way. */
function bereft(when: 'waiting' | 'acquiring' = 'waiting'): ElectorBench {
  const bench = new ElectorBench()
  bench.elector.start()
  if (when === 'waiting') bench.lose({ applied: true })
  else bench.apply(bench.inFlight ?? assert.fail('it asks at its start'))
  return bench
}

function holderOf(attempt: Attempt): string {
  return attempt.verb === 'acquire' ? attempt.request.holder : assert.fail(attempt.verb)
}

describe('an acquisition whose outcome is unknown', () => {
  for (const end of ['stop', 'exit'] as const) {
    const finish = (bench: ElectorBench): void =>
      end === 'stop' ? bench.elector.stop() : bench.elector.exit('stopped')

    test(`is asked about as the same holder at ${end}, and released`, () => {
      for (const when of ['waiting', 'acquiring'] as const) {
        const bench = bereft(when)
        finish(bench)
        if (when === 'acquiring') bench.lose()
        assert.equal(holderOf(bench.inFlight ?? assert.fail('it asks at once')), 'a:1')
        bench.answer()
        assert.equal(bench.answer().verb, 'release')
        assert.equal(bench.elector.state, 'stopped')
        assert.equal(bench.table.read('scheduler').record, undefined)
        assert.ok(!bench.kinds().includes('acquired'), 'it never led')
      }
    })

    test(`holds ${end} up for no more than three attempts`, () => {
      for (const when of ['waiting', 'acquiring'] as const) {
        const bench = bereft(when)
        const startedMs = bench.clock.monotonicMs()
        finish(bench)
        let attempts = 0
        while (bench.elector.state !== 'stopped') {
          attempts++
          assert.ok(attempts <= 3, 'three attempts in all')
          const attempt = bench.inFlight ?? assert.fail('something is under way')
          bench.clock.advance(attempt.timeoutMs)
          bench.lose()
        }
        assert.ok(bench.clock.monotonicMs() - startedMs <= 3 * attemptMs)
      }
    })

    test(`leaves time for the release at ${end}: a question that is slow does not`, () => {
      const bench = bereft('acquiring')
      finish(bench)
      bench.clock.advance(attemptMs + 100)
      bench.lose()
      const { timeoutMs } = bench.inFlight ?? assert.fail('it asks again')
      assert.equal(timeoutMs, attemptMs - 100)
    })

    test(`ends ${end} at once where the store cannot be reached at all`, () => {
      const bench = bereft()
      finish(bench)
      while (bench.elector.state !== 'stopped') bench.lose({ failure: 'error' })
      assert.deepEqual(bench.verbs, ['acquire', 'acquire', 'acquire'])
    })

    test(`which another has been granted meanwhile is over at ${end}`, () => {
      const bench = new ElectorBench()
      bench.elector.start()
      bench.clock.advance(attemptMs)
      bench.lose()
      new ElectorBench({ name: 'b', clock: bench.clock, table: bench.table }).lead()
      finish(bench)
      bench.answer()
      assert.equal(bench.elector.state, 'stopped')
      assert.equal(bench.table.read('scheduler').record?.holder, 'b:1')
    })
  }

  test('is given back if its instance was asked to resign meanwhile, and the cool-down is kept', () => {
    for (const when of ['waiting', 'acquiring'] as const) {
      const bench = bereft(when)
      bench.elector.resign(30_000)
      if (when === 'acquiring') bench.lose()
      bench.untilAttempt()
      bench.answer()
      const release = bench.answer()
      assert.ok(release.verb === 'release' && release.request.reason === 'resigned')
      assert.equal(bench.table.read('scheduler').record, undefined)
      assert.ok(!bench.kinds().includes('acquired'))
      bench.advance(28_000)
      assert.equal(bench.inFlight, undefined, 'it is no candidate')
      bench.advance(2_100)
      assert.equal(holderOf(bench.take()), 'a:2')
    }
  })

  test('is found out and given back by an instance that may not lead any more', () => {
    const bench = bereft()
    bench.elector.setEligible(false)
    bench.untilAttempt()
    bench.answer()
    bench.answer()
    assert.equal(bench.table.read('scheduler').record, undefined)
    bench.advance(60_000)
    assert.equal(bench.inFlight, undefined)
  })

  test('is asked about by one that may not lead until what it was granted has expired, and no longer', () => {
    const bench = bereft()
    bench.elector.setEligible(false)
    const startedMs = bench.clock.monotonicMs()
    let lastMs = startedMs
    for (let ms = 0; ms < 60_000; ms += 50) {
      bench.advance(50)
      if (bench.inFlight === undefined) continue
      lastMs = bench.clock.monotonicMs()
      bench.lose({ failure: 'error' })
      // The store went away for good: each question may have been granted, too.
      if (lastMs - startedMs > 10_000) bench.elector.setResponsive(false)
    }
    bench.elector.setResponsive(true)
    bench.advance(10_000)
    assert.equal(bench.inFlight, undefined)
    bench.elector.setEligible(true)
    assert.equal(holderOf(bench.untilAttempt()), 'a:1', 'it is a retry all the same')
  })

  test('that was refused at last keeps its holder while a late copy may be granted', () => {
    const clock = new FakeClock()
    const leader = new ElectorBench({ name: 'leader', clock }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table: leader.table })
    bench.elector.start()
    const late = bench.lose({ failure: 'error' })
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('held').unsettled, true)
    leader.elector.resign(60_000)
    leader.elector.drained(1, true)
    leader.answer()
    // It arrives at last, and nobody waits for the reply.
    bench.apply(late)
    bench.elector.push()
    assert.equal(holderOf(bench.untilAttempt()), 'b:1')
    bench.answer()
    assert.equal(bench.last('acquired').token, 2)
  })

  test('that was refused at last, and whose time is over, is followed by another holder', () => {
    const clock = new FakeClock()
    const leader = new ElectorBench({ name: 'leader', clock }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table: leader.table })
    bench.elector.start()
    bench.lose({ failure: 'error' })
    bench.untilAttempt()
    bench.clock.advance(attemptMs)
    bench.answer()
    assert.equal(bench.last('held').unsettled, false)
    bench.elector.push()
    assert.equal(holderOf(bench.untilAttempt()), 'b:2')
  })

  test('that was refused is asked about once more at a stop, when no late copy can be granted', () => {
    const clock = new FakeClock()
    const leader = new ElectorBench({ name: 'leader', clock }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table: leader.table })
    bench.elector.start()
    bench.lose({ failure: 'error' })
    bench.untilAttempt()
    bench.answer()
    bench.elector.stop()
    const startedMs = clock.monotonicMs()
    bench.untilAttempt()
    assert.ok(clock.monotonicMs() - startedMs <= attemptMs)
    bench.answer()
    assert.equal(bench.elector.state, 'stopped')
  })

  test('that can never be granted is followed by another holder, after a back-off', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    for (const holder of ['a:1', 'a:2', 'a:3']) {
      const attempt = bench.untilAttempt()
      assert.equal(holderOf(bench.take()), holder)
      bench.elector.settled(attempt, { kind: 'replied', reply: { kind: 'over' } })
      assert.equal(bench.elector.state, 'waiting')
      assert.ok((bench.elector.nextWakeMs ?? 0) >= bench.clock.monotonicMs() + 100)
    }
  })
})

describe('an acquisition', () => {
  test('says within what time it may be granted: that of its attempt', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    const attempt = bench.take()
    assert.equal(attempt.verb === 'acquire' && attempt.request.grantWithinMs, attemptMs)
  })

  test('is above all tokens that a reply has told: of a record, a refusal, or the ledger', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    const knownToken = (): number | undefined => {
      const attempt = bench.untilAttempt()
      return attempt.verb === 'acquire' ? attempt.request.knownToken : undefined
    }
    assert.equal(knownToken(), 0)
    const other = new LeaseTable(bench.clock)
    other.setCounter('scheduler', 500)
    const { lease, application, label, ttlMs } = shortSet
    const request = { lease, holder: 'b', application, label, ttlMs, observed: undefined }
    other.acquire(request)
    const held = other.acquire({ ...request, holder: 'c' })
    bench.elector.settled(bench.take(), { kind: 'replied', reply: held })
    bench.elector.push()
    assert.equal(knownToken(), 501)
    bench.answer()
    assert.equal(bench.last('acquired').token, 502, 'the counter has never been so high')
    const renewal = bench.untilAttempt()
    bench.take()
    const by = { holder: 'd', token: 900, application, label }
    const reply = { kind: 'refused', cause: 'taken', by } as const
    bench.elector.settled(renewal, { kind: 'replied', reply })
    bench.table.deleteRecord('scheduler')
    const note = bench.untilAttempt()
    if (note.verb === 'note') bench.answer()
    assert.equal(knownToken(), 900)
    bench.answer()
    bench.elector.superseded(1, 2_000)
    bench.elector.resign(0)
    bench.elector.drained(bench.last('acquired').token, true)
    bench.answer()
    assert.equal(knownToken(), 2_000)
  })

  test('may be the one whose token the ledger has told before its reply came', () => {
    const bench = bereft()
    bench.elector.superseded(0, 1)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('acquired').token, 1)
    assert.ok(!bench.kinds().includes('token-went-back'))
  })

  test('does not take a token from a push', () => {
    const leader = new ElectorBench({ name: 'leader' }).lead()
    const bench = new ElectorBench({ name: 'b', clock: leader.clock, table: leader.table })
    bench.elector.start()
    bench.answer()
    bench.elector.pushRenewed({ token: 2 ** 52, renewals: 1, ttlMs: 6_000 })
    const attempt = bench.untilAttempt()
    assert.equal(attempt.verb === 'acquire' && attempt.request.knownToken, 1)
  })

  test('is made ever more rarely where the store does not heed the token that it is told', () => {
    const bench = new ElectorBench().lead()
    bench.elector.resign(0)
    bench.elector.drained(1, true)
    bench.answer()
    const restored = new LeaseTable(bench.clock)
    let asked = 0
    for (let ms = 0; ms < 60_000; ms += 10) {
      bench.advance(10)
      const attempt = bench.inFlight
      if (attempt === undefined) continue
      if (attempt.verb === 'acquire') {
        asked++
        const { knownToken: _, ...request } = attempt.request
        bench.take()
        // It goes back again and again.
        restored.setCounter('scheduler', undefined)
        restored.deleteHistory('scheduler')
        bench.elector.settled(attempt, { kind: 'replied', reply: restored.acquire(request) })
      } else if (attempt.verb === 'release') {
        bench.take()
        const reply = restored.release(attempt.request)
        bench.elector.settled(attempt, { kind: 'replied', reply })
      } else {
        assert.fail(attempt.verb)
      }
    }
    assert.ok(asked >= 8 && asked <= 20, `${asked} acquisitions in a minute`)
  })
})

describe('a term that the ledger takes for superseded', () => {
  test('ends if the lease is renewed all the same, and the next token is higher', () => {
    const bench = new ElectorBench().lead()
    bench.table.setCounter('scheduler', 40)
    bench.clock.advance(500)
    bench.elector.superseded(1, 40)
    assert.equal(bench.untilAttempt().verb, 'renew')
    assert.ok(bench.clock.monotonicMs() - (bench.trust.since?.monotonicMs ?? 0) < 700)
    bench.answer()
    assert.deepEqual(bench.last('superseded'), { kind: 'superseded', token: 1, by: 40 })
    assert.equal(bench.last('ending').reason, 'resigned')
    bench.elector.drained(1, true)
    bench.answer()
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('acquired').token, 41)
  })

  test('is not judged by a renewal that was sent before', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    bench.clock.advance(10)
    bench.elector.superseded(1, 40)
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.elector.state, 'ending')
  })

  test('is stolen if the lease is not renewed', () => {
    const bench = new ElectorBench().lead()
    bench.clock.advance(500)
    bench.table.deleteRecord('scheduler')
    bench.elector.superseded(1, 40)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('ended').reason, 'stolen')
  })

  test('goes on if that was said of an earlier term', () => {
    const bench = new ElectorBench().lead()
    bench.elector.resign(0)
    bench.elector.drained(1, true)
    bench.answer()
    bench.untilAttempt()
    bench.answer()
    bench.elector.superseded(1, 2)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
  })
})
