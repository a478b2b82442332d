// The fence on each database: who may write, who may not, and who waits for whom.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'

import pg from 'pg'

import { fenceTableSql, type SqliteFenceDatabase } from '../../src/index.ts'
import { createTestTenure } from '../../src/testing/index.ts'
import { silentLogger } from '../support/fastify-app.ts'
import {
  fenceOf,
  startPostgresResource,
  startSqliteResource,
  termsOfLease,
  type FencedResource,
  type FencedWriter,
} from '../support/fenced-resource.ts'
import { missing } from '../support/programs.ts'

function openSqlite(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(fenceTableSql.sqlite)
  return database
}

const engines = [
  { name: 'PostgreSQL', start: startPostgresResource, skip: missing('postgres') },
  { name: 'SQLite', start: startSqliteResource, skip: false },
]

for (const { name, start, skip } of engines) {
  describe(`the fence on ${name}`, { skip }, () => {
    let resource: FencedResource
    let one: FencedWriter
    let other: FencedWriter

    before(async () => {
      resource = await start()
      one = await resource.writer()
      other = await resource.writer()
    })
    after(() => resource.end())

    test('lets a term write, and a later one, and then the first one no more', async () => {
      const term = termsOfLease()
      for (const token of [1, 1, 2]) {
        await one.begin()
        await one.fence(term(token))
        await one.commit()
      }
      await other.begin()
      await assert.rejects(other.fence(term(1)), {
        code: 'TENURE_ERR_FENCED',
        message: /fencing token 2 has, and this term has 1\. .*roll back/,
      })
      await other.rollback()
    })

    test('forgets a term whose transaction is rolled back', async () => {
      const term = termsOfLease()
      await one.begin()
      await one.fence(term(7))
      await one.rollback()
      await other.begin()
      await other.fence(term(3))
      await other.commit()
    })

    test('may be called again within its transaction', async () => {
      const term = termsOfLease()
      await one.begin()
      await one.fence(term(1))
      await one.fence(term(1))
      await one.write(term(1))
      await one.fence(term(1))
      await one.commit()
    })

    test('knows leases apart by their names, whatever is in them', async () => {
      const names = [
        "'; DROP TABLE written; --",
        '$tenure$',
        '\\',
        'ä',
        '🔒',
        'a',
        'A',
        'x'.repeat(255),
      ]
      for (const [i, lease] of names.entries()) {
        await one.begin()
        await one.fence({ lease, token: names.length - i })
        await one.commit()
      }
      for (const [i, lease] of names.entries()) {
        await one.begin()
        await assert.rejects(one.fence({ lease, token: names.length - i - 1 }), {
          code: 'TENURE_ERR_FENCED',
        })
        await one.rollback()
      }
    })

    test('takes tokens up to the largest safe integer', async () => {
      const term = termsOfLease()
      await one.begin()
      await one.fence(term(Number.MAX_SAFE_INTEGER))
      await one.commit()
      await one.begin()
      await assert.rejects(one.fence(term(Number.MAX_SAFE_INTEGER - 1)), {
        message: /token 9007199254740991 has, and this term has 9007199254740990/,
      })
      await one.rollback()
      await assert.rejects(one.fence(term(2 ** 53)), { code: 'TENURE_ERR_INVARIANT' })
    })

    test('outside of a transaction would protect nothing, and says so', async () => {
      const term = termsOfLease()
      await assert.rejects(one.fence(term(1)), {
        code: 'TENURE_ERR_FENCE_TRANSACTION',
        message: /none is open.*BEGIN/,
      })
      await one.begin()
      await one.fence(term(1))
      await one.commit()
      await assert.rejects(one.fence(term(1)), { code: 'TENURE_ERR_FENCE_TRANSACTION' })
    })
  })
}

describe('the fence on SQLite alone', () => {
  test('is asked at once: a transaction needs no await', () => {
    const database = openSqlite(':memory:')
    database.exec('BEGIN IMMEDIATE')
    assert.equal(fenceOf(termsOfLease()(1))(database), undefined)
    database.exec('COMMIT')
  })

  test('a file that another transaction writes to is a clear error, and so is one read before', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tenure-fence-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const [one, other] = [openSqlite(join(folder, 'a.db')), openSqlite(join(folder, 'a.db'))]
    const fence = fenceOf(termsOfLease()(1))
    one.exec('BEGIN IMMEDIATE')
    fence(one)
    other.exec('BEGIN')
    assert.throws(() => fence(other), {
      code: 'TENURE_ERR_FENCE_TIMEOUT',
      message: /within the busy timeout/,
    })
    other.prepare('SELECT count(*) FROM tenure_fence').get()
    one.exec('COMMIT')
    // SQLITE_BUSY_SNAPSHOT: no waiting would help.
    assert.throws(() => fence(other), {
      code: 'TENURE_ERR_FENCE_TIMEOUT',
      message: /out of date: use 'BEGIN IMMEDIATE'/,
    })
    for (const database of [one, other]) database.close()
  })

  test('a table that is not there, a file that is read only and a closed one are told apart', (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tenure-fence-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const fence = fenceOf(termsOfLease()(1))
    const code = 'TENURE_ERR_FENCE_FAILED'
    const empty = new DatabaseSync(':memory:')
    empty.exec('BEGIN')
    assert.throws(() => fence(empty), { code, message: /no such table.*fenceTableSql\.sqlite/ })
    empty.close()
    assert.throws(() => fence(empty), { code, message: /database is not open/ })
    openSqlite(join(folder, 'a.db')).close()
    const readOnly = new DatabaseSync(join(folder, 'a.db'), { readOnly: true })
    readOnly.exec('BEGIN')
    assert.throws(() => fence(readOnly), { code, message: /readonly/ })
    readOnly.close()
  })

  test('a client of the shape of better-sqlite3 does as well', () => {
    const database = openSqlite(':memory:')
    const shaped = {
      prepare: (sql: string) => {
        const statement = database.prepare(sql)
        statement.setReadBigInts(true)
        return statement
      },
      get inTransaction() {
        return database.isTransaction
      },
    }
    const fence = fenceOf(termsOfLease()(1))
    assert.throws(() => fence(shaped), { code: 'TENURE_ERR_FENCE_TRANSACTION' })
    database.exec('BEGIN')
    fence(shaped)
    const busy = Object.assign(new Error('database is locked'), { code: 'SQLITE_BUSY_SNAPSHOT' })
    const locked = {
      inTransaction: true,
      prepare: (): never => {
        throw busy
      },
    }
    assert.throws(() => fence(locked), { code: 'TENURE_ERR_FENCE_TIMEOUT', cause: busy })
  })
})

describe('a SQLite database that gives its rows in another way', () => {
  const ways: [string, ConstructorParameters<typeof DatabaseSync>[1]][] = [
    ['as arrays', { returnArrays: true }],
    ['with bigints', { readBigInts: true }],
    ['as arrays with bigints', { returnArrays: true, readBigInts: true }],
  ]
  for (const [name, options] of ways) {
    test(`${name}: the leader writes, and a late one does not`, () => {
      const database = new DatabaseSync(':memory:', options)
      database.exec(fenceTableSql.sqlite)
      checkFenceOn(database)
      database.close()
    })
  }

  test('by each statement, as better-sqlite3 may be made to: the same', () => {
    const database = new DatabaseSync(':memory:')
    database.exec(fenceTableSql.sqlite)
    for (const shape of [
      (row: object): unknown => Object.values(row)[0],
      (row: object): unknown => Object.values(row),
      (row: object): unknown => ({ ...row }),
    ]) {
      checkFenceOn({
        get isTransaction() {
          return database.isTransaction
        },
        exec: (sql) => database.exec(sql),
        prepare: (sql) => {
          const statement = database.prepare(sql)
          return {
            run: (lease, token) => statement.run(lease, token),
            get: (lease) => shape(statement.get(lease) ?? {}),
          }
        },
      })
    }
    database.close()
  })

  test('without a token in it is a fault, and refuses nobody as if a later term had written', () => {
    for (const row of [
      undefined,
      null,
      {},
      [],
      { token: 'x' },
      { token: Number.NaN },
      Number.NaN,
    ]) {
      const database = { isTransaction: true, prepare: () => ({ run: () => {}, get: () => row }) }
      assert.throws(() => fenceOf(termsOfLease()(1))(database), { code: 'TENURE_ERR_FENCE_FAILED' })
    }
  })

  test('what a library wraps around an error changes nothing', () => {
    const busy = Object.assign(new Error('database is locked'), { errcode: 517 })
    const absent = Object.assign(new Error('no such table: tenure_fence'), { errcode: 1 })
    for (const wrap of [
      (cause: unknown) => new Error('Failed query', { cause }),
      (cause: unknown) => Object.assign(new Error('x'), { code: 'ORM', original: cause }),
    ]) {
      const failing = (error: unknown): SqliteFenceDatabase => ({
        isTransaction: true,
        prepare: () => {
          throw wrap(error)
        },
      })
      const fence = fenceOf(termsOfLease()(1))
      assert.throws(() => fence(failing(busy)), { code: 'TENURE_ERR_FENCE_TIMEOUT' })
      assert.throws(() => fence(failing(absent)), {
        code: 'TENURE_ERR_FENCE_FAILED',
        message: /fenceTableSql\.sqlite/,
      })
    }
  })
})

/** A term writes, a later one does, and then the first one no more. */
function checkFenceOn(database: SqliteFenceDatabase & { exec(sql: string): void }): void {
  const term = termsOfLease()
  for (const [token, code] of [
    [1, undefined],
    [1, undefined],
    [2, undefined],
    [1, 'TENURE_ERR_FENCED'],
  ] as const) {
    database.exec('BEGIN IMMEDIATE')
    const fence = (): void => fenceOf(term(token))(database)
    if (code === undefined) fence()
    else assert.throws(fence, { code, message: /fencing token 2 has, and this term has 1/ })
    database.exec(code === undefined ? 'COMMIT' : 'ROLLBACK')
  }
}

describe('what fence is given', () => {
  test('and is no connection that it knows is refused, by the name of its class', async () => {
    const fence = fenceOf(termsOfLease()(1)) as (client: unknown) => void
    const pool = new pg.Pool({ password: 'secret' })
    class Connection {
      readonly password = 'secret'
      query(): void {}
      execute(): void {}
    }
    const refused: [unknown, RegExp][] = [
      [undefined, /got undefined/],
      [null, /got null/],
      ['postgres://localhost', /\(string\)/],
      [() => {}, /got a function/],
      [{}, /got an object of the class Object/],
      [Object.create(null), /got an object/],
      [new Connection(), /got an object of the class Connection\.$/],
      [pool, /got a Pool, .* take one with connect\(\)/],
    ]
    for (const [client, message] of refused) {
      assert.throws(() => fence(client), { code: 'TENURE_ERR_FENCE_CLIENT', message })
    }
    assert.throws(() => fence(pool), /Expected a connection .* Client of `pg` .* DatabaseSync/)
    await pool.end()
  })
})

describe('the fence of a term', () => {
  test('is that of its runs, and carries its token', async () => {
    const database = openSqlite(':memory:')
    const tenure = createTestTenure({ lease: 'billing', logger: silentLogger })
    await tenure.schedule('write', { every: '1m' }, ({ fence }) => {
      database.exec('BEGIN')
      fence(database)
      database.exec('COMMIT')
    })
    await tenure.start()
    await tenure.advance('1m')
    await tenure.lose()
    await tenure.advance('1m')
    const { term } = tenure
    assert.ok(term)
    const rows = database.prepare('SELECT lease, token FROM tenure_fence').all()
    assert.deepEqual({ ...rows[0] }, { lease: 'billing', token: term.fencingToken })
    assert.ok(term.fencingToken > 1)
    await tenure.stop()
  })

  test('throws after the hard fence, before the database is asked', async () => {
    const tenure = createTestTenure({ logger: silentLogger })
    await tenure.start()
    const { term } = tenure
    assert.ok(term)
    await tenure.lose('expired')
    const asked: string[] = []
    const client = {
      query: async (text: string) => asked.push(text),
      escapeLiteral: (text: string) => text,
    }
    await assert.rejects(term.fence(client), { code: 'TENURE_ERR_NOT_TRUSTED' })
    const database = { isTransaction: true, prepare: (sql: string): never => assert.fail(sql) }
    assert.throws(() => term.fence(database), { code: 'TENURE_ERR_NOT_TRUSTED' })
    assert.deepEqual(asked, [])
    await tenure.stop()
  })
})
