import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'

import pg from 'pg'

import { createTenure, type Status } from '../../src/index.ts'
import { atEnd, silentLogger } from './fastify-app.ts'
import { createTestStore, type StoreName } from './test-store.ts'

/** A store that the command is tested on, and what happens to stores. */
export interface StoreUnderTest {
  /** What the command is given. */
  readonly url: string
  /** The file, where the store is one. */
  readonly path: string
  /** From now on, and until the test is over, no renewal is answered; it can still be read. */
  hold(): void | Promise<void>
  /** Deletes the lease, as an operator may. */
  deleteLease(): void | Promise<void>
}

/** Makes a store for one test, which is removed after it. */
export async function createStoreUnderTest(
  t: TestContext,
  name: StoreName,
): Promise<StoreUnderTest> {
  const { url, path, end } = await createTestStore(name)
  atEnd(t, end)
  if (name === 'SQLite') return { url, path, ...fileAccess(t, path) }
  return { url, path, ...serverAccess(t, url) }
}

type Access = Pick<StoreUnderTest, 'hold' | 'deleteLease'>

function fileAccess(t: TestContext, path: string): Access {
  const open = (): DatabaseSync => new DatabaseSync(path, { timeout: 20_000 })
  return {
    hold() {
      const database = open()
      database.exec('BEGIN IMMEDIATE')
      atEnd(t, () => database.close())
    },
    deleteLease() {
      const database = open()
      database.exec('DELETE FROM tenure_lease')
      database.close()
    },
  }
}

function serverAccess(t: TestContext, connectionString: string): Access {
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  return {
    async hold() {
      const client = await connect()
      atEnd(t, () => client.end())
      await client.query('BEGIN')
      await client.query('SELECT FROM tenure.tenure_lease FOR UPDATE')
    },
    async deleteLease() {
      const client = await connect()
      await client.query('DELETE FROM tenure.tenure_lease')
      await client.end()
    },
  }
}

/** Looks at the lease from outside until the test is over. */
export function observe(t: TestContext, { url }: { url: string }): () => Promise<Status> {
  const observer = createTenure({ store: url, logger: silentLogger })
  atEnd(t, () => observer.stop())
  return () => observer.status()
}
