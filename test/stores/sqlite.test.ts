import { readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import { createSystemClock } from '../../src/clock.ts'
import type { LeaseStore } from '../../src/store/lease-store.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { LeaseStoreHarness } from '../../src/testing/lease-store-kit.ts'
import { runKit } from '../support/run-kit.ts'

async function createHarness(): Promise<LeaseStoreHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'tenure-kit-'))
  const path = join(folder, 'tenure.db')
  let stores: LeaseStore[] = []
  const clock = createSystemClock()

  const open = async (): Promise<LeaseStore> => {
    const store = new SqliteLeaseStore({ path })
    stores.push(store)
    return store
  }
  const asOperator = (sql: string, ...values: (string | number)[]): void => {
    const database = new DatabaseSync(path, { timeout: 5_000 })
    database.prepare(sql).run(...values)
    database.close()
  }
  const closeAll = async (): Promise<void> => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
  }
  return {
    open,
    expire: async (lease) =>
      asOperator('UPDATE tenure_lease SET renewed_ms = renewed_ms - ttl_ms WHERE lease = ?', lease),
    deleteRecord: async (lease) => asOperator('DELETE FROM tenure_lease WHERE lease = ?', lease),
    restart: closeAll,
    async block() {
      const database = new DatabaseSync(path, { timeout: 5_000 })
      database.exec('BEGIN IMMEDIATE')
      return async () => database.close()
    },
    async dropConnections() {
      throw new Error('this case is left out for SQLite')
    },
    async openWithWallClock(offsetMs) {
      const wrong = { ...clock, wallMs: () => clock.wallMs() + offsetMs }
      const store = new SqliteLeaseStore({ path, clock: wrong })
      stores.push(store)
      return store
    },
    async countHandles() {
      const links = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`)
        } catch {
          return ''
        }
      })
      return links.filter((link) => link.startsWith(path)).length
    },
    async close() {
      await closeAll()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

runKit('SQLite', createHarness, [
  {
    reason: 'there is no connection that somebody else could cut: the library runs in the process',
    cases: ['a connection dropped in mid-call rejects, and the next call connects again'],
  },
])
