// What is taken over in milliseconds because the witness releases; the campaigns have all ways to die.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { withCluster } from '../support/cluster.ts'
import { assertReleased, beforeExpiryMs, longSet, startTwo } from '../support/released.ts'
import { onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'
import { isRunning } from '../support/witness.ts'

onEachStore((on) => {
  describe('a leader that ends without a word', { concurrency: 2 }, () => {
    test('kill -9: another leads long before the lease would expire', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const [leader, candidate, pid] = await startTwo(cluster)
        leader.signal('SIGKILL')
        await assertReleased(cluster, candidate)
        await until('the witness has ended', () => !isRunning(pid))
      }))

    test('kill -9 of a supervisor: the group of its command ends before another leads', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const [leader, candidate] = await startTwo(cluster)
        leader.send({ do: 'spawn', detached: true, guarded: true })
        const { pid } = await leader.next('spawned')
        leader.signal('SIGKILL')
        await candidate.next('acquired', { withinMs: beforeExpiryMs })
        assert.equal(isRunning(pid), false)
        await assertReleased(cluster, candidate)
      }))
  })
})
