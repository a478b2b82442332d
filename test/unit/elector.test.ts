import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { ElectorSettings } from '../../src/lease/elector-port.ts'
import { pushJitterMsMax } from '../../src/lease/candidacy.ts'
import { LeaseTable } from '../../src/store/memory/lease-table.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { ElectorBench, shortSet } from '../support/elector-bench.ts'

// Of the short set: the soft stop is 4,840 ms after the last renewal was sent, the hard fence
// 5,440 ms, the expiry in the store 6,000 ms after it arrived there.
const softStopMs = 4_840
const hardFenceMs = 5_440

const longSet: ElectorSettings = {
  ...shortSet,
  ttlMs: 20_000,
  heartbeatMs: 5_000,
  attemptTimeoutMs: 5_000,
  retryBackoffMs: 500,
  stopGraceMs: 2_000,
  safetyMarginMs: 1_000,
}

/** From here on no reply comes: as long as the leader trusts its term, the store holds it. */
function assertHeldWhileTrusted(bench: ElectorBench): void {
  while (bench.trust.isTrusted(bench.clock)) {
    assert.ok((bench.table.read('scheduler').record?.remainingMs ?? 0) >= shortSet.safetyMarginMs)
    if (bench.inFlight?.verb === 'renew') bench.lose()
    bench.advance(10)
  }
}

describe('a candidate', () => {
  test('leads as soon as a free lease is granted, with the token of the store', () => {
    const bench = new ElectorBench().lead()
    assert.equal(bench.elector.state, 'leading')
    assert.deepEqual(bench.last('acquired'), {
      kind: 'acquired',
      holder: 'a:1',
      token: 1,
      wokenBy: 'start',
    })
    assert.equal(bench.trust.isLeader(bench.clock), true)
  })

  test('counts trust from the instant before the acquisition was sent, not from the reply', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    const sentMs = bench.clock.monotonicMs()
    bench.clock.advance(900)
    bench.answer()
    assert.equal(bench.trust.since?.monotonicMs, sentMs)
  })

  test('that is refused sleeps for the remaining time and a little at random, and no longer', () => {
    const table = new LeaseTable(new FakeClock())
    const leader = new ElectorBench({ name: 'leader', table }).lead()
    const bench = new ElectorBench({ name: 'b', clock: leader.clock, table: leader.table })
    bench.random = 0.5
    leader.clock.advance(1_500)
    const startedMs = bench.clock.monotonicMs()
    bench.elector.start()
    bench.answer()
    const { record } = bench.last('held')
    const waitMs = (bench.elector.nextWakeMs ?? 0) - startedMs
    assert.equal(waitMs, (record.remainingMs ?? 0) + 1 + 0.5 * 250)
  })

  test('never polls: while the lease is renewed it asks once a remaining time', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    const leader = new ElectorBench({ name: 'leader', clock, table }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table })
    bench.elector.start()
    let asked = 0
    for (let ms = 0; ms < 60_000; ms += 100) {
      leader.elector.wake()
      if (leader.inFlight) leader.answer()
      bench.elector.wake()
      if (bench.inFlight) {
        bench.answer()
        asked++
      }
      clock.advance(100)
    }
    // A minute has 10 ttls; a remaining time is between ttl - heartbeat and ttl.
    assert.ok(asked >= 10 && asked <= 16, `asked ${asked} times`)
  })

  test('that hears of renewals by push sleeps on, and asks nobody', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    const leader = new ElectorBench({ name: 'leader', clock, table }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table })
    bench.elector.start()
    bench.answer()
    for (let renewals = 0; renewals < 20; renewals++) {
      leader.untilAttempt()
      leader.answer()
      const record = table.read('scheduler').record
      assert.ok(record)
      bench.elector.pushRenewed(record)
      bench.elector.wake()
      assert.equal(bench.inFlight, undefined)
    }
    // The leader falls silent: the candidate looks for itself.
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
  })

  test('a push of a renewal does not prolong a wait that is not for the expiry', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.lose({ failure: 'error' })
    const wakeMs = bench.elector.nextWakeMs
    bench.elector.pushRenewed({ token: 1, renewals: 5, ttlMs: 6_000 })
    assert.equal(bench.elector.nextWakeMs, wakeMs)
  })

  test('that hears no pushes looks once a heartbeat interval', () => {
    const leader = new ElectorBench({ name: 'leader' }).lead()
    const bench = new ElectorBench({ name: 'b', clock: leader.clock, table: leader.table })
    bench.elector.setPushes('none')
    bench.elector.start()
    bench.answer()
    assert.equal(bench.elector.nextWakeMs, bench.clock.monotonicMs() + 2_000 + 1)
    // Pushes come again: it looks at once for what it may have missed.
    bench.elector.setPushes('changes')
    assert.equal(bench.elector.nextWakeMs, bench.clock.monotonicMs())
  })

  test('is woken by a push after a small random time', () => {
    const leader = new ElectorBench({ name: 'leader' }).lead()
    const bench = new ElectorBench({ name: 'b', clock: leader.clock, table: leader.table })
    bench.elector.start()
    bench.answer()
    bench.random = 0.5
    bench.elector.push()
    assert.equal(bench.elector.nextWakeMs, bench.clock.monotonicMs() + pushJitterMsMax / 2)
  })

  test('makes a new identity for each acquisition and keeps it over the retries of that one', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    const first = bench.lose()
    const retry = bench.untilAttempt()
    assert.equal(first.verb === 'acquire' && first.request.holder, 'a:1')
    assert.equal(retry.verb === 'acquire' && retry.request.holder, 'a:1')
    bench.answer()
    bench.elector.resign(0)
    bench.elector.drained(1, true)
    bench.answer()
    const next = bench.untilAttempt()
    assert.equal(next.verb === 'acquire' && next.request.holder, 'a:2')
  })

  test('whose reply was lost learns its token by the retry, and it is the same one', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.lose({ applied: true })
    assert.equal(bench.elector.state, 'waiting', 'an unknown outcome is not leadership')
    assert.equal(bench.trust.isLeader(bench.clock), false)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('acquired').token, 1)
  })

  test('counts trust from the retry whose reply came, not from the lost first attempt', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.lose({ applied: true })
    const retry = bench.untilAttempt()
    bench.answer()
    assert.equal(bench.trust.since?.monotonicMs, retry.sentAt.monotonicMs)
  })

  test('backs off from a store that fails, up to one heartbeat interval', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    const delays: number[] = []
    for (let i = 0; i < 7; i++) {
      bench.lose({ failure: 'error' })
      delays.push(bench.last('acquire-failed').retryMs)
      bench.untilAttempt()
    }
    assert.deepEqual(delays, [200, 400, 800, 1_600, 2_000, 2_000, 2_000])
  })

  test('gives back at once a lease that was granted too late to lead', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.clock.freeze(softStopMs)
    bench.answer()
    assert.equal(bench.trust.isLeader(bench.clock), false)
    assert.equal(bench.elector.state, 'releasing')
    bench.answer()
    assert.equal(bench.table.read('scheduler').record, undefined)
    assert.ok(!bench.kinds().includes('acquired'))
  })

  test('does not lead with a token that is not higher than one it has seen', () => {
    const clock = new FakeClock()
    const bench = new ElectorBench({ clock }).lead()
    bench.elector.resign(0)
    bench.elector.drained(1, true)
    bench.answer()
    bench.untilAttempt()
    // The store is restored from a backup of before the first acquisition.
    const restored = new LeaseTable(clock)
    const attempt = bench.take()
    assert.ok(attempt.verb === 'acquire')
    // A store of one's own may not know of the token that it is told.
    const { knownToken, ...request } = attempt.request
    assert.equal(knownToken, 1)
    bench.elector.settled(attempt, { kind: 'replied', reply: restored.acquire(request) })
    assert.equal(bench.last('token-went-back').token, 1)
    assert.equal(bench.trust.isLeader(clock), false)
    assert.equal(bench.elector.state, 'releasing')
  })

  test('takes nothing for a token but a safe integer above 0', () => {
    for (const token of [0, -1, 1.5, 2 ** 53, Number.NaN, '1', 1n, undefined]) {
      const bench = new ElectorBench()
      bench.elector.start()
      const reply = { kind: 'acquired' as const, token: token as number }
      const settlement = { kind: 'replied' as const, reply }
      assert.throws(() => bench.elector.settled(bench.take(), settlement), {
        code: 'TENURE_ERR_INVARIANT',
        message: /a store gives a safe integer above 0 as a token; got/,
      })
      assert.equal(bench.trust.isLeader(bench.clock), false)
    }
  })

  test('does not acquire while its main thread does not answer', () => {
    const bench = new ElectorBench()
    bench.elector.setResponsive(false)
    bench.elector.start()
    bench.advance(60_000)
    assert.equal(bench.inFlight, undefined)
    bench.elector.setResponsive(true)
    assert.equal(bench.inFlight !== undefined, true)
  })

  test('that is not eligible never acquires, also not where the lease is free; told so, it does', () => {
    const bench = new ElectorBench()
    bench.elector.setEligible(false)
    bench.elector.start()
    bench.elector.push()
    bench.advance(60_000)
    assert.deepEqual(bench.verbs, [])
    bench.elector.setEligible(true)
    assert.equal(bench.take().verb, 'acquire')
  })

  test('one that hangs is no candidate though it is eligible, and the other way round', () => {
    const bench = new ElectorBench()
    bench.elector.setEligible(false)
    bench.elector.setResponsive(false)
    bench.elector.start()
    bench.elector.setEligible(true)
    bench.advance(60_000)
    assert.deepEqual(bench.verbs, [])
    bench.elector.setEligible(false)
    bench.elector.setResponsive(true)
    bench.advance(60_000)
    assert.deepEqual(bench.verbs, [])
  })

  test('a leader that is not eligible any more resigns, and is a candidate once it is again', () => {
    const bench = new ElectorBench().lead()
    bench.elector.setEligible(false)
    assert.equal(bench.last('ending').reason, 'resigned')
    bench.elector.drained(1, true)
    bench.answer()
    assert.equal(bench.last('ended').released, true)
    bench.advance(60_000)
    assert.equal(bench.inFlight, undefined)
    bench.elector.setEligible(true)
    assert.equal(bench.take().verb, 'acquire', 'at once: there is no cool-down')
  })

  test('an acquisition that is granted to one that is not eligible any more is given back', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.elector.setEligible(false)
    bench.answer()
    assert.equal(bench.trust.phase, 'none')
    const release = bench.answer()
    assert.ok(release.verb === 'release' && release.request.reason === 'resigned')
    assert.deepEqual(bench.kinds(), ['ended'])
  })

  test('without a common clock takes over only after it has seen the record unchanged', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    new ElectorBench({ name: 'leader', clock, table }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table })
    bench.elector.start()
    const startedMs = clock.monotonicMs()
    let observed: number | undefined
    while (observed === undefined) {
      const attempt = bench.take()
      assert.ok(attempt.verb === 'acquire')
      if (attempt.request.observed) {
        observed = clock.monotonicMs() - startedMs
        assert.deepEqual(attempt.request.observed, { token: 1, renewals: 0 })
      }
      const record = table.read('scheduler').record
      assert.ok(record)
      const reply = { kind: 'held', record: { ...record, remainingMs: undefined } } as const
      bench.elector.settled(attempt, { kind: 'replied', reply })
      bench.untilAttempt()
    }
    assert.ok(observed >= 6_000 * 1.01 && observed < 6_000 * 1.01 + 300, `after ${observed} ms`)
  })

  test('starts to observe anew when the record has changed', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    const leader = new ElectorBench({ name: 'leader', clock, table }).lead()
    const bench = new ElectorBench({ name: 'b', clock, table })
    bench.elector.start()
    for (let ms = 0; ms < 30_000; ms += 50) {
      leader.elector.wake()
      if (leader.inFlight) leader.answer()
      bench.elector.wake()
      if (bench.inFlight) {
        const attempt = bench.take()
        assert.ok(attempt.verb === 'acquire')
        assert.equal(attempt.request.observed, undefined)
        const record = table.read('scheduler').record
        assert.ok(record)
        const reply = { kind: 'held', record: { ...record, remainingMs: undefined } } as const
        bench.elector.settled(attempt, { kind: 'replied', reply })
      }
      clock.advance(50)
    }
    assert.equal(leader.elector.state, 'leading')
  })
})

describe('a leader', () => {
  test('renews at s + R, counted from the send of the last renewal, not from its reply', () => {
    const bench = new ElectorBench().lead()
    const first = bench.untilAttempt()
    bench.advance(700)
    bench.answer()
    const second = bench.untilAttempt()
    assert.equal(second.sentAt.monotonicMs - first.sentAt.monotonicMs, 2_000)
  })

  test('a slow renewal that succeeds does not extend trust beyond its own send', () => {
    const bench = new ElectorBench().lead()
    const attempt = bench.untilAttempt()
    bench.clock.freeze(950)
    bench.answer()
    assert.equal(bench.trust.since?.monotonicMs, attempt.sentAt.monotonicMs)
    assert.equal(bench.last('renewed').latencyMs, 950)
    assert.equal(bench.last('renewed').marginMs, hardFenceMs - 2_000 - 950)
  })

  test('trust is counted with the ttl that was sent with the renewal', () => {
    const bench = new ElectorBench().lead()
    bench.settings = { ...shortSet, ttlMs: 20_000, stopGraceMs: 2_000, safetyMarginMs: 1_000 }
    assert.equal(bench.trust.times?.ttlMs, 6_000)
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.trust.times?.ttlMs, 20_000)
    assert.equal(bench.table.read('scheduler').record?.ttlMs, 20_000)
  })

  test('longer times that come while a renewal is under way do not put off the next one', () => {
    const bench = new ElectorBench().lead()
    const first = bench.untilAttempt()
    bench.settings = longSet
    bench.answer()
    const second = bench.untilAttempt()
    assert.equal(second.sentAt.monotonicMs - first.sentAt.monotonicMs, 2_000)
    assert.equal(bench.elector.state, 'leading')
  })

  test('longer times that are not in force yet leave no attempt more than its part of the old', () => {
    const bench = new ElectorBench().lead()
    bench.settings = longSet
    assert.equal(bench.untilAttempt().timeoutMs, 1_000)
    bench.advance(1_000)
    bench.lose()
    assert.equal(bench.elector.state, 'leading')
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
    assert.equal(bench.untilAttempt().timeoutMs, 5_000)
  })

  test('a shorter ttl that the store has, though no reply came, leaves what is trusted', () => {
    const bench = new ElectorBench({ settings: longSet }).lead()
    bench.settings = shortSet
    bench.untilAttempt()
    bench.lose({ applied: true })
    assertHeldWhileTrusted(bench)
  })

  test('an old renewal with a shorter ttl that comes late leaves what is trusted', () => {
    const bench = new ElectorBench().lead()
    const late = bench.untilAttempt()
    bench.lose()
    bench.settings = longSet
    bench.untilAttempt()
    bench.answer()
    bench.apply(late)
    assertHeldWhileTrusted(bench)
  })

  test('a late reply to a renewal with a shorter ttl leaves what is trusted', () => {
    const bench = new ElectorBench({ settings: longSet }).lead()
    bench.settings = shortSet
    bench.untilAttempt()
    // The heart was held up for longer than the shorter ttl, and hears the reply only now.
    const { trust, clock } = bench
    const before = trust.times
    clock.advance(shortSet.ttlMs)
    bench.answer()
    assert.ok(trust.isLeader(clock), 'no soft stop has passed')
    assert.notEqual(trust.times, before)
    assertHeldWhileTrusted(bench)
  })

  test('one failed attempt ends nothing: it is tried again, and trust stays where it was', () => {
    const bench = new ElectorBench().lead()
    const since = bench.trust.since
    const first = bench.untilAttempt()
    bench.advance(1_000)
    bench.lose()
    assert.equal(bench.elector.state, 'leading')
    assert.equal(bench.trust.since, since)
    const retry = bench.untilAttempt()
    assert.equal(retry.sentAt.monotonicMs - first.sentAt.monotonicMs, 1_000 + 200)
    bench.answer()
    assert.equal(bench.trust.since?.monotonicMs, retry.sentAt.monotonicMs)
  })

  test('a heartbeat keeps its correlation id over its retries, and the next has another', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    bench.lose()
    bench.untilAttempt()
    bench.answer()
    bench.untilAttempt()
    bench.answer()
    const ids = bench.events.flatMap((event) =>
      event.kind === 'renewed' || event.kind === 'renew-failed' ? [event.correlationId] : [],
    )
    assert.deepEqual(ids, ['heartbeat-1', 'heartbeat-1', 'heartbeat-2'])
  })

  test('an unknown outcome is not taken for success, also if the store has renewed', () => {
    const bench = new ElectorBench().lead()
    const since = bench.trust.since
    bench.untilAttempt()
    bench.lose({ applied: true })
    assert.equal(bench.trust.since, since)
  })

  test("an attempt's timeout is cut to the time that is left to the hard fence", () => {
    const bench = new ElectorBench().lead()
    const startedMs = bench.clock.monotonicMs()
    let timeoutMs = Infinity
    while (bench.elector.state === 'leading' || bench.elector.state === 'ending') {
      assert.ok(bench.clock.monotonicMs() - startedMs < 60_000, 'the term ends')
      const attempt = bench.untilAttempt()
      const leftMs = startedMs + hardFenceMs - attempt.sentAt.monotonicMs
      timeoutMs = Math.min(timeoutMs, attempt.timeoutMs)
      assert.ok(attempt.timeoutMs <= Math.min(1_000, leftMs))
      if (attempt.verb !== 'renew') break
      bench.clock.advance(attempt.timeoutMs)
      bench.lose()
    }
    assert.ok(timeoutMs < 1_000)
  })

  test('"not yours" ends the term at once, with the reason stolen', () => {
    const bench = new ElectorBench().lead()
    bench.table.deleteRecord('scheduler')
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('renew-refused').reason, 'stolen')
    assert.equal(bench.last('ended').reason, 'stolen')
    assert.equal(bench.trust.isTrusted(bench.clock), false)
    assert.equal(bench.elector.state, 'waiting', 'and it is a candidate again')
  })

  test('"expired" ends the term at once, with the reason expired', () => {
    const bench = new ElectorBench().lead()
    bench.table.expire('scheduler')
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('ended').reason, 'expired')
  })

  test('renews with its holder and its token', () => {
    const bench = new ElectorBench().lead()
    const attempt = bench.untilAttempt()
    assert.ok(attempt.verb === 'renew')
    assert.deepEqual(attempt.request, {
      lease: 'scheduler',
      holder: 'a:1',
      token: 1,
      ttlMs: 6_000,
      jobsHash: undefined,
      renewsWithinMs: 2_000 + 1_000 + 560,
    })
  })

  test('a heartbeat can be fired by hand, with the correlation id of who fires it', () => {
    const bench = new ElectorBench().lead()
    bench.clock.advance(300)
    assert.equal(bench.elector.beat('request-7'), true)
    const attempt = bench.take()
    assert.equal(attempt.verb === 'renew' && attempt.correlationId, 'request-7')
  })

  test('a candidate has no lease that a heartbeat could renew', () => {
    assert.equal(new ElectorBench().elector.beat('request-7'), false)
  })

  test('that is pushed renews at once, but not more often than ten times a second', () => {
    const bench = new ElectorBench().lead()
    bench.elector.push()
    assert.equal(bench.inFlight, undefined)
    bench.advance(100)
    bench.answer()
    for (let pushes = 0; pushes < 10; pushes++) bench.elector.push()
    assert.equal(bench.inFlight, undefined)
  })

  test('steps of the wall clock end nothing', () => {
    const bench = new ElectorBench().lead()
    for (const stepMs of [3_600_000, -7_200_000]) {
      bench.clock.setWall(bench.clock.wallMs() + stepMs)
      bench.advance(1_000)
      if (bench.inFlight) bench.answer()
      assert.equal(bench.elector.state, 'leading')
    }
  })

  test('a suspended machine has lost its term when it wakes, though its clock stood still', () => {
    const bench = new ElectorBench().lead()
    bench.clock.suspend(20_000)
    bench.elector.wake()
    assert.equal(bench.last('ended').reason, 'expired')
  })
})

describe('the soft stop and the hard fence', () => {
  /** Two attempts time out; the third is under way when the soft stop comes. */
  function loseUntilSoftStop(): ElectorBench {
    const bench = new ElectorBench().lead()
    const startedMs = bench.clock.monotonicMs()
    for (let lost = 0; lost < 2; lost++) {
      bench.untilAttempt()
      bench.advance(1_000)
      bench.lose()
    }
    bench.untilAttempt()
    bench.advance(startedMs + softStopMs - bench.clock.monotonicMs())
    assert.equal(bench.elector.state, 'ending')
    return bench
  }

  test('at s + T - G - e no new work starts; the term is still trusted', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    bench.advance(softStopMs - 2_000 - 1)
    assert.equal(bench.elector.state, 'leading')
    bench.advance(1)
    assert.equal(bench.elector.state, 'ending')
    assert.equal(bench.trust.phase, 'ending')
    assert.equal(bench.trust.isTrusted(bench.clock), true)
  })

  test('at s + T - e nothing of the term is trusted, before the store lets it expire', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    bench.advance(hardFenceMs - 2_000)
    assert.equal(bench.trust.phase, 'none')
    assert.equal(bench.last('ended').released, false)
    assert.ok((bench.table.read('scheduler').record?.remainingMs ?? 0) > 0)
  })

  test('failed attempts end in the reason store-unreachable', () => {
    const bench = loseUntilSoftStop()
    assert.equal(bench.last('ending').reason, 'store-unreachable')
  })

  test('no attempt in time ends in the reason expired', () => {
    const bench = new ElectorBench().lead()
    bench.clock.freeze(60_000)
    bench.elector.wake()
    assert.equal(bench.last('ended').reason, 'expired')
    assert.equal(bench.elector.state, 'waiting')
  })

  test('a renewal that succeeds after the soft stop leads to a resignation, not back', () => {
    const bench = loseUntilSoftStop()
    bench.answer()
    assert.equal(bench.elector.state, 'ending')
    assert.equal(bench.trust.phase, 'ending')
    bench.elector.drained(1, true)
    bench.answer()
    assert.equal(bench.last('ended').released, true)
    assert.equal(bench.table.read('scheduler').record, undefined)
  })

  test('a slow renewal whose reply comes after the soft stop does not bring leadership back', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    // The thread is stopped, so that no timer of the soft stop has fired when the reply is read.
    bench.clock.freeze(softStopMs - 2_000)
    bench.answer()
    assert.equal(bench.elector.state, 'ending')
    assert.equal(bench.trust.phase, 'ending')
  })

  test('a renewal whose reply comes after the hard fence ends the term', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    bench.clock.freeze(hardFenceMs - 2_000)
    bench.answer()
    assert.equal(bench.last('ended').reason, 'store-unreachable')
    assert.equal(bench.elector.state, 'waiting')
  })

  test('a soft stop that the main thread saw first is final for the elector, too', () => {
    const bench = new ElectorBench().lead()
    bench.untilAttempt()
    bench.trust.softStopSeen = true
    bench.answer()
    assert.equal(bench.elector.state, 'ending')
  })

  test('after every loss the instance is a candidate again', () => {
    const bench = new ElectorBench().lead()
    for (let losses = 1; losses <= 3; losses++) {
      bench.clock.freeze(60_000)
      bench.elector.wake()
      assert.equal(bench.untilAttempt().verb, 'note')
      bench.answer()
      assert.equal(bench.untilAttempt().verb, 'acquire')
      bench.answer()
      assert.equal(bench.elector.state, 'leading')
      assert.equal(bench.last('acquired').token, losses + 1)
    }
  })
})

describe('the end of a term', () => {
  test('resigning stops new work, renews while it drains, releases, then waits the cool-down', () => {
    const bench = new ElectorBench().lead()
    bench.elector.resign(30_000)
    assert.equal(bench.elector.state, 'ending')
    assert.equal(bench.untilAttempt().verb, 'renew')
    bench.answer()
    bench.elector.drained(1, true)
    assert.equal(bench.trust.phase, 'none', 'nothing is trusted once the release is sent')
    assert.equal(bench.answer().verb, 'release')
    assert.equal(bench.last('ended').reason, 'resigned')
    bench.advance(29_900)
    assert.equal(bench.inFlight, undefined)
    assert.equal(bench.untilAttempt().verb, 'acquire')
  })

  test('work that outlasts its bound keeps the lease from being released: it expires', () => {
    const bench = new ElectorBench().lead()
    bench.elector.stop()
    bench.elector.drained(1, false)
    bench.advance(hardFenceMs)
    assert.deepEqual(bench.verbs, ['acquire'], 'nobody renews for it any more')
    assert.equal(bench.last('ended').released, false)
    assert.ok(bench.table.read('scheduler').record)
    assert.equal(bench.elector.state, 'stopped')
  })

  test('work that ends after its bound, before the hard fence, still lets the lease go', () => {
    const bench = new ElectorBench().lead()
    bench.elector.stop()
    bench.elector.drained(1, false)
    bench.advance(1_000)
    bench.elector.drained(1, true)
    bench.answer()
    assert.equal(bench.last('ended').released, true)
  })

  test('a release waits for the renewal in flight, whatever comes of that', () => {
    for (const outcome of ['answer', 'lose'] as const) {
      const bench = new ElectorBench().lead()
      bench.elector.resign(0)
      bench.untilAttempt()
      bench.elector.drained(1, true)
      assert.equal(bench.elector.state, 'ending')
      bench[outcome]()
      assert.equal(bench.answer().verb, 'release')
    }
  })

  test('a release that fails is tried again until its own deadline', () => {
    const bench = new ElectorBench().lead()
    bench.elector.stop()
    bench.elector.drained(1, true)
    bench.lose({ failure: 'error' })
    assert.equal(bench.untilAttempt().verb, 'release')
    bench.answer()
    assert.equal(bench.last('ended').released, true)

    const unlucky = new ElectorBench().lead()
    unlucky.elector.stop()
    unlucky.elector.drained(1, true)
    unlucky.advance(1_000)
    unlucky.lose()
    assert.equal(unlucky.last('ended').released, false)
    assert.equal(unlucky.elector.state, 'stopped')
  })

  test('a stalled leader does not renew and is not released: the lease expires', () => {
    const bench = new ElectorBench().lead()
    bench.elector.stall()
    bench.elector.setResponsive(false)
    assert.equal(bench.trust.phase, 'ending')
    bench.advance(hardFenceMs)
    assert.deepEqual(bench.verbs, ['acquire'], 'nobody renews for it')
    assert.equal(bench.last('ended').reason, 'stalled')
    const note = bench.untilAttempt()
    assert.ok(note.verb === 'note', 'the thread lives, and can say why')
    assert.deepEqual(note.request.ended, { holder: 'a:1', token: 1, reason: 'stalled' })
    bench.answer()
    bench.advance(60_000)
    assert.equal(bench.inFlight, undefined, 'and it is no candidate while it hangs')
    bench.elector.setResponsive(true)
    assert.equal(bench.take().verb, 'acquire')
  })

  test('an acquisition that is granted to a main thread stalled by then is given back', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.elector.stall()
    bench.answer()
    bench.answer()
    assert.equal(bench.table.read('scheduler').record, undefined)
  })

  test('a request to resign is obeyed if it is for this term, and only then', () => {
    const bench = new ElectorBench().lead()
    bench.table.requestResign('scheduler', { token: 1, by: 'ops', coolDownMs: 5_000 })
    bench.untilAttempt()
    bench.answer()
    assert.equal(bench.last('resign-requested').by, 'ops')
    assert.equal(bench.last('ending').reason, 'resigned')

    const other = new ElectorBench().lead()
    const attempt = other.untilAttempt()
    other.take()
    const resignRequest = { token: 7, by: 'ops', coolDownMs: 0 }
    const reply = { kind: 'renewed', resignRequest } as const
    other.elector.settled(attempt, { kind: 'replied', reply })
    assert.equal(other.elector.state, 'leading')
  })

  test('stopping while an acquisition is under way releases what it brings', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.elector.stop()
    assert.equal(bench.elector.state, 'acquiring')
    bench.answer()
    assert.equal(bench.answer().verb, 'release')
    assert.equal(bench.elector.state, 'stopped')
    assert.equal(bench.table.read('scheduler').record, undefined)
  })

  test('stopping a candidate ends at once', () => {
    const leader = new ElectorBench({ name: 'leader' }).lead()
    const bench = new ElectorBench({ name: 'b', clock: leader.clock, table: leader.table })
    bench.elector.start()
    bench.answer()
    bench.elector.stop()
    assert.equal(bench.elector.state, 'stopped')
    assert.equal(bench.elector.nextWakeMs, undefined)
  })

  test('an exit releases at once, also over a renewal in flight', () => {
    const bench = new ElectorBench().lead()
    const renewal = bench.untilAttempt()
    bench.elector.exit('stopped')
    assert.deepEqual(bench.abandoned, [renewal])
    assert.equal(bench.answer().verb, 'release')
    assert.equal(bench.elector.state, 'stopped')
  })

  test('an exit during an acquisition releases it as soon as its token is known', () => {
    const bench = new ElectorBench()
    bench.elector.start()
    bench.elector.exit('stopped')
    bench.answer()
    assert.equal(bench.answer().verb, 'release')
    assert.equal(bench.elector.state, 'stopped')
  })

  test('an exit of a candidate has nothing to do', () => {
    const bench = new ElectorBench()
    bench.elector.exit('stopped')
    assert.deepEqual(bench.kinds(), ['stopped'])
  })

  test('the reply of an abandoned attempt changes nothing', () => {
    const bench = new ElectorBench().lead()
    const renewal = bench.untilAttempt()
    bench.elector.exit('stopped')
    bench.answer()
    const reply = { kind: 'renewed', resignRequest: undefined } as const
    bench.elector.settled(renewal, { kind: 'replied', reply })
    assert.equal(bench.elector.state, 'stopped')
  })

  test('start and stop may be called in any order, any number of times', () => {
    const bench = new ElectorBench()
    bench.elector.stop()
    bench.elector.stop()
    bench.elector.start()
    bench.elector.start()
    bench.answer()
    assert.equal(bench.elector.state, 'leading')
  })
})

describe('the history', () => {
  test('tells who led, with which token, from when to when, and why it ended', () => {
    const bench = new ElectorBench().lead()
    bench.clock.advance(1_000)
    bench.elector.resign(0)
    bench.elector.drained(1, true)
    bench.answer()
    const [term] = bench.table.read('scheduler').terms
    assert.equal(term?.holder, 'a:1')
    assert.equal(term?.token, 1)
    assert.equal((term?.endedAtMs ?? 0) - (term?.startedAtMs ?? 0), 1_000)
    assert.equal(term?.reason, 'resigned')
  })

  test('a term that ended without a word is closed by its successor as crashed', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    new ElectorBench({ name: 'crashed', clock, table }).lead()
    clock.advance(6_000)
    new ElectorBench({ name: 'next', clock, table }).lead()
    assert.equal(table.read('scheduler').terms[1]?.reason, 'crashed')
  })

  test('a reason that the old leader knows better replaces crashed', () => {
    const clock = new FakeClock()
    const table = new LeaseTable(clock)
    const old = new ElectorBench({ name: 'old', clock, table }).lead()
    clock.freeze(6_000)
    new ElectorBench({ name: 'next', clock, table }).lead()
    old.elector.wake()
    assert.equal(old.untilAttempt().verb, 'note')
    old.answer()
    assert.equal(table.read('scheduler').terms[1]?.reason, 'expired')
    assert.equal(table.read('scheduler').record?.token, 2, 'and the lease is not touched by it')
  })

  test('is told again and again until the store has answered, and never in the way of leading', () => {
    const bench = new ElectorBench().lead()
    bench.clock.freeze(60_000)
    bench.elector.wake()
    for (let tries = 0; tries < 3; tries++) {
      bench.untilAttempt()
      bench.lose()
      const attempt = bench.untilAttempt()
      if (attempt.verb === 'acquire') bench.lose()
    }
    while (bench.elector.state !== 'leading') {
      bench.untilAttempt()
      bench.answer()
    }
    bench.elector.stop()
    assert.equal(bench.elector.state, 'ending')
  })

  test('is not waited for when the instance stops', () => {
    for (const end of ['stop', 'exit'] as const) {
      const bench = new ElectorBench().lead()
      bench.clock.freeze(60_000)
      bench.elector.wake()
      const note = bench.untilAttempt()
      assert.equal(bench.elector.state, 'noting')
      if (end === 'stop') bench.elector.stop()
      else bench.elector.exit('stopped')
      assert.equal(bench.elector.state, 'stopped')
      assert.deepEqual(bench.abandoned, [note])
    }
  })

  test('is bounded', () => {
    const bench = new ElectorBench().lead()
    for (let term = 1; term <= 120; term++) {
      bench.elector.resign(0)
      bench.elector.drained(term, true)
      bench.answer()
      bench.untilAttempt()
      bench.answer()
    }
    const { terms, token } = bench.table.read('scheduler')
    assert.equal(terms.length, 100)
    assert.equal(terms[0]?.token, token)
  })
})
