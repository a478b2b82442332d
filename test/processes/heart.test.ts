import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { createTenure, type TenureOptions } from '../../src/index.ts'
import { shortSet, withCluster, type Cluster } from '../support/cluster.ts'
import { until } from '../support/until.ts'
import type { Fault } from '../support/faulty-store.ts'

function faultyStore(cluster: Cluster): { options: TenureOptions; set: (fault?: Fault) => void } {
  const faultPath = join(cluster.folder, 'fault')
  const module = new URL('../support/faulty-store.ts', import.meta.url)
  return {
    options: { store: { module, options: { path: cluster.path, faultPath } } },
    set: (fault) => (fault ? writeFileSync(faultPath, fault) : rmSync(faultPath, { force: true })),
  }
}

describe('the heart', { concurrency: 3 }, () => {
  test('that dies is started again, as a candidate; the term is trusted until it runs out', () =>
    withCluster({}, async (cluster) => {
      const { options, set } = faultyStore(cluster)
      const leader = await cluster.add({ ...options, tick: 100 })
      await leader.next('acquired')
      set('throw')
      const died = await leader.nextLine('heart_died')
      set(undefined)
      assert.equal(died.level, 'error')
      assert.equal(died.fields['error'], 'TENURE_ERR_HEART_DIED')
      assert.match(String(died.fields['message']), /thrown by the store/)
      leader.send({ do: 'look' })
      assert.equal((await leader.next('looked')).isLeader, true, 'trust lasts')

      const lost = await leader.next('lost')
      assert.equal(lost.reason, 'expired')
      const again = await leader.next('acquired', { after: 1 })
      assert.equal(again.token, 2)
      await leader.nextLine('scheduler_lock_heartbeat_updated', {
        after: leader.lines('scheduler_lock_heartbeat_updated').length,
      })
      assert.equal(leader.hasExited, false)
    }))

  test('that says what no heart says is started again, and the application goes on', () =>
    withCluster({}, async (cluster) => {
      const { options, set } = faultyStore(cluster)
      const leader = await cluster.add(options)
      await leader.next('acquired')
      set('stray')
      const died = await leader.nextLine('heart_died')
      set(undefined)
      assert.equal(died.fields['error'], 'TENURE_ERR_INVARIANT')
      assert.match(
        String(died.fields['message']),
        /tells the other is a report; got a wrong "lines"/,
      )
      assert.equal((await leader.next('lost')).reason, 'expired')
      assert.equal((await leader.next('acquired', { after: 1 })).token, 2)
      assert.equal(leader.hasExited, false)
    }))

  test('hears only what is marked as its own, in both directions', () =>
    withCluster({}, async (cluster) => {
      const { options, set } = faultyStore(cluster)
      const leader = await cluster.add({ ...options, foreign: true })
      await leader.next('acquired')
      set('foreign')
      await leader.nextLine('scheduler_lock_heartbeat_updated', { after: 3 })
      assert.deepEqual(leader.lines('heart_died'), [])
      assert.deepEqual(leader.said('lost'), [])
    }))

  test('is not held up by a store that answers neither a call nor its signal', () =>
    withCluster({}, async (cluster) => {
      const { options, set } = faultyStore(cluster)
      const leader = await cluster.add(options)
      await leader.next('acquired')
      set('hang')
      const timeout = await leader.nextLine('scheduler_lock_heartbeat_timeout')
      assert.equal(timeout.fields['timeoutSeconds'], shortSet.attemptTimeout / 1_000)
      set('reject')
      const error = await leader.nextLine('scheduler_lock_heartbeat_error')
      assert.match(String(error.fields['message']), /rejected by the store/)
      assert.equal(error.fields['correlationId'], timeout.fields['correlationId'])
      set(undefined)
      await leader.nextLine('scheduler_lock_heartbeat_updated')
      assert.deepEqual(leader.said('lost'), [])
    }))

  test('a wish to resign reaches the leader by push, and it hands over', () =>
    withCluster({ ttl: 20_000, heartbeat: 5_000, attemptTimeout: 5_000 }, async (cluster) => {
      const [leader, candidate] = await cluster.start(2)
      assert.ok(leader && candidate)
      const outside = createTenure({ store: `sqlite:${cluster.path}`, label: 'ops' })
      const outcome = await outside.requestResign({ coolDown: '30s' })
      assert.equal(outcome.kind, 'requested')
      assert.equal(outcome.kind === 'requested' && outcome.fencingToken, 1)
      const asked = await leader.nextLine('lease_resign_requested')
      assert.equal(asked.fields['by'], 'ops')
      assert.equal((await leader.next('lost')).reason, 'resigned')
      assert.equal((await candidate.next('acquired')).token, 2)

      const status = await outside.status()
      assert.equal(status.role, 'stopped')
      assert.equal(status.lease?.label, candidate.label)
      assert.deepEqual(
        status.terms.map(({ token, reason }) => [token, reason]),
        [
          [2, undefined],
          [1, 'resigned'],
        ],
      )
      await outside.stop()
    }))

  test('the environment is read at each firing; nonsense is logged once, and the last good stays', () =>
    withCluster({}, async (cluster) => {
      const leader = await cluster.add(
        { heartbeat: undefined },
        { env: { TENURE_HEARTBEAT: '2s' } },
      )
      await leader.next('acquired')
      leader.send({ do: 'set environment', name: 'TENURE_HEARTBEAT', value: 'often' })
      const invalid = await leader.nextLine('settings_invalid')
      assert.match(String(invalid.fields['message']), /heartbeat \(TENURE_HEARTBEAT\).*"often"/)
      await leader.nextLine('scheduler_lock_heartbeat_updated', { after: 2 })
      assert.equal(leader.lines('settings_invalid').length, 1)
      leader.send({ do: 'set environment', name: 'TENURE_HEARTBEAT', value: '500ms' })
      const before = leader.lines('scheduler_lock_heartbeat_updated').length
      const updated = await until('heartbeats every 500 ms', () => {
        const lines = leader.lines('scheduler_lock_heartbeat_updated').slice(before + 1)
        return lines.length >= 3 && lines
      })
      const times = updated.map(({ fields }) => Date.parse(String(fields['at'])))
      assert.ok((times[2] ?? 0) - (times[0] ?? 0) < 1_900, String(times))
    }))
})

test('a store module that cannot be loaded rejects start(), and says so', async () => {
  for (const module of [
    'tenure-store-that-is-not-there',
    new URL('./cluster.ts', import.meta.url),
  ]) {
    const tenure = createTenure({ store: { module } })
    await assert.rejects(tenure.start(), { name: 'TenureError', code: 'TENURE_ERR_STORE_MODULE' })
    await tenure.stop()
  }
})
