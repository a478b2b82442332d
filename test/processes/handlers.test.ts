// Handlers that end their process, or would: another instance leads, or this one goes on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { openLedger } from '../../src/store/open-ledger.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { withCluster, type Cluster } from '../support/cluster.ts'
import type { Misbehaviour } from '../support/instance.ts'
import { until } from '../support/until.ts'

/** With the default ttl of 20 s, whoever leads sooner than this does so after a release. */
const beforeExpiryMs = 12_000
const longSet = { ttl: 20_000, heartbeat: 5_000, attemptTimeout: 5_000 } as const

/** An instance that has a job for the ledger looks there for what the last leader has left. */
const jobs = [{ id: 'idle', schedule: { every: '1h' }, lastsMs: 0, options: {} }] as const

/** Waits until runs stand in the ledger with their outcomes, whatever else does. */
async function untilWritten(
  cluster: Cluster,
  written: readonly (readonly [jobId: string, outcome: string])[],
): Promise<void> {
  const ledger = await openLedger(parseStoreUrl(cluster.store.url))
  assert.ok(ledger)
  try {
    await until(`${JSON.stringify(written)} stands in the ledger`, async () => {
      const wish = { lease: 'scheduler', jobId: undefined, limit: 500 }
      const { runs } = await ledger.readRuns(wish, AbortSignal.timeout(20_000))
      return written.every(
        ([jobId, outcome]) =>
          runs.filter((run) => run.jobId === jobId && run.outcome === outcome).length === 1,
      )
    })
  } finally {
    await ledger.close()
  }
}

const ways: {
  name: string
  how: Misbehaviour
  reason: string
  code: number
  abandons: readonly string[]
}[] = [
  { name: 'calls process.exit', how: 'exit', reason: 'stopped', code: 0, abandons: ['bad'] },
  {
    name: 'calls process.exit while another job runs',
    how: 'exit while another runs',
    reason: 'stopped',
    code: 0,
    abandons: ['bad', 'other'],
  },
  {
    name: 'throws inside an abort listener, which nobody catches',
    how: 'throw in an abort listener',
    reason: 'crashed',
    code: 1,
    abandons: ['bad'],
  },
]

describe('a handler that', { concurrency: 2 }, () => {
  for (const { name, how, reason, code, abandons } of ways) {
    test(`${name}: the lease is released, another instance leads at once, and finds its runs`, () =>
      withCluster({ ...longSet, jobs }, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        leader.send({ do: 'misbehave', how, survives: false })
        const acquired = await candidate.next('acquired', { withinMs: beforeExpiryMs })
        assert.equal(acquired.token, 2)
        assert.equal(await leader.exited, code)
        assert.equal(leader.said('ended').length, 0)
        const { terms } = await cluster.read()
        assert.equal(terms.find((term) => term.token === 1)?.reason, reason)
        await untilWritten(
          cluster,
          abandons.map((jobId) => [jobId, 'abandoned'] as const),
        )
      }))
  }

  test('throws inside an abort listener of an application that bears that: the jobs go on', () =>
    withCluster({ ...longSet, tick: 100 }, async (cluster) => {
      const leader = await cluster.add()
      await leader.next('acquired')
      leader.send({ do: 'misbehave', how: 'throw in an abort listener', survives: true })
      await leader.next('caught')
      assert.equal((await leader.next('ended')).outcome, 'timed-out')
      await untilWritten(cluster, [['bad', 'timed-out']])
      const ran = leader.said('ran').length
      const { token } = await leader.next('ran', { after: ran + 2 })
      assert.equal(token, 1)
      assert.equal(leader.said('lost').length, 0)
    }))
})
