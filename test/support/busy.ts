import assert from 'node:assert/strict'

import type { BlockName } from './blocks.ts'
import { shortSet, withCluster } from './cluster.ts'
import type { StoreName } from './test-store.ts'
import { until } from './until.ts'

/** Three ttls of the short set. */
const blockedMs = 3 * shortSet.ttl

/** A leader blocked for three ttls keeps the lease and its token. */
export function keepsLease(on: StoreName, how: BlockName): Promise<void> {
  return withCluster({ on }, async (cluster) => {
    const [leader, candidate] = await cluster.start(2)
    assert.ok(leader && candidate)
    const before = await cluster.read()
    leader.send({ do: 'block', how, ms: blockedMs })
    const seen = await leader.next('looked', { withinMs: blockedMs + 90_000 })

    assert.equal(seen.isLeader, true, 'the first statement after the block')
    assert.equal(seen.isTrusted, true)
    assert.equal(seen.token, before.token)
    const after = await cluster.read()
    assert.equal(after.record?.holder, before.record?.holder)
    assert.equal(after.token, before.token, 'no other instance has acquired')
    assert.ok(after.record && after.record.renewals >= 3 * (shortSet.ttl / shortSet.heartbeat) - 2)
    assert.deepEqual(candidate.said('acquired'), [])
    assert.deepEqual(leader.said('lost'), [])
  })
}

/** The control: with the heartbeat on the event loop it loses the lease, and knows it. */
export function losesLease(on: StoreName, how: BlockName): Promise<void> {
  return withCluster({ on, heartbeatIn: 'main' }, async (cluster) => {
    const [leader, candidate] = await cluster.start(2)
    assert.ok(leader && candidate)
    leader.send({ do: 'block', how, ms: shortSet.ttl + 2_000 })
    const acquired = await candidate.next('acquired', { withinMs: shortSet.ttl + 20_000 })
    assert.equal(acquired.token, 2)
    const seen = await leader.next('looked', { withinMs: 30_000 })
    assert.equal(seen.isLeader, false, 'but the first statement after the block knows')
    assert.equal(seen.isTrusted, false)
    await until('the leader says that it has lost', () => leader.said('lost').length === 1)
  })
}
