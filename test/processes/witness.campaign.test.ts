// What is taken over in milliseconds because the witness releases, and what is not: all ways to die but
// those of witness.test.ts, which `npm test` runs.
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { shortSet, threeSeconds, withCluster } from '../support/cluster.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { assertReleased, beforeExpiryMs, longSet, startTwo } from '../support/released.ts'
import { onEachStore } from '../support/test-store.ts'
import { nowMs, until } from '../support/until.ts'
import { isRunning } from '../support/witness.ts'

onEachStore((on) => {
  describe('a leader that ends without a word', { concurrency: 3 }, () => {
    test("kill -9, with the witness 'warm': another leads long before the lease would expire", () =>
      withCluster({ ...longSet, on, witness: 'warm' }, async (cluster) => {
        const [leader, candidate, pid] = await startTwo(cluster)
        leader.signal('SIGKILL')
        await assertReleased(cluster, candidate)
        await until('the witness has ended', () => !isRunning(pid))
      }))

    test('SIGTERM without a handler: the same', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const [leader, candidate] = await startTwo(cluster)
        leader.signal('SIGTERM')
        await assertReleased(cluster, candidate)
      }))

    test('kill -9 of its whole process group: the same, as the witness has one of its own', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const leader = await cluster.add({}, { detached: true })
        await leader.next('acquired')
        const candidate = await cluster.add()
        assert.ok(leader.witness)
        process.kill(-leader.pid, 'SIGKILL')
        await assertReleased(cluster, candidate, leader.witness)
      }))

    test('kill -9 while the heartbeat runs on the event loop: the same', () =>
      withCluster({ ...longSet, on, heartbeatIn: 'main' }, async (cluster) => {
        const [leader, candidate] = await startTwo(cluster)
        leader.signal('SIGKILL')
        await assertReleased(cluster, candidate)
      }))

    test('kill -9 with children that live on, of either kind: their copies of nothing delay it', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const [leader, candidate] = await startTwo(cluster)
        leader.send({ do: 'spawn', detached: false, guarded: false })
        leader.send({ do: 'spawn', detached: true, guarded: false })
        await leader.next('spawned', { after: 1 })
        const children = leader.said('spawned').map(({ pid }) => pid)
        try {
          leader.signal('SIGKILL')
          await assertReleased(cluster, candidate)
          assert.ok(children.every(isRunning))
        } finally {
          for (const pid of children) process.kill(pid, 'SIGKILL')
        }
      }))

    test('process.exit of a supervisor: the same, as what outlives it is ended first', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const [leader, candidate] = await startTwo(cluster)
        leader.send({ do: 'spawn', detached: true, guarded: true })
        const { pid } = await leader.next('spawned')
        leader.send({ do: 'exit' })
        await candidate.next('acquired', { withinMs: beforeExpiryMs })
        assert.equal(isRunning(pid), false)
        await assertReleased(cluster, candidate)
      }))

    for (const [how, witness] of [
      ['no witness', false],
      ['a witness that was stopped', 'auto'],
    ] as const) {
      test(`process.exit of a supervisor with ${how}: its command lives on, and the lease expires`, () =>
        withCluster({ ...threeSeconds, on, witness }, async (cluster) => {
          const [leader, candidate] = await cluster.start(2)
          assert.ok(leader && candidate)
          leader.send({ do: 'spawn', detached: true, guarded: true })
          const { pid } = await leader.next('spawned')
          try {
            if (leader.witness !== undefined) process.kill(leader.witness, 'SIGSTOP')
            leader.send({ do: 'exit' })
            await leader.exited
            const exitedAtMs = nowMs()
            const { atMs } = await candidate.next('acquired')
            assert.ok(atMs - exitedAtMs > threeSeconds.ttl - threeSeconds.heartbeat - 1_000)
            assert.ok(isRunning(pid))
          } finally {
            process.kill(pid, 'SIGKILL')
          }
        }))
    }

    test('kill -9 of it and its witness at once: replaced after the ttl, and not before', () =>
      withCluster({ on }, async (cluster) => {
        const [leader, candidate, pid] = await startTwo(cluster)
        process.kill(pid, 'SIGKILL')
        leader.signal('SIGKILL')
        const killedAtMs = nowMs()
        const { atMs } = await candidate.next('acquired')
        assert.ok(atMs - killedAtMs > shortSet.ttl - shortSet.heartbeat - 1_000)
        assert.deepEqual(leader.said('lost'), [])
      }))

    test('a witness that was killed is replaced, and the next one does as well', () =>
      withCluster({ ...longSet, heartbeat: 2_000, attemptTimeout: 2_000, on }, async (cluster) => {
        const [leader, candidate, pid] = await startTwo(cluster)
        process.kill(pid, 'SIGKILL')
        const died = await leader.nextLine('witness_died')
        assert.equal(died.level, 'warn')
        const next = await until('there is another witness', async () => {
          const before = leader.said('witness').length
          leader.send({ do: 'witness' })
          return (await leader.next('witness', { after: before })).pid
        })
        assert.notEqual(next, pid)
        assert.equal(leader.lines('witness_died').length, 1)
        // The thread is told of the next one's pipe by a message: once it has heard that for sure,
        // what it holds is written there.
        const after = leader.lines('scheduler_lock_heartbeat_updated').length + 1
        await leader.nextLine('scheduler_lock_heartbeat_updated', { after })
        leader.signal('SIGKILL')
        await assertReleased(cluster, candidate)
      }))

    test('a witness ignores what is meant for the group: Ctrl-C, systemd, a terminal that closes', () =>
      withCluster({ ...longSet, on }, async (cluster) => {
        const [leader, candidate, pid] = await startTwo(cluster)
        for (const signal of [
          'SIGINT',
          'SIGTERM',
          'SIGHUP',
          'SIGQUIT',
          'SIGUSR1',
          'SIGUSR2',
        ] as const)
          process.kill(pid, signal)
        leader.signal('SIGKILL')
        // It also comes again, to what the witness runs then.
        process.kill(pid, 'SIGTERM')
        await assertReleased(cluster, candidate, pid)
      }))

    test('a witness that was stopped delays no heartbeat, and does its work when it goes on', () =>
      withCluster({ on }, async (cluster) => {
        const [leader, candidate, pid] = await startTwo(cluster)
        process.kill(pid, 'SIGSTOP')
        await leader.nextLine('scheduler_lock_heartbeat_updated', { after: 2 })
        assert.deepEqual(leader.said('lost'), [])
        leader.signal('SIGKILL')
        process.kill(pid, 'SIGCONT')
        await assertReleased(cluster, candidate)
      }))

    test('witness: false, the control: replaced after the ttl', () =>
      withCluster({ on, witness: false }, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        assert.equal(leader.witness, undefined)
        leader.signal('SIGKILL')
        const killedAtMs = nowMs()
        const { atMs } = await candidate.next('acquired')
        assert.ok(atMs - killedAtMs > shortSet.ttl - shortSet.heartbeat - 1_000)
      }))
  })
})

describe('a heart that dies in a process that lives', () => {
  test('is not the end of the process to the witness, which releases nothing', () =>
    withCluster({}, async (cluster) => {
      const faultPath = join(cluster.folder, 'fault')
      const module = new URL('../support/faulty-store.ts', import.meta.url)
      const options = { path: cluster.path, faultPath }
      const leader = await cluster.add({ store: { module, options } })
      await leader.next('acquired')
      const { witness } = leader
      assert.ok(witness)
      const candidate = await cluster.add()
      writeFileSync(faultPath, 'throw')
      await leader.nextLine('heart_died')
      const diedAtMs = nowMs()
      rmSync(faultPath)
      const lost = await leader.next('lost')
      assert.equal(lost.reason, 'expired')

      const acquired = await until('somebody leads again', () =>
        [leader, candidate]
          .flatMap((instance) => instance.said('acquired'))
          .find(({ token }) => token === 2),
      )
      assert.ok(acquired.atMs > lost.atMs, 'one leader at a time')
      assert.ok(acquired.atMs - diedAtMs > shortSet.ttl - shortSet.heartbeat - 1_000)
      assert.ok(isRunning(witness), 'the same witness waits on')
      assert.deepEqual(leader.lines('witness_died'), [])
    }))
})

describe(
  'an acquisition under way when its process is killed',
  { skip: missing('postgres') },
  () => {
    test('is released, because the record tells its token', async () => {
      const server = await PostgresServer.start()
      try {
        await withCluster({ ...longSet, on: 'PostgreSQL', server }, async (cluster) => {
          const first = await cluster.add()
          await first.next('acquired')
          first.send({ do: 'stop' })
          await first.next('stopped')
          const administrator = await server.connect('test_1')
          await administrator.query(
            'BEGIN; LOCK TABLE tenure.tenure_lease IN ACCESS EXCLUSIVE MODE',
          )
          const killed = await cluster.add()
          const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity
          WHERE wait_event_type = 'Lock' AND query LIKE '%tenure_try_acquire%'`
          await until('its acquisition waits for the lock', async () => {
            const [row] = await server.sql<{ n: number }>(waiting)
            return row?.n === 1
          })
          killed.signal('SIGKILL')
          await killed.exited
          await administrator.query('COMMIT')
          await administrator.end()
          await until('the lease is acquired for the dead, and released', async () => {
            const { record, terms } = await cluster.read()
            return record === undefined && terms[0]?.token === 2 && terms[0].reason === 'crashed'
          })
        })
      } finally {
        await server.end()
      }
    })
  },
)
