// What only PostgreSQL has: a shared lock, its timeout, snapshots, rights, an aborted transaction.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import type pg from 'pg'

import { fenceTableSql } from '../../src/index.ts'
import { fenceOf, termsOfLease } from '../support/fenced-resource.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'

describe('the fence on PostgreSQL', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  let one: pg.Client
  let other: pg.Client

  before(async () => {
    server = await PostgresServer.start()
    one = await server.connect()
    other = await server.connect()
    await one.query(fenceTableSql.postgres)
  })
  after(async () => {
    await one.end()
    await other.end()
    await server.end()
  })

  const lockTimeout = async (client: pg.Client): Promise<string> =>
    (await client.query<{ lock_timeout: string }>('SHOW lock_timeout')).rows[0]?.lock_timeout ?? ''

  test('several runs of one term write at once', async () => {
    const fence = fenceOf(termsOfLease()(1))
    await one.query('BEGIN')
    await fence(one)
    await one.query('COMMIT')
    await one.query('BEGIN')
    await fence(one)
    await other.query('BEGIN')
    await fence(other)
    await one.query('COMMIT')
    await other.query('COMMIT')
  })

  test('whoever waits too long for another term gets a clear error, and is aborted', async () => {
    const term = termsOfLease()
    await one.query('BEGIN')
    await fenceOf(term(1))(one)
    await other.query('BEGIN')
    await other.query("SET LOCAL lock_timeout = '50ms'")
    await assert.rejects(fenceOf(term(2))(other), {
      code: 'TENURE_ERR_FENCE_TIMEOUT',
      message: /within the lock timeout, 5s at most.*long, or its process is frozen/,
    })
    await assert.rejects(fenceOf(term(2))(other), {
      code: 'TENURE_ERR_FENCE_TRANSACTION',
      message: /an error before has aborted this one/,
    })
    await other.query('ROLLBACK')
    await one.query('COMMIT')
  })

  test("the handler's own lock timeout is in force again afterwards, in and after its transaction", async () => {
    const fence = fenceOf(termsOfLease()(1))
    for (const own of ['0', '1min', '70ms']) {
      await one.query(`SET lock_timeout = '${own}'`)
      await one.query('BEGIN')
      await fence(one)
      assert.equal(await lockTimeout(one), own)
      await one.query("SET LOCAL lock_timeout = '3s'")
      await fence(one)
      assert.equal(await lockTimeout(one), '3s')
      await one.query('COMMIT')
      assert.equal(await lockTimeout(one), own)
    }
    await one.query('SET lock_timeout = 0')
  })

  test('of a refused transaction nothing can be committed, also by a handler that goes on', async () => {
    const term = termsOfLease()
    await one.query('CREATE TABLE note (text text)')
    await one.query('BEGIN')
    await fenceOf(term(2))(one)
    await one.query('COMMIT')
    await one.query('BEGIN')
    await one.query("INSERT INTO note VALUES ('before the fence')")
    await assert.rejects(fenceOf(term(1))(one), { code: 'TENURE_ERR_FENCED' })
    assert.equal((await one.query('COMMIT')).command, 'ROLLBACK')
    assert.equal((await one.query('SELECT FROM note')).rowCount, 0)
  })

  test('a transaction whose snapshot is too old is refused in any case', async () => {
    const term = termsOfLease()
    await one.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await one.query('SELECT FROM tenure_fence')
    await other.query('BEGIN')
    await fenceOf(term(2))(other)
    await other.query('COMMIT')
    await assert.rejects(fenceOf(term(1))(one), {
      code: 'TENURE_ERR_FENCE_FAILED',
      message: /\(40001\).*Run it again from its beginning/,
    })
    await one.query('ROLLBACK')
  })

  test('the table is created by many at once, and by one that may not where it is there', async () => {
    const database = await server.createDatabase()
    const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect(database)))
    const [client] = clients
    assert.ok(client)
    await Promise.all(clients.map((client) => client.query(fenceTableSql.postgres)))
    await client.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC')
    await client.query('CREATE ROLE creates_nothing')
    await client.query('SET ROLE creates_nothing')
    await assert.rejects(client.query('CREATE TABLE other (id int)'), { code: '42501' })
    await client.query(fenceTableSql.postgres)
    await Promise.all(clients.map((client) => client.end()))
  })

  test('a role needs to select, insert and update, and nothing else', async () => {
    const fence = fenceOf(termsOfLease()(1))
    await one.query('CREATE ROLE writer')
    await one.query('SET ROLE writer')
    const attempt = async (): Promise<void> => {
      await one.query('BEGIN')
      await fence(one).finally(() => one.query('ROLLBACK'))
    }
    await assert.rejects(attempt(), {
      code: 'TENURE_ERR_FENCE_FAILED',
      message: /permission denied.*\(42501\)\. The role needs SELECT, INSERT and UPDATE/,
    })
    await other.query('GRANT SELECT, INSERT, UPDATE ON tenure_fence TO writer')
    await attempt()
    await one.query('RESET ROLE')
  })

  test('a table that is not there, a standby and a broken connection are told apart', async () => {
    const fence = fenceOf(termsOfLease()(1))
    const client = await server.connect(await server.createDatabase())
    await client.query('BEGIN')
    await assert.rejects(fence(client), {
      code: 'TENURE_ERR_FENCE_FAILED',
      message: /"tenure_fence" does not exist.*\(42P01\)\. .*fenceTableSql\.postgres/,
    })
    await client.query('ROLLBACK')
    await client.query(fenceTableSql.postgres)
    await client.query('BEGIN READ ONLY')
    await assert.rejects(fence(client), { code: 'TENURE_ERR_FENCE_FAILED', message: /read-only/ })
    await client.end()
    await assert.rejects(fence(client), {
      code: 'TENURE_ERR_FENCE_FAILED',
      message: /got "Client was closed/,
    })
  })

  test('a savepoint is refused, at once and after writes before it, and may follow', async () => {
    const fence = fenceOf(termsOfLease()(1))
    const expected = { code: 'TENURE_ERR_FENCE_TRANSACTION', message: /in no savepoint/ }
    await one.query('CREATE TABLE IF NOT EXISTS work (what text)')
    // The first of a term raises the token, the others share it: both have to see a savepoint.
    for (const turn of ['raises', 'shares']) {
      for (const before of ['SELECT 1', "INSERT INTO work VALUES ('before')"]) {
        await one.query('BEGIN')
        await one.query(before)
        await one.query('SAVEPOINT inner_one')
        await assert.rejects(fence(one), expected, turn)
        await one.query('ROLLBACK TO inner_one')
        await one.query("INSERT INTO work VALUES ('within')")
        await assert.rejects(fence(one), expected, turn)
        await one.query('ROLLBACK')
      }
      // Neither one that is over, nor one that comes after, is in the way.
      await one.query('BEGIN')
      await one.query("SAVEPOINT over; INSERT INTO work VALUES ('over'); RELEASE over")
      await fence(one)
      await one.query("SAVEPOINT later; INSERT INTO work VALUES ('later')")
      await one.query('ROLLBACK TO later; COMMIT')
    }
  })

  test('a client may give rows and numbers in any way of its own', async () => {
    const term = termsOfLease()
    const types = { getTypeParser: () => (text: string) => BigInt(`0${text.replace(/\D/g, '')}`) }
    const query = one.query.bind(one) as (config: object) => Promise<unknown>
    const arrays = {
      query: (text: string) => query({ text, rowMode: 'array', types }),
      escapeLiteral: (text: string) => one.escapeLiteral(text),
    }
    await one.query('BEGIN')
    await fenceOf(term(2))(arrays)
    await one.query('COMMIT')
    await one.query('BEGIN')
    await assert.rejects(async () => fenceOf(term(1))(arrays), {
      code: 'TENURE_ERR_FENCED',
      message: /fencing token 2 has, and this term has 1/,
    })
    await one.query('ROLLBACK')
  })

  test('what a library wraps around an error of the client changes nothing', async () => {
    const term = termsOfLease()
    await one.query('BEGIN')
    await fenceOf(term(2))(one)
    await one.query('COMMIT')
    const wrappers: ((cause: unknown) => unknown)[] = [
      (cause) => new Error('Failed query', { cause }),
      (cause) => new Error('outer', { cause: new Error('inner', { cause }) }),
      (cause) => Object.assign(new Error('x'), { code: 'ORM_ERROR', original: cause }),
      (driverError) => Object.assign(new Error('y'), { driverError }),
      (cause) => new AggregateError([cause], 'several'),
      (cause) => {
        const circle = new Error('circle', { cause })
        return Object.assign(circle, { parent: circle })
      },
    ]
    for (const wrap of wrappers) {
      const client = {
        query: (text: string) =>
          one.query(text).catch((error: unknown) => {
            throw wrap(error) as Error
          }),
        escapeLiteral: (text: string) => one.escapeLiteral(text),
      }
      await one.query('BEGIN')
      await assert.rejects(async () => fenceOf(term(1))(client), {
        code: 'TENURE_ERR_FENCED',
        message: /fencing token 2 has/,
      })
      await assert.rejects(async () => fenceOf(term(1))(client), {
        code: 'TENURE_ERR_FENCE_TRANSACTION',
      })
      await one.query('ROLLBACK')
    }
  })
})
