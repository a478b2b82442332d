import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { JobsComparison, type JobsDifference } from '../../src/heart/jobs-comparison.ts'
import { JobsHash } from '../../src/instance/jobs-hash.ts'
import type { LeaseRecord } from '../../src/store/lease-store.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const heartbeatMs = 2_000

function recordOf(jobsHash: string | undefined, application = 'billing'): LeaseRecord {
  const times = { ttlMs: 6_000, renewals: 1, ageMs: 1, remainingMs: 5_999 }
  const identity = { holder: 'host:1:a', token: 1, application, label: undefined }
  return { ...identity, ...times, resignRequest: undefined, jobsHash }
}

/** A comparison on a fake clock, with what it has told and asked for. */
function comparing(own: string | undefined): {
  clock: FakeClock
  comparison: JobsComparison
  told: JobsDifference[]
  looks: number[]
} {
  const clock = new FakeClock()
  const told: JobsDifference[] = []
  const looks: number[] = []
  const parts = {
    clock,
    application: 'billing',
    heartbeatMs: () => heartbeatMs,
    lookAgain: (afterMs: number) => void looks.push(afterMs),
    differ: (difference: JobsDifference) => void told.push(difference),
  }
  return { clock, comparison: new JobsComparison(parts, own), told, looks }
}

describe('the hash over the jobs of an instance', () => {
  const hashOf = (...jobs: [id: string, schedule: string][]): string | undefined => {
    const hash = new JobsHash()
    for (const [id, schedule] of jobs) hash.changed(id, undefined, schedule)
    return hash.value
  }

  test('is the same in whatever order they were scheduled, and another for other jobs', () => {
    const both = hashOf(['a', 'every 1 s'], ['b', 'every 2 s'])
    assert.match(both ?? '', /^[0-9a-f]{16}$/)
    assert.equal(hashOf(['b', 'every 2 s'], ['a', 'every 1 s']), both)
    const others = [
      hashOf(['a', 'every 1 s']),
      hashOf(['a', 'every 2 s'], ['b', 'every 1 s']),
      hashOf(['a', 'every 1 s'], ['c', 'every 2 s']),
      hashOf(['a', 'every 1 s'], ['b', 'every 2 s'], ['c', 'every 2 s']),
      hashOf(['a","every 1 s"],["b', 'every 2 s']),
    ]
    assert.equal(new Set([both, ...others]).size, 6)
  })

  test('follows changes and removals, and is none without jobs', () => {
    const hash = new JobsHash()
    assert.equal(hash.value, undefined)
    hash.changed('a', undefined, 'every 1 s')
    const first = hash.value
    hash.changed('b', undefined, 'every 2 s')
    hash.changed('a', 'every 1 s', 'every 3 s')
    assert.equal(hash.value, hashOf(['a', 'every 3 s'], ['b', 'every 2 s']))
    hash.changed('b', 'every 2 s', undefined)
    hash.changed('a', 'every 3 s', 'every 1 s')
    assert.equal(hash.value, first)
    hash.changed('a', 'every 1 s', undefined)
    assert.equal(hash.value, undefined)
  })
})

describe("a candidate whose jobs differ from the leader's", () => {
  test('says so once it has stood for two heartbeats, and once only for each two sets', () => {
    const { clock, comparison, told, looks } = comparing('own')
    comparison.held(recordOf('theirs'))
    assert.deepEqual([told.length, looks], [0, [2 * heartbeatMs]])
    clock.advance(2 * heartbeatMs - 1)
    comparison.held(recordOf('theirs'))
    assert.equal(told.length, 0)
    clock.advance(1)
    comparison.held(recordOf('theirs'))
    const difference = { holder: 'host:1:a', jobsHash: 'own', leaderJobsHash: 'theirs' }
    assert.deepEqual(told, [difference])
    assert.equal(comparison.suspects, false)
    for (let look = 0; look < 5; look++) {
      clock.advance(2 * heartbeatMs)
      comparison.held(recordOf('theirs'))
    }
    assert.equal(told.length, 1)
    assert.equal(looks.length, 1, 'and it looks no more for that')
    comparison.held(recordOf('others'))
    clock.advance(2 * heartbeatMs)
    comparison.held(recordOf('others'))
    assert.deepEqual(
      Array.from(told, ({ leaderJobsHash }) => leaderJobsHash),
      ['theirs', 'others'],
    )
    comparison.held(recordOf('theirs'))
    clock.advance(2 * heartbeatMs)
    comparison.held(recordOf('theirs'))
    assert.equal(told.length, 2, 'the first two sets were told before')
  })

  test('says nothing where it has none, or the leader none, or another application leads', () => {
    const cases = [
      { own: undefined, record: recordOf('theirs') },
      { own: 'own', record: recordOf(undefined) },
      { own: 'own', record: recordOf('own') },
      { own: 'own', record: recordOf('theirs', 'another') },
    ]
    for (const { own, record } of cases) {
      const { clock, comparison, told, looks } = comparing(own)
      comparison.held(record)
      clock.advance(10 * heartbeatMs)
      comparison.held(record)
      assert.deepEqual([told, looks], [[], []])
    }
  })

  test('says nothing of jobs that it, or the leader, schedules one after the other', () => {
    const { clock, comparison, told } = comparing('a')
    comparison.held(recordOf('a+b'))
    clock.advance(heartbeatMs)
    comparison.own = 'a+b'
    clock.advance(10 * heartbeatMs)
    comparison.held(recordOf('a+b'))
    comparison.held(recordOf('a+b+c'))
    clock.advance(heartbeatMs)
    comparison.held(recordOf('a+b'))
    clock.advance(heartbeatMs)
    comparison.held(recordOf('a+b+c'))
    assert.deepEqual(told, [])
    assert.equal(comparison.suspects, true)
  })

  test('compares its first jobs with a leader that it has seen before, and looks again', () => {
    const { clock, comparison, told, looks } = comparing(undefined)
    comparison.held(recordOf('theirs'))
    comparison.own = 'own'
    assert.deepEqual(looks, [2 * heartbeatMs])
    clock.advance(2 * heartbeatMs)
    comparison.own = 'own'
    assert.deepEqual(told, [], 'only the record says what the leader has by now')
    comparison.held(recordOf('theirs'))
    assert.equal(told.length, 1)
  })

  test('compares with nobody once it leads', () => {
    const { clock, comparison, told, looks } = comparing('own')
    comparison.held(recordOf('theirs'))
    comparison.leads()
    assert.equal(comparison.suspects, false)
    clock.advance(10 * heartbeatMs)
    comparison.own = 'another'
    assert.deepEqual([told, looks.length], [[], 1])
  })

  test('remembers a hundred pairs, and forgets the oldest then', () => {
    const { clock, comparison, told } = comparing('own')
    const look = (theirs: string): void => {
      comparison.held(recordOf(theirs))
      clock.advance(2 * heartbeatMs)
      comparison.held(recordOf(theirs))
    }
    for (let i = 0; i <= 100; i++) look(`theirs ${i}`)
    assert.equal(told.length, 101)
    look('theirs 1')
    assert.equal(told.length, 101)
    look('theirs 0')
    assert.equal(told.length, 102)
  })
})
