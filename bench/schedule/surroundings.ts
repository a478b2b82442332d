import { PostgresServer } from '../../test/support/postgres-server.ts'
import { missing } from '../../test/support/programs.ts'
import { createTestStore } from '../../test/support/test-store.ts'
import { descendantsOf, memoryOf } from '../../test/support/witness.ts'
import { endLater, startUnlessEnded } from './endings.ts'
import type { Need } from './entries.ts'
import { cpuMsOf } from './process-figures.ts'
import { RedisServer } from './redis-server.ts'

/** What a contender gets beside its own process: empty, and removed after. */
export interface Surroundings {
  /** What it is reached by; empty where nothing is needed. */
  readonly url: string
  /** The milliseconds of processor that its server has used; `undefined` without a server. */
  readonly serverCpuMs: () => number | undefined
  /** The memory of its server in bytes, where that keeps the jobs in its memory. */
  readonly serverBytes: () => number | undefined
  readonly end: () => Promise<void>
}

let postgres: Promise<PostgresServer> | undefined

/** The PostgreSQL server that all share, with the durability that a ledger is for. */
function sharedPostgres(): Promise<PostgresServer> {
  postgres ??= PostgresServer.start({ settings: ['fsync = on'] }).then((server) => {
    endLater(() => server.end())
    return server
  })
  return postgres
}

/** Why something that is needed is not there, in the words of a row; `undefined` if it is. */
export function absenceOf(need: Need | undefined): string | undefined {
  if (need === 'Redis' && missing('redis-server')) return 'redis-server is not installed'
  if (need === 'PostgreSQL' && missing('postgres')) return 'PostgreSQL is not installed'
  return undefined
}

/** Makes what a contender needs. */
export function surround(need: Need | undefined): Promise<Surroundings> {
  return startUnlessEnded(() => start(need))
}

async function start(need: Need | undefined): Promise<Surroundings> {
  const none = (): undefined => undefined
  switch (need) {
    case undefined:
      return { url: '', serverCpuMs: none, serverBytes: none, end: async () => {} }
    case 'SQLite': {
      const store = await createTestStore('SQLite')
      const end = endLater(() => store.end())
      return { url: store.url, serverCpuMs: none, serverBytes: none, end }
    }
    case 'PostgreSQL': {
      const server = await sharedPostgres()
      const store = await createTestStore('PostgreSQL', server)
      const end = endLater(() => store.end())
      const main = server.pid
      const serverCpuMs = (): number =>
        [main, ...descendantsOf(main)].reduce((sum, pid) => sum + cpuMsOf(pid), 0)
      return { url: store.url, serverCpuMs, serverBytes: none, end }
    }
    case 'Redis': {
      const server = await RedisServer.start()
      const end = endLater(() => server.end())
      const { url, pid } = server
      return { url, serverCpuMs: () => cpuMsOf(pid), serverBytes: () => memoryOf(pid), end }
    }
  }
}
