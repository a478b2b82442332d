import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import pg from 'pg'

import { createSystemClock, timeoutSignal } from '../../src/clock.ts'
import type { AcquireReply, AcquireRequest, LeaseStore } from '../../src/store/lease-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { PostgresLedgerStore } from '../../src/store/postgres/postgres-ledger.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { Proxy } from '../chaos/proxy.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'

const clock = createSystemClock()
const patience = (ms = 20_000): AbortSignal => timeoutSignal(clock, ms)

const request: AcquireRequest = {
  lease: 'scheduler',
  holder: 'a',
  ttlMs: 20_000,
  application: 'test',
  label: undefined,
  observed: undefined,
}

/** Statements of Tenure that the server is at. */
const underWay = `SELECT query FROM pg_stat_activity
  WHERE application_name = 'tenure' AND state <> 'idle' AND datname = current_database()`

describe('a connection to PostgreSQL', { skip: missing('postgres'), concurrency: 4 }, () => {
  let server: PostgresServer
  const closing: { close(): Promise<unknown> }[] = []

  before(async () => {
    server = await PostgresServer.start()
  })
  after(async () => {
    await Promise.all(closing.map((opened) => opened.close()))
    await server.end()
  })

  async function open(url: string): Promise<LeaseStore> {
    const store = await openStore(parseStoreUrl(url))
    closing.push(store)
    return store
  }

  /** Attempts that each have this long, until one of them succeeds: on a busy machine it takes several. */
  async function acquire(store: LeaseStore, ms: number): Promise<void> {
    await until('it is acquired', () =>
      store.tryAcquire(request, patience(ms)).catch(() => undefined),
    )
  }

  /** A database with the tables, and a way to it that can be made slow or cut. */
  async function behindProxy(): Promise<{ database: string; proxy: Proxy; store: LeaseStore }> {
    const database = await server.createDatabase()
    const installing = await open(server.url(database))
    await installing.tryAcquire({ ...request, lease: 'another' }, patience())
    const proxy = await Proxy.start(server.port)
    closing.push({ close: () => proxy.end() })
    const store = await open(server.url(database, { port: proxy.port }))
    return { database, proxy, store }
  }

  test('on a slow link: opening it outlives the attempts, which need not hold all of it', async () => {
    const { proxy, store } = await behindProxy()
    // TLS is asked for, the password takes three round trips, and then there are the questions.
    proxy.set('delay', 200)
    let attempts = 0
    const acquired = await until('it is acquired', async (): Promise<AcquireReply | undefined> => {
      attempts++
      return store.tryAcquire(request, patience(1_000)).catch(() => undefined)
    })
    assert.deepEqual(acquired, { kind: 'acquired', token: 1 })
    assert.ok(attempts > 1, 'opening took longer than one attempt')
    // What is open is used by those that follow.
    const { accepted } = proxy
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    assert.equal((await store.tryRenew(renewal, patience())).kind, 'renewed')
    assert.equal(proxy.accepted, accepted)
  })

  test('that gets nowhere while it is opened is begun anew by the next attempt', async () => {
    const { proxy, store } = await behindProxy()
    // It connects, and then hears nothing.
    proxy.set('delay', 60_000)
    await assert.rejects(store.tryAcquire(request, patience(200)))
    proxy.set('pass')
    assert.equal((await store.tryAcquire(request, patience())).kind, 'acquired')
  })

  test('that is half open: an attempt fails in its time, and the next one has a fresh one', async () => {
    const { proxy, store } = await behindProxy()
    await store.tryAcquire(request, patience())
    const before = proxy.accepted
    let failed = 0
    const works = Promise.withResolvers<void>()
    const listener = { works: () => works.resolve(), failed: () => void failed++ }
    store.watch('scheduler', { ...listener, changed: () => {}, renewed: () => {} })
    await works.promise
    proxy.mute()
    await assert.rejects(store.tryAcquire(request, patience(300)))
    assert.equal(failed, 1)
    assert.deepEqual(await store.tryAcquire(request, patience()), { kind: 'acquired', token: 1 })
    assert.equal(proxy.accepted, before + 1)
  })

  test('a wish that waits for a lock ends on the server when its client has given up', async () => {
    const { database, store } = await behindProxy()
    const ledger = new PostgresLedgerStore({ url: server.url(database), Client: pg.Client })
    closing.push(ledger)
    await store.tryAcquire(request, patience())
    await ledger.tryRegister({ lease: 'scheduler', token: 1, jobs: [] }, patience())
    const [locker, sentinel] = [await server.connect(database), await server.connect(database)]
    await locker.query('BEGIN; LOCK TABLE tenure.tenure_lease, tenure.tenure_token')
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    // Waits for less than was the bound of old, and for more than those who gave up.
    let sentinelEnded = false
    await sentinel.query("SET lock_timeout = '4s'")
    const waiting = sentinel
      .query('SELECT FROM tenure.tenure_lease FOR UPDATE')
      .catch(() => (sentinelEnded = true))
    await assert.rejects(store.tryRenew(renewal, patience(300)))
    const author = { lease: 'scheduler', token: 1 }
    await assert.rejects(ledger.tryRecord({ ...author, ends: [], skips: [] }, patience(300)))
    await until('nobody waits for whoever gave up', async () => {
      const rows = await server.sql(underWay, database)
      return rows.length === 0
    })
    assert.equal(sentinelEnded, false)
    await locker.query('COMMIT')
    await waiting
    await Promise.all([locker.end(), sentinel.end()])
  })

  test('whoever waits longer than 5 s is waited for', async () => {
    const database = await server.createDatabase()
    await (await open(server.url(database))).tryAcquire(request, patience())
    const [row] = await server.sql<{ longer: string }>(
      `SELECT set_config('tenure.lock_timeout', '15000', true), tenure.tenure_begin_1(),
        current_setting('lock_timeout') AS longer`,
      database,
    )
    assert.equal(row?.longer, '15s')
    const [plain] = await server.sql<{ usual: string }>(
      `SELECT tenure.tenure_begin_1(), current_setting('lock_timeout') AS usual`,
      database,
    )
    assert.equal(plain?.usual, '5s')
  })

  test('a statement that takes too long for another reason ends on the server as well', async () => {
    const { database, store } = await behindProxy()
    await acquire(store, 500)
    await server.sql(
      `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
       CREATE TRIGGER slow BEFORE UPDATE ON tenure.tenure_lease FOR EACH ROW EXECUTE FUNCTION slow()`,
      database,
    )
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    await assert.rejects(store.tryRenew(renewal, patience(300)))
    await until('it has ended', async () => (await server.sql(underWay, database)).length === 0)
  })

  test('whoever is willing to wait longer than before is not cut off by what was set before', async () => {
    const { database, store } = await behindProxy()
    await acquire(store, 300)
    const locker = await server.connect(database)
    await locker.query('BEGIN; LOCK TABLE tenure.tenure_lease')
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    const renewed = store.tryRenew(renewal, patience(30_000))
    await until('it waits', async () => (await server.sql(underWay, database)).length === 1)
    await server.sql('SELECT pg_sleep(0.6)')
    await locker.query('COMMIT')
    assert.equal((await renewed).kind, 'renewed')
    await locker.end()
  })
})
