import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { installSql } from '../../scripts/postgres-sql.ts'
import { shortSet } from '../support/cluster.ts'
import { PgBouncer } from '../support/pgbouncer.ts'
import { missing, pathOf } from '../support/programs.ts'
import {
  assertUndisturbed,
  beats,
  longSet,
  passes,
  withServer,
} from '../support/troubled-postgres.ts'
import { until } from '../support/until.ts'

/** The default times. */
const skip = missing('postgres')

describe('a PostgreSQL server that has its troubles', { skip, concurrency: 3 }, () => {
  test('stopped for 3 s: the same term goes on', () =>
    withServer(longSet, async (cluster, server) => {
      await cluster.start(2)
      await server.down()
      await passes(3_000)
      await server.up()
      await assertUndisturbed(cluster)
    }))

  test('connections ended whenever they are idle: no loss, and one line that says so', () =>
    withServer({ settings: ['idle_session_timeout = 200ms'], ...longSet }, async (cluster) => {
      const [leader, candidate] = await cluster.start(2)
      assert.ok(leader && candidate)
      // Each cut has the candidate look again.
      const looks = (): number => candidate.lines('lease_held').length
      await until('it was cut ten times', () => looks() >= 10, 60_000)
      await assertUndisturbed(cluster)
      const said = candidate.lines('store_push_unavailable')
      assert.ok(said.length >= 1 && said.length <= 3, `${said.length} lines`)
    }))

  test("the application's pool exhausted: the heartbeat has a connection of its own", () =>
    withServer({}, async (cluster) => {
      const [leader] = await cluster.start(2)
      assert.ok(leader)
      leader.send({ do: 'exhaust pool', url: cluster.store.url })
      await leader.next('exhausted')
      for (let beat = 0; beat < 3; beat++) await beats(leader)
      await assertUndisturbed(cluster)
    }))

  test('a table locked for 3 s: no loss', () =>
    withServer(longSet, async (cluster, server) => {
      await cluster.start(2)
      const client = await server.connect('test_1')
      await client.query('BEGIN; LOCK TABLE tenure.tenure_lease IN ACCESS EXCLUSIVE MODE')
      await passes(3_000)
      await client.end()
      await assertUndisturbed(cluster)
    }))

  test('that does not answer at all: jobs start on time while the term is trusted, then it ends', () =>
    withServer({ tick: 100 }, async (cluster, server) => {
      const [leader] = await cluster.start(1)
      assert.ok(leader)
      await beats(leader)
      const runsBefore = leader.said('ran').length
      server.freeze(true)
      const timeout = await leader.nextLine('scheduler_lock_heartbeat_timeout')
      assert.equal(timeout.fields['timeoutSeconds'], 1)
      assert.equal((await leader.next('lost')).reason, 'store-unreachable')
      const runs = leader.said('ran').slice(runsBefore)
      assert.ok(runs.length >= 20, `${runs.length} of about 40 ticks were run`)
      server.freeze(false)
      await leader.next('acquired', { after: 1 })
    }))

  test('rights taken away while running: an event that says so, and no restart when they are back', () =>
    withServer(shortSet, async (cluster, server) => {
      const sql = (text: string): Promise<unknown> => server.sql(text, 'test_1')
      await sql(`CREATE ROLE least LOGIN PASSWORD '${server.password}'`)
      await sql(installSql().replaceAll(':"role"', 'least'))
      const leader = await cluster.add({ store: server.url('test_1', { user: 'least' }) })
      await leader.next('acquired')
      await sql('REVOKE UPDATE ON tenure.tenure_lease FROM least')
      const error = await leader.nextLine('scheduler_lock_heartbeat_error')
      assert.equal(error.fields['error'], 'TENURE_ERR_STORE_UNUSABLE')
      assert.match(String(error.fields['message']), /permission denied.*postgres\.sql/s)
      await sql('GRANT UPDATE ON tenure.tenure_lease TO least')
      await beats(leader)
      assert.equal(leader.hasExited, false)
    }))

  test(
    'its clock stepped forward by a minute while candidates watch: no loss, no second leader',
    {
      skip: missing('libfaketime'),
    },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tenure-clock-'))
      const setting = join(folder, 'faketime')
      writeFileSync(setting, '+0')
      chmodSync(folder, 0o755)
      const env = {
        LD_PRELOAD: pathOf('libfaketime'),
        FAKETIME_TIMESTAMP_FILE: setting,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      }
      // With the default times: three instances that connect anew at once take a busy machine seconds.
      await withServer({ env, ...longSet }, async (cluster, server) => {
        const [leader, candidate] = await cluster.start(3)
        assert.ok(leader && candidate)
        await beats(leader)
        writeFileSync(setting, '+60')
        const [row] = await server.sql<{ ms: number }>(
          'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
        )
        assert.ok(Math.abs((row?.ms ?? 0) - Date.now() - 60_000) < 30_000, 'the clock was stepped')
        // Whoever has lost its connection looks at once, before the leader renews.
        const after = candidate.lines('lease_held').length
        await server.terminateConnections('test_1')
        await candidate.nextLine('lease_held', { after })
        for (let beat = 0; beat < 3; beat++) await assertUndisturbed(cluster)

        // A crash after the step is taken over as ever.
        leader.signal('SIGKILL')
        await until('another one leads', () =>
          cluster.instances.some((instance) =>
            instance.said('acquired').some(({ token }) => token === 2),
          ),
        )
      })
      rmSync(folder, { recursive: true })
    },
  )

  test(
    'behind a pooler in transaction mode: handed over long before the ttl, without a push',
    {
      skip: missing('pgbouncer'),
    },
    () =>
      withServer({ ...longSet, ttl: 60_000 }, async (cluster, server) => {
        const pooler = await PgBouncer.start(server)
        const store = server.url('test_1', { port: pooler.port })
        const leader = await cluster.add({ store })
        await leader.next('acquired')
        const candidate = await cluster.add({ store })
        await candidate.nextLine('store_push_unavailable')
        leader.send({ do: 'resign', coolDown: 30_000 })
        // It looks once in each heartbeat interval, and does not wait for the ttl.
        await candidate.next('acquired', { withinMs: 45_000 })
        await pooler.end()
      }),
  )
})
