import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { shortSet, withCluster } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'
import { nowMs, until } from '../support/until.ts'

onEachStore((on) => {
  describe('a frozen leader', () => {
    test('is replaced after the ttl, knows it in the first statement after waking, and changes nothing', (t) =>
      withCluster({ on }, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        const before = await cluster.read()
        assert.ok(before.record)
        leader.send({ do: 'await freeze' })
        await until('the leader spins', () => leader.stderr.includes('spinning'))
        await until('its thread renews meanwhile', () => leader.stderr.includes('renewed'))
        leader.signal('SIGSTOP')
        const stoppedAtMs = nowMs()
        const acquired = await candidate.next('acquired')
        assert.equal(acquired.token, 2)
        const seconds = (acquired.atMs - stoppedAtMs) / 1_000
        t.diagnostic(`on ${on}: replaced after ${seconds.toFixed(1)} s, with a ttl of 6 s`)

        leader.signal('SIGCONT')
        const seen = await leader.next('looked')
        assert.equal(seen.isLeader, false, 'the first statement after waking')
        assert.equal(seen.isTrusted, false)
        assert.equal((await leader.next('lost')).reason, 'expired')
        // The old leader is a candidate again: all that it had to say about its term is said.
        await leader.nextLine('lease_held')

        const { record } = await cluster.read()
        assert.equal(record?.token, 2)
        assert.equal(record?.label, candidate.label)

        const store = cluster.store.open()
        const { holder, token } = before.record
        const late = { lease: 'scheduler', holder, token }
        const signal = AbortSignal.timeout(5_000)
        const renewal = await store.tryRenew({ ...late, ttlMs: shortSet.ttl }, signal)
        assert.equal(renewal.kind, 'refused')
        const release = await store.tryRelease({ ...late, reason: 'stopped' }, signal)
        assert.equal(release.kind, 'not-held')
        await store.close()
        const after = await cluster.read()
        assert.equal(after.record?.holder, record?.holder)
        assert.equal(after.terms.find((term) => term.token === 1)?.reason, 'expired')
        assert.deepEqual(candidate.said('lost'), [])
      }))
  })
})
