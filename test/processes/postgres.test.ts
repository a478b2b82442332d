// Some troubles of a server; the campaigns have all of them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { shortSet } from '../support/cluster.ts'
import { missing } from '../support/programs.ts'
import { assertUndisturbed, beats, longSet, withServer } from '../support/troubled-postgres.ts'
import { until } from '../support/until.ts'

const skip = missing('postgres')

describe('a PostgreSQL server that has its troubles', { skip, concurrency: 3 }, () => {
  test('stopped for longer than a ttl: the term ends, unreachable; then somebody leads again', () =>
    withServer(shortSet, async (cluster, server) => {
      const [leader] = await cluster.start(2)
      assert.ok(leader)
      await beats(leader)
      await server.down('immediate')
      const ending = await leader.nextLine('lease_ending')
      assert.equal(ending.fields['reason'], 'store-unreachable')
      assert.equal((await leader.next('lost')).reason, 'store-unreachable')
      leader.send({ do: 'look' })
      assert.equal((await leader.next('looked')).isTrusted, false)
      await server.up()
      const again = await until('somebody leads', () =>
        cluster.instances
          .flatMap((instance) => instance.said('acquired'))
          .find(({ token }) => token === 2),
      )
      assert.equal(again.token, 2)
      const { terms } = await cluster.read()
      assert.equal(terms.find(({ token }) => token === 1)?.label, 'A')
    }))

  test('connections ended by the administrator, time and again: no loss', () =>
    withServer(longSet, async (cluster, server) => {
      const [leader] = await cluster.start(3)
      assert.ok(leader)
      for (let round = 0; round < 5; round++) {
        await until('all are connected', async () => (await server.connections('test_1')) >= 3)
        await server.terminateConnections('test_1')
        await beats(leader)
      }
      await assertUndisturbed(cluster)
    }))

  test('a URL that Prisma has written: the tables have their own schema, and one line names what is passed over', () =>
    withServer({}, async (cluster, server) => {
      const store = `${cluster.store.url}?schema=public&connection_limit=5&pgbouncer=true`
      const leader = await cluster.add({ store })
      await leader.next('acquired')
      await beats(leader)
      const [line, ...others] = leader.lines('store_parameters_ignored')
      assert.deepEqual(line?.fields['parameters'], ['schema', 'connection_limit', 'pgbouncer'])
      assert.match(String(line?.fields['message']), /tenure_schema/)
      assert.deepEqual(others, [])
      const tables = `SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'tenure%'`
      assert.deepEqual(await server.sql(tables, 'test_1'), [{ schemaname: 'tenure' }])
    }))
})
