import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { createTenure, type Status } from '../../src/index.ts'
import { atEnd, ownFolder, silentLogger } from './fastify-app.ts'

/** A store that tests of the command run on. */
export interface StoreUnderTest {
  /** What the instances are given. */
  readonly url: string
  /** A way to the same store that `hold` does not block. */
  readonly observerUrl: string
  /** From now on, and until the test is over, no renewal is answered. */
  hold(): void
  /** Deletes the lease, as an operator may. */
  deleteLease(): void | Promise<void>
}

/** Makes a store for one test. */
export type CreateStore = (t: TestContext) => StoreUnderTest | Promise<StoreUnderTest>

/** A SQLite file of its own. */
export function createSqliteStore(t: TestContext): StoreUnderTest & { path: string } {
  const path = join(ownFolder(t), 'tenure.db')
  const open = (): DatabaseSync => new DatabaseSync(path, { timeout: 20_000 })
  return {
    path,
    url: `sqlite:${path}`,
    observerUrl: `sqlite:${path}`,
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

/** Looks at the lease from outside until the test is over. */
export function observe(t: TestContext, { observerUrl }: StoreUnderTest): () => Promise<Status> {
  const observer = createTenure({ store: observerUrl, logger: silentLogger })
  atEnd(t, () => observer.stop())
  return () => observer.status()
}
