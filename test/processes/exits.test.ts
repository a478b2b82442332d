import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { InstanceCommand } from '../support/instance.ts'
import { withCluster } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'

/** With the default ttl of 20 s, whoever leads sooner than this does so after a release. */
const beforeExpiryMs = 12_000
const longSet = { ttl: 20_000, heartbeat: 5_000, attemptTimeout: 5_000 } as const

const ways: { name: string; command: InstanceCommand; reason: string }[] = [
  { name: 'process.exit', command: { do: 'exit' }, reason: 'stopped' },
  { name: 'an uncaught exception', command: { do: 'throw' }, reason: 'crashed' },
  { name: 'an unhandled rejection', command: { do: 'reject' }, reason: 'crashed' },
  { name: 'the natural end', command: { do: 'end naturally' }, reason: 'stopped' },
  { name: 'stop()', command: { do: 'stop' }, reason: 'stopped' },
  { name: 'resign()', command: { do: 'resign', coolDown: 30_000 }, reason: 'resigned' },
]

onEachStore((on) => {
  describe(
    'a leader that ends while JavaScript still runs hands over at once',
    { concurrency: 3 },
    () => {
      for (const { name, command, reason } of ways) {
        test(`${name}: another instance leads long before the lease would expire`, () =>
          withCluster({ ...longSet, on }, async (cluster) => {
            const [leader, candidate] = await cluster.start(2)
            assert.ok(leader && candidate)
            leader.send(command)
            const acquired = await candidate.next('acquired', { withinMs: beforeExpiryMs })
            assert.equal(acquired.token, 2)
            const { terms } = await cluster.read()
            assert.equal(terms.find((term) => term.token === 1)?.reason, reason)
            if (command.do !== 'resign') await leader.exited
          }))
      }

      test('a candidate that ends changes nothing, and ends without delay', () =>
        withCluster({ ...longSet, on }, async (cluster) => {
          const [leader, candidate] = await cluster.start(2)
          assert.ok(leader && candidate)
          candidate.send({ do: 'exit' })
          assert.equal(await candidate.exited, 0)
          const { record } = await cluster.read()
          assert.equal(record?.token, 1)
        }))

      test('after resign() an instance is no candidate while it cools down, and then is one again', () =>
        withCluster({ on }, async (cluster) => {
          const leader = await cluster.add()
          await leader.next('acquired')
          leader.send({ do: 'resign', coolDown: 1_500 })
          await leader.next('resigned')
          const lost = await leader.next('lost')
          const again = await leader.next('acquired', { after: 1 })
          assert.ok(again.atMs - lost.atMs >= 1_400)
          assert.equal(again.token, 2)
        }))
    },
  )
})
