// The same ledger on each store, for tests that compare them: replies, and rows as they are stored.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { DatabaseSync } from 'node:sqlite'

import pg from 'pg'

import { createSystemClock } from '../../src/clock.ts'
import type { LeaseStore } from '../../src/store/lease-store.ts'
import type { LedgerStore } from '../../src/store/ledger-store.ts'
import { tables, type Table } from '../../src/store/ledger/rows.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import { PostgresLedgerStore } from '../../src/store/postgres/postgres-ledger.ts'
import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import { SqliteLedgerStore } from '../../src/store/sqlite/sqlite-ledger.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'
import { PostgresServer } from './postgres-server.ts'

type Fields = Readonly<Record<string, unknown>>

/** One store with its ledger. */
export interface Side {
  readonly name: string
  readonly leases: LeaseStore
  /** Two clients: what one has written, the other sees. */
  readonly ledgers: readonly [LedgerStore, LedgerStore]
  /** The rows of a lease, by table; each with all of its fields. */
  readonly rows: (lease: string) => Promise<Readonly<Record<ComparedTable, readonly Fields[]>>>
  readonly end: () => Promise<void>
}

/** The tables whose rows are the same on each store. How revisions are counted is each store's own. */
export type ComparedTable = Exclude<Table, 'revision'>
const compared: readonly ComparedTable[] = ['job', 'run', 'skip', 'schedule']

async function rowsOf(
  read: (table: ComparedTable) => Promise<readonly object[]>,
): ReturnType<Side['rows']> {
  const all = { job: [], run: [], skip: [], schedule: [] } as Record<ComparedTable, Fields[]>
  for (const table of compared) {
    const fields = [...tables[table].key, ...tables[table].rest] as readonly string[]
    const rows = (await read(table)).map((row) => plain(row, fields))
    all[table] = rows.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  return all
}

/** A row in the words of the rules, whoever keeps it. */
function plain(row: object, fields: readonly string[]): Fields {
  const found = row as Fields
  return Object.fromEntries(
    fields.map((field) => {
      const column = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      const value = found[field] ?? found[column] ?? undefined
      return [field, field === 'paused' || field === 'rerun' ? Boolean(value) : value]
    }),
  )
}

/** Has a store make all of its tables. */
async function makeTables(leases: LeaseStore, ledger: LedgerStore): Promise<void> {
  const signal = AbortSignal.timeout(20_000)
  const lease = 'made before'
  const times = { ttlMs: 60_000, application: 'test', label: undefined, observed: undefined }
  await leases.tryAcquire({ lease, holder: 'a', ...times }, signal)
  await ledger.tryRegister({ lease, token: 1, jobs: [] }, signal)
  await Promise.all([leases.close(), ledger.close()])
}

export async function memorySide(): Promise<Side> {
  const memory = new Memory(createSystemClock())
  return {
    name: 'memory',
    leases: new MemoryLeaseStore(memory),
    ledgers: [new MemoryLedgerStore(memory), new MemoryLedgerStore(memory)],
    rows: (lease) =>
      rowsOf(async (of) =>
        memory.ledgers.of(lease).scan({ of, along: 'key', where: {}, order: [], limit: Infinity }),
      ),
    end: async () => {},
  }
}

/** @param sql what is done to the tables once they are made, and before anybody uses them */
export async function sqliteSide(sql?: string): Promise<Side> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-sides-'))
  const path = join(folder, 'tenure.db')
  if (sql !== undefined) {
    await makeTables(new SqliteLeaseStore({ path }), new SqliteLedgerStore({ path }))
    const database = new DatabaseSync(path)
    database.exec(sql)
    database.close()
  }
  const leases = new SqliteLeaseStore({ path })
  const ledgers = [new SqliteLedgerStore({ path }), new SqliteLedgerStore({ path })] as const
  // As long as somebody watches, its thread keeps the file open: so each call is faster.
  const unwatch = leases.watch('scheduler', {
    works() {},
    failed() {},
    changed() {},
    renewed() {},
  })
  let reader: DatabaseSync | undefined
  return {
    name: 'SQLite',
    leases,
    ledgers,
    rows(lease) {
      const database = (reader ??= new DatabaseSync(path))
      return rowsOf(async (table) =>
        database.prepare(`SELECT * FROM tenure_${table} WHERE lease = ?`).all(lease),
      )
    },
    async end() {
      reader?.close()
      unwatch()
      await Promise.all([leases, ...ledgers].map((store) => store.close()))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The same on a server of its own. */
export async function postgresSide(sql?: string): Promise<Side> {
  const server = await PostgresServer.start()
  const database = await server.createDatabase()
  const options = { url: server.url(database), Client: pg.Client }
  const leases = new PostgresLeaseStore(options)
  const ledgers = [new PostgresLedgerStore(options), new PostgresLedgerStore(options)] as const
  const client = await server.connect(database)
  if (sql !== undefined) {
    await makeTables(new PostgresLeaseStore(options), new PostgresLedgerStore(options))
    await client.query(sql)
  }
  return {
    name: 'PostgreSQL',
    leases,
    ledgers,
    rows: (lease) =>
      rowsOf(async (table) => {
        const { rows } = await client.query<{ row: object }>(
          `SELECT to_json(t) AS row FROM tenure.tenure_${table} t WHERE lease = $1`,
          [lease],
        )
        return rows.map(({ row }) => row)
      }),
    async end() {
      await client.end()
      await Promise.all([leases, ...ledgers].map((store) => store.close()))
      await server.end()
    },
  }
}
