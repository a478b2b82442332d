import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

import pg from 'pg'

import { createSystemClock } from '../../src/clock.ts'
import { PostgresLedgerStore } from '../../src/store/postgres/postgres-ledger.ts'
import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import type { LedgerHarness } from '../../src/testing/ledger-kit.ts'
import type { PostgresServer } from './postgres-server.ts'

/** A database of its own, and what the kits do to it. */
export async function createHarness(server: PostgresServer, port: number): Promise<LedgerHarness> {
  const database = await server.createDatabase()
  const url = server.url(database, { port })
  const clock = createSystemClock()
  let stores: { close: () => Promise<void> }[] = []
  const openWithWallClock = async (offsetMs: number): Promise<PostgresLeaseStore> => {
    const shifted = { ...clock, wallMs: () => clock.wallMs() + offsetMs }
    const store = new PostgresLeaseStore({ url, Client: pg.Client, clock: shifted })
    stores.push(store)
    return store
  }
  const closeAll = async (): Promise<void> => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
  }
  return {
    open: () => openWithWallClock(0),
    openWithWallClock,
    async openLedger() {
      const ledger = new PostgresLedgerStore({ url, Client: pg.Client })
      stores.push(ledger)
      return ledger
    },
    async expire(lease) {
      const text =
        'UPDATE tenure.tenure_lease SET renewed_ms = renewed_ms - ttl_ms WHERE lease = $1'
      await asAdministrator(server, database, (client) => client.query(text, [lease]))
    },
    async deleteRecord(lease) {
      const text = 'DELETE FROM tenure.tenure_lease WHERE lease = $1'
      await asAdministrator(server, database, (client) => client.query(text, [lease]))
    },
    async setCounter(lease, token) {
      await asAdministrator(server, database, async (client) => {
        await client.query('DELETE FROM tenure.tenure_token WHERE lease = $1', [lease])
        if (token === undefined) return
        await client.query('INSERT INTO tenure.tenure_token VALUES ($1, $2)', [lease, token])
      })
    },
    async deleteHistory(lease) {
      const text = 'DELETE FROM tenure.tenure_term WHERE lease = $1'
      await asAdministrator(server, database, (client) => client.query(text, [lease]))
    },
    async restart() {
      await closeAll()
      await server.down('immediate')
      await server.up()
    },
    async block() {
      const client = await server.connect(database)
      await client.query(
        'BEGIN; LOCK TABLE tenure.tenure_lease, tenure.tenure_token IN ACCESS EXCLUSIVE MODE',
      )
      return () => client.end()
    },
    dropConnections: async () => void (await server.terminateConnections(database)),
    countHandles: async () => connectionsTo(port),
    async close() {
      await closeAll()
      await server.terminateConnections(database)
    },
  }
}

async function asAdministrator(
  server: PostgresServer,
  database: string,
  work: (client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const client = await server.connect(database)
  await work(client)
  await client.end()
}

/** How many connections to a port of the loopback this process has open. Linux only. */
function connectionsTo(port: number): number {
  const inodes = new Set(
    readdirSync('/proc/self/fd').flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? []
      } catch {
        return []
      }
    }),
  )
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = readFileSync('/proc/self/net/tcp', 'utf8').trim().split('\n').slice(1)
  return lines.filter((line) => {
    const [, , remoteAddress = '', , , , , , , inode = ''] = line.trim().split(/\s+/)
    return remoteAddress.endsWith(remote) && inodes.has(inode)
  }).length
}
