// What nobody knows the outcome of, an acquisition or a release: whoever ends then leaves the lease to all.
import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { join } from 'node:path'

import pg from 'pg'

import { createTenure, type Tenure } from '../../src/index.ts'
import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import type { LeaseReading } from '../../src/store/lease-store.ts'
import { Proxy } from '../chaos/proxy.ts'
import { withCluster } from '../support/cluster.ts'
import { silentLogger } from '../support/fastify-app.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { beforeExpiryMs, longSet } from '../support/released.ts'
import { until } from '../support/until.ts'

/** Long enough that whoever had to wait for the expiry would fail the test. */
const times = { ttl: '10m', heartbeat: '1m', attemptTimeout: '2s', stallLimit: '10m' } as const

describe('an acquisition whose reply is lost', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.end())

  /** A candidate that has been granted the lease, and does not know. */
  async function bereft(
    work: (tenure: Tenure, read: () => Promise<LeaseReading>) => Promise<void>,
  ): Promise<void> {
    const database = await server.createDatabase()
    const proxy = await Proxy.start(server.port)
    const store = new PostgresLeaseStore({ url: server.url(database), Client: pg.Client })
    const read = (): Promise<LeaseReading> => store.read('scheduler', AbortSignal.timeout(20_000))
    const signal = AbortSignal.timeout(20_000)
    // The tables are there, so that the first acquisition needs one statement.
    const other = { lease: 'other', holder: 'x', ttlMs: 6_000, application: 'test' }
    await store.tryAcquire({ ...other, label: undefined, observed: undefined }, signal)
    const url = server.url(database, { port: proxy.port })
    const tenure = createTenure({ store: url, witness: false, logger: silentLogger, ...times })
    try {
      proxy.swallowReplyTo('tenure_try_acquire')
      await tenure.start()
      await until('the server has granted it', async () => (await read()).record !== undefined)
      assert.equal(tenure.isLeader, false)
      await work(tenure, read)
    } finally {
      await tenure.stop()
      await proxy.end()
      await store.close()
    }
  }

  test('is released by stop()', () =>
    bereft(async (tenure, read) => {
      await tenure.stop()
      const { record, terms, token } = await read()
      assert.equal(record, undefined)
      assert.equal(token, 1, 'it was asked about as the same holder')
      assert.equal(terms[0]?.reason, 'stopped')
    }))

  test('is released by resign(), which is followed by its cool-down', () =>
    bereft(async (tenure, read) => {
      await tenure.resign({ coolDown: '10m' })
      await until('it is released', async () => (await read()).record === undefined)
      assert.equal((await read()).terms[0]?.reason, 'resigned')
      assert.equal(tenure.isLeader, false)
    }))

  test('is led with by its candidate, which asks again', () =>
    bereft(async (tenure, read) => {
      await until('it leads', () => tenure.isLeader)
      assert.equal((await read()).token, 1)
    }))
})

describe('a release that the store does not answer', () => {
  test('is made by the witness once the process has ended, though stop() has ended before', () =>
    withCluster({ ...longSet, attemptTimeout: 1_000 }, async (cluster) => {
      const path = join(cluster.folder, 'locked.db')
      const leader = await cluster.add({ store: `sqlite:${path}` })
      await leader.next('acquired')
      const candidate = await cluster.add({ store: `sqlite:${path}` })
      await candidate.nextLine('lease_held')
      const locker = new DatabaseSync(path, { timeout: 5_000 })
      locker.exec('BEGIN IMMEDIATE')
      leader.send({ do: 'stop' })
      await leader.next('stopped')
      locker.exec('ROLLBACK')
      locker.close()
      const { token } = await candidate.next('acquired', { withinMs: beforeExpiryMs })
      assert.equal(token, 2)
    }))
})
