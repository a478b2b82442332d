// 50 candidates hand one lease over 100 times; and what waiting costs the server.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { createTenure } from '../src/index.ts'
import type { CrowdReport } from '../test/support/crowd.ts'
import { PostgresServer } from '../test/support/postgres-server.ts'
import { createTestStore, type TestStore } from '../test/support/test-store.ts'

const candidates = 50
const handovers = 100
const waiting = 9
const minuteMs = 60_000

const settings = [
  'fsync = on',
  "shared_preload_libraries = 'pg_stat_statements'",
  'pg_stat_statements.track = top',
]

async function report(store: TestStore, count: number): Promise<CrowdReport> {
  const program = new URL('../test/support/crowd.ts', import.meta.url).pathname
  const args = [program, store.url, String(count), String(handovers)]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout) as CrowdReport
}

/** How many statements the server has run, but for those of whoever asks. */
async function statements(server: PostgresServer): Promise<number> {
  const [row] = await server.sql<{ calls: number }>(
    `SELECT coalesce(sum(calls), 0)::integer AS calls FROM pg_stat_statements
      WHERE query NOT LIKE '%pg_stat_statements%' AND query NOT LIKE 'CREATE %'`,
  )
  return row?.calls ?? 0
}

function print(name: string, { handoverMs, calls }: CrowdReport): void {
  const sorted = handoverMs.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0)
  const parts = [
    `median ${at(0.5)} ms, 95 % within ${at(0.95)} ms, longest ${at(1)} ms`,
    `${(calls / handovers).toFixed(1)} calls of the store a handover`,
  ]
  console.log(`${name.padEnd(12)}${parts.join('; ')}`)
}

async function benchHandovers(server: PostgresServer): Promise<void> {
  console.log(`${candidates} candidates, ${handovers} handovers, from resign() to the next leader`)
  const sqlite = await createTestStore('SQLite')
  print('SQLite', await report(sqlite, candidates))
  await sqlite.end()
  const postgres = await createTestStore('PostgreSQL', server)
  const before = await statements(server)
  print('PostgreSQL', await report(postgres, candidates))
  const counted = (await statements(server)) - before
  console.log(
    `${''.padEnd(12)}${counted} statements counted by the server, ` +
      `${(counted / handovers).toFixed(1)} a handover, start and stop of all included`,
  )
}

/** The statements of a minute in which nothing happens. */
async function benchIdle(server: PostgresServer): Promise<void> {
  process.setMaxListeners(0)
  const { url } = await createTestStore('PostgreSQL', server)
  const logger = { debug() {}, info() {}, warn() {}, error() {} }
  const crowd = Array.from({ length: waiting + 1 }, () => createTenure({ store: url, logger }))
  for (const tenure of crowd) await tenure.start()
  // All have looked, and heard a first renewal.
  await new Promise((resolve) => setTimeout(resolve, 15_000))
  const before = await statements(server)
  await new Promise((resolve) => setTimeout(resolve, minuteMs))
  const counted = (await statements(server)) - before
  console.log(
    `PostgreSQL  1 leader and ${waiting} candidates at the default times: ${counted} statements a ` +
      'minute, counted by the server',
  )
  await Promise.all(crowd.map((tenure) => tenure.stop()))
}

export async function benchCrowd(): Promise<void> {
  const server = await PostgresServer.start({ settings })
  try {
    await server.sql('CREATE EXTENSION pg_stat_statements')
    await benchHandovers(server)
    await benchIdle(server)
  } finally {
    await server.end()
  }
}
