import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { threeSeconds, withCluster } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'
import { nowMs, until } from '../support/until.ts'

const stallLimit = 3_000

onEachStore((on) => {
  const options = { ...threeSeconds, stallLimit, on }

  describe('hung is not alive', { concurrency: 5 }, () => {
    test('onStall: kill ends the process, and says why', () =>
      withCluster({ ...options, onStall: 'kill' }, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        leader.send({ do: 'block', how: 'busy loop', ms: 60_000 })
        assert.equal(await leader.exited, null)
        assert.equal(leader.process.signalCode, 'SIGKILL')
        assert.match(leader.stderr, /onStall is 'kill'/)
        await candidate.next('acquired')
      }))

    test('a main thread that hangs for ever is told of in the history as stalled, by its thread', () =>
      withCluster(options, async (cluster) => {
        const [leader] = await cluster.start(1)
        assert.ok(leader)
        leader.send({ do: 'block', how: 'Atomics.wait', ms: 600_000 })
        await until('the reason stands in the history', async () => {
          const { terms } = await cluster.read()
          return terms[0]?.reason === 'stalled'
        })
      }))

    test('a process that was stopped as a whole is never called stalled', () =>
      withCluster(options, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        leader.signal('SIGSTOP')
        await candidate.next('acquired')
        // Far longer than the stall limit has the process been stopped when it goes on.
        const stoppedAtMs = nowMs()
        await until('the stall limit has passed', () => nowMs() - stoppedAtMs > 2 * stallLimit)
        const helds = leader.lines('lease_held').length
        leader.signal('SIGCONT')
        assert.equal((await leader.next('lost')).reason, 'expired')
        await leader.nextLine('lease_held', { after: helds })
        assert.deepEqual(leader.lines('main_thread_stalled'), [])
      }))

    test('a candidate whose main thread hangs does not take the lease', () =>
      withCluster(options, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        candidate.send({ do: 'block', how: 'Atomics.wait', ms: threeSeconds.ttl + 3_000 })
        // By now it has missed a heartbeat interval, which is when it withdraws.
        const blockedAtMs = nowMs()
        const withdrawsMs = threeSeconds.heartbeat + 500
        await until('it has withdrawn', () => nowMs() - blockedAtMs > withdrawsMs)
        leader.send({ do: 'stop' })
        await leader.next('stopped')
        await candidate.next('looked')
        assert.equal((await candidate.next('acquired')).token, 2)
        const releasedAtMs = nowMs()
        assert.ok(releasedAtMs - blockedAtMs >= threeSeconds.ttl, 'only when it ran again')
      }))
  })
})
