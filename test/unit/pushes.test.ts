// Pushes are not lost, and not trusted: what a candidate or a leader makes of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { believedTtls } from '../../src/lease/candidacy.ts'
import { pushedLookMsMin } from '../../src/lease/pushed-looks.ts'
import type { LeaseRecord, PushedRenewal } from '../../src/store/lease-store.ts'
import { LeaseTable } from '../../src/store/memory/lease-table.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { ElectorBench, shortSet } from '../support/elector-bench.ts'

/** R + A + e of the short set: when the next renewal has been heard of. */
const renewsWithinMs = 2_000 + 1_000 + 560

/** A leader, and a candidate that was refused and hears of renewals. */
function leaderAndCandidate(): { leader: ElectorBench; bench: ElectorBench } {
  const leader = new ElectorBench({ name: 'leader' }).lead()
  const bench = new ElectorBench({ name: 'b', clock: leader.clock, table: leader.table })
  bench.elector.setPushes('renewals')
  bench.elector.start()
  bench.answer()
  return { leader, bench }
}

function waitMs(bench: ElectorBench): number {
  return (bench.elector.nextWakeMs ?? Infinity) - bench.clock.monotonicMs()
}

function recordOf(bench: ElectorBench): LeaseRecord {
  return bench.table.read('scheduler').record ?? assert.fail('nobody holds the lease')
}

/** Answers all that is sent for a time, while something happens each millisecond. */
function countSent(bench: ElectorBench, ms: number, happens: (atMs: number) => void): number {
  let sent = 0
  for (let atMs = 0; atMs < ms; atMs++) {
    happens(atMs)
    bench.elector.wake()
    if (bench.inFlight !== undefined) {
      bench.answer()
      sent++
    }
    bench.clock.advance(1)
  }
  return sent
}

describe('times in the store that are no numbers', () => {
  test('set no timer that fires at once, and the record is left to its holder until it changes', () => {
    for (const wrong of [Number.NaN, 'NaN', 'Infinity', undefined, null, {}] as never[]) {
      const { leader, bench } = leaderAndCandidate()
      bench.elector.push()
      const asked = bench.untilAttempt()
      bench.take()
      const times = { ttlMs: wrong, remainingMs: wrong, ageMs: wrong, renewsWithinMs: wrong }
      const reply = { kind: 'held', record: { ...recordOf(leader), ...times } } as const
      bench.elector.settled(asked, { kind: 'replied', reply })
      assert.ok(waitMs(bench) > 100, `${String(wrong)}: it waits for ${waitMs(bench)} ms`)
      leader.elector.resign(60_000)
      leader.elector.drained(1, true)
      leader.answer()
      bench.elector.push()
      bench.untilAttempt()
      bench.answer()
      assert.equal(bench.elector.state, 'leading')
    }
  })

  test('are no cool-down of a wish to resign', () => {
    for (const wrong of [Number.NaN, 'NaN', 'Infinity', Infinity, -Infinity] as never[]) {
      const bench = new ElectorBench().lead()
      const renewal = bench.untilAttempt()
      bench.take()
      const resignRequest = { token: 1, by: 'ops', coolDownMs: wrong }
      bench.elector.settled(renewal, { kind: 'replied', reply: { kind: 'renewed', resignRequest } })
      bench.elector.drained(1, true)
      bench.answer()
      assert.ok(waitMs(bench) < 1_000, `${String(wrong)}: it waits for ${waitMs(bench)} ms`)
      bench.untilAttempt()
      bench.answer()
      assert.equal(bench.elector.state, 'leading')
    }
  })
})

describe('a push', () => {
  test('that comes while an acquisition is under way causes one look when that settles', () => {
    for (const pushes of [1, 50]) {
      const { leader, bench } = leaderAndCandidate()
      bench.elector.push()
      const asked = bench.untilAttempt()
      // The reply is under way, and says that the lease is held, when it is released.
      const reply = bench.apply(asked)
      leader.elector.resign(60_000)
      leader.elector.drained(1, true)
      leader.answer()
      for (let i = 0; i < pushes; i++) bench.elector.push()
      bench.take()
      bench.elector.settled(asked, { kind: 'replied', reply })
      assert.equal(bench.elector.state, 'waiting')
      assert.ok(waitMs(bench) <= pushedLookMsMin + 10, `it waits for ${waitMs(bench)} ms`)
      bench.untilAttempt()
      bench.answer()
      assert.equal(bench.elector.state, 'leading')
      assert.equal(bench.verbs.filter((verb) => verb === 'acquire').length, 3)
    }
  })

  test('that comes while an acquisition fails is followed by a look all the same', () => {
    const { bench } = leaderAndCandidate()
    bench.elector.push()
    bench.untilAttempt()
    bench.elector.push()
    bench.lose({ failure: 'error' })
    assert.ok(waitMs(bench) <= pushedLookMsMin + 10)
  })

  test('that comes while a renewal is under way causes another one when that settles', () => {
    const bench = new ElectorBench().lead()
    const renewal = bench.untilAttempt()
    const reply = bench.apply(renewal)
    bench.table.requestResign('scheduler', { token: 1, by: 'ops', coolDownMs: 0 })
    for (let i = 0; i < 50; i++) bench.elector.push()
    bench.take()
    bench.elector.settled(renewal, { kind: 'replied', reply })
    assert.equal(waitMs(bench), pushedLookMsMin)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('ending').reason, 'resigned')
  })

  test('that comes while the end of the last term is noted is not lost', () => {
    const { leader, bench } = leaderAndCandidate()
    leader.clock.freeze(60_000)
    bench.elector.wake()
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
    // The leader's thread was frozen: it finds that it has lost its term, and says why.
    leader.elector.wake()
    leader.untilAttempt()
    leader.answer()
    leader.untilAttempt()
    leader.answer()
    assert.equal(leader.elector.state, 'waiting')
    leader.elector.push()
    assert.ok(waitMs(leader) <= 10)
  })

  test('is followed at once, and pushes without end by ever fewer looks', () => {
    const { leader, bench } = leaderAndCandidate()
    const first = countSent(bench, 100, () => bench.elector.push())
    assert.equal(first, 1, 'one in 100 ms')
    const sent = countSent(bench, 60_000, () => {
      leader.elector.wake()
      if (leader.inFlight) leader.answer()
      bench.elector.push()
    })
    // Doubled each time, up to a heartbeat interval of 2 s.
    assert.ok(sent >= 25 && sent <= 40, `${sent} looks in a minute`)
  })

  test('and pushes without end do not make a leader renew without end', () => {
    const bench = new ElectorBench().lead()
    const sent = countSent(bench, 60_000, () => bench.elector.push())
    assert.ok(sent >= 30 && sent <= 70, `${sent} renewals in a minute`)
    assert.equal(bench.elector.state, 'leading')
  })

  test('after a flood is over is followed at once again', () => {
    const { leader, bench } = leaderAndCandidate()
    countSent(bench, 5_000, () => {
      leader.elector.wake()
      if (leader.inFlight) leader.answer()
      bench.elector.push()
    })
    countSent(bench, 10_000, () => {
      leader.elector.wake()
      if (leader.inFlight) leader.answer()
    })
    bench.elector.push()
    assert.ok(waitMs(bench) <= 10)
  })

  test('that was right does not put off the look that the next one causes', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    const bench = new ElectorBench({ name: 'b', clock, table })
    table.acquire(request('leader:1'))
    bench.elector.start()
    bench.answer()
    for (let term = 1; term <= 10; term++) {
      table.release({
        lease: 'scheduler',
        holder: `leader:${term}`,
        token: term,
        reason: 'stopped',
      })
      table.acquire(request(`leader:${term + 1}`))
      bench.elector.push()
      assert.ok(waitMs(bench) <= pushedLookMsMin)
      bench.untilAttempt()
      bench.answer()
    }
  })
})

function request(holder: string) {
  const { lease, application, label, ttlMs } = shortSet
  return { lease, holder, application, label, ttlMs, observed: undefined }
}

describe('a pushed renewal', () => {
  test('lengthens the wait to the ttl that was read for its token, whatever it says', () => {
    for (const ttlMs of [6_000, 1e15]) {
      const { bench } = leaderAndCandidate()
      bench.elector.setPushes('changes')
      bench.untilAttempt()
      bench.answer()
      bench.clock.advance(3_000)
      bench.elector.pushRenewed({ token: 1, renewals: 1, ttlMs })
      assert.equal(waitMs(bench), 6_000 + 1)
    }
  })

  test('may shorten the wait', () => {
    const { bench } = leaderAndCandidate()
    bench.elector.pushRenewed({ token: 1, renewals: 1, ttlMs: 2_000 })
    assert.equal(waitMs(bench), 2_000 + 1)
  })

  test('is believed once: sent again it lengthens nothing', () => {
    const { bench } = leaderAndCandidate()
    bench.elector.setPushes('changes')
    bench.untilAttempt()
    bench.answer()
    for (const renewals of [1, 1, 0]) {
      bench.elector.pushRenewed({ token: 1, renewals, ttlMs: 6_000 })
      if (renewals === 1) bench.clock.advance(1_000)
    }
    assert.equal(waitMs(bench), 4_000 + 1)
  })

  test('keeps no lease that nobody holds, though renewals are forged without end', () => {
    const { bench } = leaderAndCandidate()
    let renewals = 0
    const forgedMs = (shortSet.ttlMs + 1_000) * believedTtls
    const sent = countSent(bench, forgedMs, (atMs) => {
      if (atMs % 500 === 0)
        bench.elector.pushRenewed({ token: 1, renewals: ++renewals, ttlMs: 6_000 })
    })
    assert.equal(bench.elector.state, 'leading')
    assert.equal(sent > 0, true)
  })

  test('of a term whose record was not read is a reason to look, and no more than that', () => {
    const { bench } = leaderAndCandidate()
    bench.elector.pushRenewed({ token: 99, renewals: 1, ttlMs: 1e15 })
    assert.ok(waitMs(bench) <= 10)
    bench.untilAttempt()
    bench.answer()
    assert.ok(waitMs(bench) <= 6_001)
  })

  test('that comes while an acquisition is under way is one, too, unless the reply tells of it', () => {
    for (const [token, looks] of [
      [1, false],
      [99, true],
    ] as const) {
      const { bench } = leaderAndCandidate()
      bench.elector.push()
      bench.untilAttempt()
      bench.elector.pushRenewed({ token, renewals: 1, ttlMs: 6_000 })
      bench.answer()
      assert.equal(waitMs(bench) <= pushedLookMsMin, looks, `the token ${token}`)
    }
  })

  test('does not cancel the look that another push has asked for', () => {
    const { bench } = leaderAndCandidate()
    bench.elector.push()
    bench.elector.pushRenewed(recordOf(bench))
    assert.ok(waitMs(bench) <= 10)
  })

  test('of a higher token makes a leader look; its own, and older ones, do not', () => {
    const bench = new ElectorBench().lead()
    const renewal = (token: number): PushedRenewal => ({ token, renewals: 9, ttlMs: 6_000 })
    bench.elector.pushRenewed(renewal(1))
    assert.equal(waitMs(bench), 2_000)
    bench.elector.pushRenewed(renewal(2))
    assert.equal(waitMs(bench), pushedLookMsMin)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
  })

  test('that makes no sense is a push like any other', () => {
    const senseless = [
      undefined,
      null,
      'garbage',
      [],
      {},
      { token: '1', renewals: 1, ttlMs: 1 },
      { token: 1, renewals: -1, ttlMs: 6_000 },
      { token: 1, renewals: 1, ttlMs: Number.NaN },
      { token: 1, renewals: 1, ttlMs: 0 },
    ]
    for (const renewal of senseless) {
      const { bench } = leaderAndCandidate()
      bench.elector.pushRenewed(renewal as PushedRenewal)
      assert.ok(waitMs(bench) <= 10)
      const leader = new ElectorBench().lead()
      leader.elector.pushRenewed(renewal as PushedRenewal)
      assert.equal(waitMs(leader), pushedLookMsMin)
    }
  })

  test('does not count as seen: a record is watched by reading it', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    new ElectorBench({ name: 'leader', clock, table }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table })
    bench.elector.start()
    const startedMs = clock.monotonicMs()
    for (;;) {
      const attempt = bench.take()
      assert.ok(attempt.verb === 'acquire')
      if (attempt.request.observed !== undefined) break
      const record = { ...recordOf(bench), remainingMs: undefined, ageMs: undefined }
      bench.elector.settled(attempt, { kind: 'replied', reply: { kind: 'held', record } })
      // Somebody forges the renewals of the term.
      for (const renewals of [1, 2, 3]) {
        bench.elector.pushRenewed({ token: 1, renewals, ttlMs: 6_000 })
      }
      bench.untilAttempt()
    }
    const tookMs = clock.monotonicMs() - startedMs
    assert.ok(tookMs >= 6_000 * 1.01 && tookMs < 2 * 6_000 * 1.01 + 300, `after ${tookMs} ms`)
  })
})

describe('a candidate that hears of renewals', () => {
  test('looks once when it has heard of none for R + A + e, at a random moment within e', () => {
    for (const random of [0, 0.25, 0.75]) {
      const { bench } = leaderAndCandidate()
      bench.random = random
      bench.elector.pushRenewed({ ...recordOf(bench), renewals: 1 })
      assert.equal(waitMs(bench), renewsWithinMs + random * shortSet.safetyMarginMs)
      bench.untilAttempt()
      bench.answer()
      // The record is as old as that: from here on it waits for the expiry.
      const { remainingMs = 0 } = bench.last('held').record
      assert.equal(waitMs(bench), remainingMs + 1 + random * 250)
    }
  })

  test('and finds one that it did not hear of, looks again when the next one is overdue', () => {
    const { leader, bench } = leaderAndCandidate()
    leader.untilAttempt()
    leader.answer()
    bench.untilAttempt()
    bench.answer()
    const { ageMs = 0 } = bench.last('held').record
    assert.equal(waitMs(bench), renewsWithinMs - ageMs)
  })

  test('is not needed where only changes are pushed: the ttl decides', () => {
    const { bench } = leaderAndCandidate()
    bench.elector.setPushes('changes')
    bench.untilAttempt()
    bench.answer()
    const { remainingMs = 0 } = bench.last('held').record
    assert.equal(waitMs(bench), remainingMs + 1)
  })

  test('believes no record that says what cannot be of its next renewal', () => {
    for (const within of [undefined, 0, -1, 6_000, 1e15, Infinity, Number.NaN]) {
      const { bench } = leaderAndCandidate()
      bench.elector.push()
      const attempt = bench.untilAttempt()
      bench.take()
      const record = { ...recordOf(bench), renewsWithinMs: within }
      bench.elector.settled(attempt, { kind: 'replied', reply: { kind: 'held', record } })
      assert.equal(waitMs(bench), (record.remainingMs ?? 0) + 1, String(within))
    }
  })

  test('costs the store nothing while it does: 12 statements a minute for 1 + 9', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    const times = { ttlMs: 20_000, heartbeatMs: 5_000, attemptTimeoutMs: 5_000 }
    const others = { stopGraceMs: 2_000, safetyMarginMs: 1_000, retryBackoffMs: 500 }
    const settings = { ...shortSet, ...times, ...others }
    const benches = Array.from({ length: 10 }, (_, index) => {
      const bench = new ElectorBench({ name: `${index}`, clock, table, settings })
      bench.random = index / 10
      bench.elector.setPushes('renewals')
      bench.elector.start()
      bench.answer()
      return bench
    })
    let statements = 0
    for (let ms = 0; ms < 120_000; ms += 10) {
      clock.advance(10)
      for (const bench of benches) {
        bench.elector.wake()
        if (bench.inFlight === undefined) continue
        bench.answer()
        if (ms >= 60_000) statements++
        for (const other of benches) other.elector.pushRenewed(recordOf(bench))
      }
    }
    assert.equal(statements, 12)
  })
})
