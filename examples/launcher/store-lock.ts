import { DatabaseSync } from 'node:sqlite'

import pg from 'pg'

import { parseStoreUrl } from '../../src/store/store-url.ts'

/** Something that makes renewals wait, and the way to let them go on. */
export interface StoreLock {
  /** What is locked, in words. */
  readonly what: string
  readonly release: () => Promise<void>
}

/**
 * Makes the store slow, as another program could: takes a lock that each renewal needs. On a server
 * that others use as well it is that of this one lease only.
 */
export async function lockStore(store: string, lease: string): Promise<StoreLock> {
  const location = parseStoreUrl(store)
  switch (location.scheme) {
    case 'sqlite': {
      const database = new DatabaseSync(location.path, { timeout: 1_000 })
      database.exec('BEGIN IMMEDIATE')
      return { what: "the write lock of the lease's file", release: async () => database.close() }
    }
    case 'postgres': {
      const client = new pg.Client({ connectionString: location.url })
      client.on('error', () => {})
      await client.connect()
      const schema = client.escapeIdentifier(location.schema ?? 'tenure')
      await client.query('BEGIN')
      await client.query(`SELECT FROM ${schema}.tenure_lease WHERE lease = $1 FOR UPDATE`, [lease])
      return { what: "the lock of the lease's row", release: () => client.end() }
    }
    case 'memory':
      throw new Error('Three processes share no memory.')
  }
}
