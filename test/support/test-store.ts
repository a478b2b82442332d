import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe } from 'node:test'

import pg from 'pg'

import type { LeaseStore } from '../../src/store/lease-store.ts'
import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'
import { PostgresServer } from './postgres-server.ts'
import { missing } from './programs.ts'

/** The stores that processes share in tests. */
export type StoreName = 'SQLite' | 'PostgreSQL'

const storeNames: readonly StoreName[] = ['SQLite', 'PostgreSQL']

/** A store for one test: empty, and removed after it. */
export interface TestStore {
  /** What an application names it by. */
  readonly url: string
  /** A folder of the test's own. */
  readonly folder: string
  /** The file, where the store is one. */
  readonly path: string
  /** One more client of the store. */
  readonly open: () => LeaseStore
  readonly end: () => Promise<void>
}

/**
 * Defines the same tests on each store, which run beside each other: most of them wait. Those of a
 * server that is missing are skipped, loudly.
 */
export function onEachStore(define: (store: StoreName) => void): void {
  describe('on each store', { concurrency: true }, () => {
    for (const name of storeNames) {
      const skip = name === 'PostgreSQL' && missing('postgres')
      describe(`on ${name}`, { skip }, () => {
        if (name === 'PostgreSQL') after(endSharedPostgres)
        define(name)
      })
    }
  })
}

let shared: Promise<PostgresServer> | undefined

async function endSharedPostgres(): Promise<void> {
  const server = await shared
  shared = undefined
  await server?.end()
}

/** Makes a store for one test. The tests of one file share a server, unless they bring their own. */
export async function createTestStore(
  name: StoreName,
  server?: PostgresServer,
): Promise<TestStore> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-test-'))
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  if (name === 'SQLite') {
    const path = join(folder, 'tenure.db')
    const open = (): LeaseStore => new SqliteLeaseStore({ path })
    return { url: `sqlite:${path}`, folder, path, open, end: async () => removeFolder() }
  }
  const postgres = server ?? (await (shared ??= PostgresServer.start()))
  const url = postgres.url(await postgres.createDatabase())
  const open = (): LeaseStore => new PostgresLeaseStore({ url, Client: pg.Client })
  return { url, folder, path: '', open, end: async () => removeFolder() }
}
