import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import type pg from 'pg'

import { fenceTableSql } from '../../src/index.ts'
import { createFence } from '../../src/fencing/fence.ts'
import { PostgresServer } from './postgres-server.ts'

/** A term that is trusted for ever, as only a test can have one. */
export interface EternalTerm {
  readonly lease: string
  readonly token: number
}

/** One connection, with one transaction after the other on it. */
export interface FencedWriter {
  begin(): Promise<void>
  fence(term: EternalTerm): Promise<void>
  write(term: EternalTerm): Promise<void>
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A database of an application, whose table `written` keeps which tokens have written to it. */
export interface FencedResource {
  readonly engine: 'PostgreSQL' | 'SQLite'
  /** @param distort breaks a statement of the fence on purpose */
  writer(distort?: (sql: string) => string): Promise<FencedWriter>
  /** The tokens of a lease in the order in which their writes were committed. */
  tokens(lease: string): Promise<number[]>
  end(): Promise<void>
}

const writtenTable = 'CREATE TABLE written (id serial PRIMARY KEY, token bigint, lease text)'

const asIs = (sql: string): string => sql

/** Adds a row that says which term has written. */
export function writeSql(token: string, lease: string): string {
  return `INSERT INTO written (token, lease) VALUES (${token}, ${lease})`
}

/** Makes the tables of a resource in a database of PostgreSQL. */
export async function createPostgresTables(client: pg.ClientBase): Promise<void> {
  await client.query(fenceTableSql.postgres)
  await client.query(writtenTable)
}

/** What is needed of a server, to tell the order of commits afterwards. */
export const commitOrderSettings: readonly string[] = ['track_commit_timestamp = on']

/** The tokens in the order in which the server committed them. */
export async function tokensOnPostgres(client: pg.ClientBase, lease: string): Promise<number[]> {
  const { rows } = await client.query<{ token: string }>(
    'SELECT token FROM written WHERE lease = $1 ORDER BY pg_xact_commit_timestamp(xmin), id',
    [lease],
  )
  return rows.map(({ token }) => Number(token))
}

/** Makes the tables of a resource in a SQLite file. */
export function createSqliteTables(database: DatabaseSync): void {
  database.exec('PRAGMA journal_mode = WAL')
  database.exec(fenceTableSql.sqlite)
  database.exec(writtenTable.replace('serial', 'INTEGER'))
}

/** The tokens in the order in which they were committed: SQLite has one writer at a time. */
export function tokensOnSqlite(database: DatabaseSync, lease: string): number[] {
  const rows = database.prepare('SELECT token FROM written WHERE lease = ? ORDER BY id').all(lease)
  return rows.map((row) => Number(row['token']))
}

let leases = 0

/** The terms of a lease that no other test has, by their tokens. */
export function termsOfLease(): (token: number) => EternalTerm {
  const lease = `lease-${++leases}`
  return (token) => ({ lease, token })
}

/** The fence of a term. */
export function fenceOf({ lease, token }: EternalTerm): ReturnType<typeof createFence> {
  return createFence({ lease, fencingToken: token, assertTrusted: () => {} })
}

/** A database on a PostgreSQL server of its own. */
export async function startPostgresResource(): Promise<FencedResource> {
  const server = await PostgresServer.start({ settings: commitOrderSettings })
  const observer = await server.connect()
  await createPostgresTables(observer)
  const clients: pg.Client[] = [observer]
  return {
    engine: 'PostgreSQL',
    async writer(distort = asIs) {
      const client = await server.connect()
      clients.push(client)
      const fenced = {
        query: (text: string) => client.query(distort(text)),
        escapeLiteral: (text: string) => client.escapeLiteral(text),
      }
      const query = async (text: string, values?: unknown[]): Promise<void> =>
        void (await client.query(text, values))
      return {
        begin: () => query('BEGIN'),
        fence: async (term) => fenceOf(term)(distort === asIs ? client : fenced),
        write: ({ token, lease }) => query(writeSql('$1', '$2'), [token, lease]),
        commit: () => query('COMMIT'),
        rollback: () => query('ROLLBACK'),
      }
    },
    tokens: (lease) => tokensOnPostgres(observer, lease),
    async end() {
      await Promise.all(clients.map((client) => client.end()))
      await server.end()
    },
  }
}

/** A SQLite file. */
export async function startSqliteResource(): Promise<FencedResource> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-fenced-'))
  const databases: DatabaseSync[] = []
  const open = (): DatabaseSync => {
    const database = new DatabaseSync(join(folder, 'application.db'))
    databases.push(database)
    return database
  }
  const observer = open()
  createSqliteTables(observer)
  return {
    engine: 'SQLite',
    async writer(distort = asIs) {
      const database = open()
      const fenced = {
        prepare: (sql: string) => database.prepare(distort(sql)),
        get isTransaction() {
          return database.isTransaction
        },
      }
      return {
        begin: async () => database.exec('BEGIN'),
        fence: async (term) => fenceOf(term)(distort === asIs ? database : fenced),
        write: async ({ token, lease }) =>
          void database.prepare(writeSql('?', '?')).run(token, lease),
        commit: async () => database.exec('COMMIT'),
        rollback: async () => void (database.isTransaction && database.exec('ROLLBACK')),
      }
    },
    tokens: async (lease) => tokensOnSqlite(observer, lease),
    async end() {
      for (const database of databases) database.close()
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
    },
  }
}
