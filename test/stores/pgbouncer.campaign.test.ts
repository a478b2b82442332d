// The kits on PostgreSQL through a pooler.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import pg from 'pg'

import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import { PgBouncer } from '../support/pgbouncer.ts'
import { createHarness } from '../support/postgres-harness.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { runKit, runLedgerKit } from '../support/run-kit.ts'

describe('PostgreSQL', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.end())

  describe('behind PgBouncer in transaction mode', { skip: missing('pgbouncer') }, () => {
    let pooler: PgBouncer
    before(async () => {
      pooler = await PgBouncer.start(server)
    })
    after(() => pooler.end())

    test('a candidate is told that no pushes come, and why', async () => {
      const url = server.url(await server.createDatabase(), { port: pooler.port })
      const store = new PostgresLeaseStore({ url, Client: pg.Client })
      const told = Promise.withResolvers<unknown>()
      store.watch('scheduler', {
        works: () => told.reject(new Error('it cannot work')),
        failed: told.resolve,
        changed: () => {},
        renewed: () => {},
      })
      assert.match(String(await told.promise), /through a pooler.*one heartbeat interval/s)
      await store.close()
    })

    runKit('PgBouncer', () => createHarness(server, pooler.port), [
      {
        reason: 'a pooler hands no pushes on: candidates look once a heartbeat interval instead',
        cases: [
          'a resign request reaches the leader, bound to its token',
          'a push wakes a waiter when the lease is released',
          'a counter that is raised by hand supersedes nobody but counts for the next, and is only raised',
          'after the watch is ended no push comes',
        ],
      },
    ])
    runLedgerKit('PgBouncer', () => createHarness(server, pooler.port))
  })
})
