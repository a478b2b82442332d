// Handlers that end their process, or would: another instance leads, or this one goes on.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { withCluster } from '../support/cluster.ts'
import type { Misbehaviour } from '../support/instance.ts'

/** With the default ttl of 20 s, whoever leads sooner than this does so after a release. */
const beforeExpiryMs = 12_000
const longSet = { ttl: 20_000, heartbeat: 5_000, attemptTimeout: 5_000 } as const

const ways: { name: string; how: Misbehaviour; reason: string; code: number }[] = [
  { name: 'calls process.exit', how: 'exit', reason: 'stopped', code: 0 },
  {
    name: 'calls process.exit while another job runs',
    how: 'exit while another runs',
    reason: 'stopped',
    code: 0,
  },
  {
    name: 'throws inside an abort listener, which nobody catches',
    how: 'throw in an abort listener',
    reason: 'crashed',
    code: 1,
  },
]

describe('a handler that', { concurrency: 2 }, () => {
  for (const { name, how, reason, code } of ways) {
    test(`${name}: the lease is released, and another instance leads at once`, () =>
      withCluster(longSet, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        leader.send({ do: 'misbehave', how, survives: false })
        const acquired = await candidate.next('acquired', { withinMs: beforeExpiryMs })
        assert.equal(acquired.token, 2)
        assert.equal(await leader.exited, code)
        assert.equal(leader.said('ended').length, 0)
        const { terms } = await cluster.read()
        assert.equal(terms.find((term) => term.token === 1)?.reason, reason)
      }))
  }

  test('throws inside an abort listener of an application that bears that: the jobs go on', () =>
    withCluster({ ...longSet, tick: 100 }, async (cluster) => {
      const leader = await cluster.add()
      await leader.next('acquired')
      leader.send({ do: 'misbehave', how: 'throw in an abort listener', survives: true })
      await leader.next('caught')
      assert.equal((await leader.next('ended')).outcome, 'timed-out')
      const ran = leader.said('ran').length
      const { token } = await leader.next('ran', { after: ran + 2 })
      assert.equal(token, 1)
      assert.equal(leader.said('lost').length, 0)
    }))
})
