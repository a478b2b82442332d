import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import pg from 'pg'

import type { LeaseStore } from '../../src/store/lease-store.ts'
import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import type { StoreName } from '../support/test-store.ts'
import { Proxy } from './proxy.ts'

/** The store that a run of chaos has for itself, with what can be broken about it. */
export interface StoreOfChaos {
  readonly name: StoreName
  /** What an instance names it by; each has a way of its own to it. */
  urlFor(index: number): string
  /** One more client of the store, of the harness. */
  open(): LeaseStore
  /** Keeps everybody else from writing until the returned function is called. */
  lock(what: 'table' | 'rows'): Promise<() => Promise<void>>
  /** The operator takes a lease that is held for himself; its token, or `undefined` if it is free. */
  takeLease(): Promise<number | undefined>
  readonly postgres: { readonly server: PostgresServer; readonly proxies: Proxy[] } | undefined
  /** Leaves no room in the file system until the returned function is called. */
  readonly fillDisk: (() => () => void) | undefined
  end(): Promise<void>
}

/** How large the file system of a SQLite store is: the store, its log, and some. */
const diskBytes = 4 * 2 ** 20

/** A store in a file, in a small file system of its own where the harness may mount one. */
export function createSqliteChaos(): StoreOfChaos {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-chaos-store-'))
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  const mounted = mount(disk)
  const path = join(disk, 'tenure.db')
  return {
    name: 'SQLite',
    urlFor: () => `sqlite:${path}`,
    open: () => new SqliteLeaseStore({ path }),
    async lock(what) {
      const database = new DatabaseSync(path)
      database.exec('PRAGMA busy_timeout = 200')
      database.exec(what === 'table' ? 'BEGIN EXCLUSIVE' : 'BEGIN IMMEDIATE')
      return async () => database.close()
    },
    async takeLease() {
      const database = new DatabaseSync(path)
      try {
        database.exec('PRAGMA busy_timeout = 200; BEGIN IMMEDIATE')
        const row = database.prepare(raiseToken('tenure_')).get()
        if (row !== undefined) database.prepare(handOver('tenure_')).run()
        database.exec('COMMIT')
        return row && Number(row['token'])
      } finally {
        database.close()
      }
    },
    postgres: undefined,
    fillDisk: mounted ? () => fill(join(disk, 'filler')) : undefined,
    async end() {
      if (mounted) execFileSync('umount', ['-l', disk])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A server of its own, which each instance reaches by a proxy of its own. */
export async function createPostgresChaos(instances: number): Promise<StoreOfChaos> {
  const server = await PostgresServer.start()
  const database = await server.createDatabase()
  const proxies = await Promise.all(
    Array.from({ length: instances }, () => Proxy.start(server.port)),
  )
  const administrator = (): Promise<pg.Client> => server.connect(database)
  return {
    name: 'PostgreSQL',
    urlFor: (index) => server.url(database, { port: proxies[index]?.port ?? 0 }),
    open: () => new PostgresLeaseStore({ url: server.url(database), Client: pg.Client }),
    async lock(what) {
      const client = await administrator()
      await client.query(
        what === 'table'
          ? 'BEGIN; LOCK TABLE tenure.tenure_lease IN ACCESS EXCLUSIVE MODE'
          : 'BEGIN; SELECT FROM tenure.tenure_lease FOR UPDATE; ' +
              'SELECT FROM tenure.tenure_token FOR UPDATE',
      )
      return () => client.end().catch(() => {})
    },
    async takeLease() {
      const client = await administrator()
      try {
        await client.query('BEGIN')
        const { rows } = await client.query<{ token: string }>(raiseToken('tenure.tenure_'))
        if (rows[0] !== undefined) await client.query(handOver('tenure.tenure_'))
        await client.query('COMMIT')
        return rows[0] && Number(rows[0].token)
      } finally {
        await client.end()
      }
    },
    postgres: { server, proxies },
    fillDisk: undefined,
    async end() {
      await Promise.all(proxies.map((proxy) => proxy.end()))
      await server.end()
    },
  }
}

/** The holder that the operator writes into the record. */
export const operator = 'operator'

/** A new token, if the lease is held. */
function raiseToken(prefix: string): string {
  return `UPDATE ${prefix}token SET token = token + 1
    WHERE EXISTS (SELECT 1 FROM ${prefix}lease) RETURNING token`
}

/** The record is the operator's, until it expires as it would have. */
function handOver(prefix: string): string {
  return `UPDATE ${prefix}lease SET holder = '${operator}', renewals = renewals + 1,
    token = (SELECT token FROM ${prefix}token)`
}

/** Whether a file system in memory could be mounted, which needs root. */
function mount(folder: string): boolean {
  const args = ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', folder]
  try {
    execFileSync('mount', args, { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}

/** Writes until there is no room; the returned function makes room again. */
function fill(path: string): () => void {
  const file = openSync(path, 'w')
  try {
    for (let size = 64 * 1_024; size >= 1; size = Math.floor(size / 2)) {
      const chunk = Buffer.alloc(size)
      for (;;) {
        try {
          writeSync(file, chunk)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
          break
        }
      }
    }
  } finally {
    closeSync(file)
  }
  return () => rmSync(path, { force: true })
}
