// A process whose job writes to a database of its own, commanded over IPC by test/support/writers.ts.
import { writeSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

import pg from 'pg'

import {
  createTenure,
  TenureError,
  type PostgresFenceClient,
  type Run,
  type SqliteFenceDatabase,
  type TenureOptions,
} from '../../src/index.ts'
import { writeSql } from './fenced-resource.ts'
import { nowMs } from './until.ts'

/** Where a transaction is held up: after the look at the lease, or once the transaction is checked. */
export type Point = 'looked' | 'checked'

/** How a job writes. */
export interface HowWrite {
  /** Spins there until the process was frozen and goes on. */
  readonly freezeAt?: Point
  /** Waits there, with its event loop free, until it is told to go on. */
  readonly waitAt?: Point
  /** Writes on and on, whatever happens, until it is told to stop. */
  readonly stubbornly?: boolean
}

/** What the test tells the writer to do. */
export type WriterCommand =
  | { readonly do: 'write'; readonly how: HowWrite }
  | { readonly do: 'go on' | 'stop writing' | 'resign' }

/** What the writer tells the test. Times are monotonic, common to all processes. */
export type WriterMessage =
  | { readonly said: 'started' | 'waiting' | 'aborted' }
  | { readonly said: 'acquired'; readonly token: number; readonly atMs: number }
  | { readonly said: 'lost'; readonly token: number }
  /** A transaction is over: it was committed, or refused with this code. */
  | { readonly said: 'over'; readonly token: number; readonly outcome: string }

/** A transaction is over. */
type Over = Extract<WriterMessage, { said: 'over' }>

/** What a writer is started with. */
export interface WriterOptions {
  readonly tenure: TenureOptions
  /** Whether its transactions are fenced, or look at the lease only, as everybody does. */
  readonly fenced: boolean
  /** A URL of PostgreSQL, or the path of a SQLite file. */
  readonly database: string
}

const { tenure: options, fenced, database } = JSON.parse(process.argv[2] ?? '{}') as WriterOptions
const say = (message: WriterMessage): void => void process.send?.(message)

let goOn = (): void => {}
/** Whether the job writes on and on. */
const stubborn = { is: false }

/** Spins until time has jumped, which means that the process was stopped in between. */
function spinUntilFrozen(): void {
  let before = performance.now()
  // The event loop is blocked, so that no message would leave.
  writeSync(2, 'spinning\n')
  for (;;) {
    const now = performance.now()
    if (now - before > 2_000) return
    before = now
  }
}

async function waitUntilTold(): Promise<void> {
  const told = new Promise<void>((resolve) => (goOn = resolve))
  say({ said: 'waiting' })
  await told
}

/** One database, as a job uses it. */
interface Resource {
  begin(): Promise<unknown>
  /** @param before is called between the look at the lease and the statement */
  fence(run: Run, before: () => void): Promise<void> | void
  write(token: number): Promise<unknown>
  commit(): Promise<unknown>
  rollback(): Promise<unknown>
}

async function openPostgres(url: string): Promise<Resource> {
  const client = new pg.Client(url)
  await client.connect()
  return {
    begin: () => client.query('BEGIN'),
    fence(run, before) {
      const held: PostgresFenceClient = {
        escapeLiteral: (text) => client.escapeLiteral(text),
        query(text) {
          before()
          return client.query(text)
        },
      }
      return run.fence(held)
    },
    write: (token) => client.query(writeSql('$1', '$2'), [token, 'scheduler']),
    commit: () => client.query('COMMIT'),
    rollback: () => client.query('ROLLBACK'),
  }
}

function openSqlite(path: string): Resource {
  const database = new DatabaseSync(path, { timeout: 100 })
  return {
    begin: async () => database.exec('BEGIN'),
    fence(run, before) {
      let isFirst = true
      const held: SqliteFenceDatabase = {
        get isTransaction() {
          return database.isTransaction
        },
        prepare(sql) {
          if (isFirst) before()
          isFirst = false
          return database.prepare(sql)
        },
      }
      run.fence(held)
    },
    write: async (token) => database.prepare(writeSql('?', '?')).run(token, 'scheduler'),
    commit: async () => database.exec('COMMIT'),
    rollback: async () => database.isTransaction && database.exec('ROLLBACK'),
  }
}

const isPostgres = database.startsWith('postgres:')
const resource = isPostgres ? await openPostgres(database) : openSqlite(database)
const tenure = createTenure(options)

async function transaction(run: Run, { freezeAt, waitAt }: HowWrite): Promise<void> {
  const atLooked = (): void => void (freezeAt === 'looked' && spinUntilFrozen())
  await resource.begin()
  if (fenced) {
    await resource.fence(run, atLooked)
  } else {
    // As it is done everywhere: the lease is looked at, and then something is written.
    if (!tenure.isLeader && !stubborn.is) throw new Error('this instance does not lead')
    atLooked()
  }
  if (freezeAt === 'checked') spinUntilFrozen()
  if (waitAt === 'checked') await waitUntilTold()
  await resource.write(run.fencingToken)
  await resource.commit()
}

/** Writes once, and returns how it went. */
async function write(run: Run, how: HowWrite): Promise<Over> {
  let outcome = 'committed'
  try {
    await transaction(run, how)
  } catch (error) {
    outcome = codeOf(error)
    await resource.rollback()
  }
  return { said: 'over', token: run.fencingToken, outcome }
}

function codeOf(error: unknown): string {
  return error instanceof TenureError ? error.code : String(error)
}

let last: Over | undefined

// It has no tick of its own: the test runs it.
const handler = async (run: Run<HowWrite>): Promise<void> => {
  run.signal.addEventListener('abort', () => say({ said: 'aborted' }), { once: true })
  stubborn.is = run.data.stubbornly ?? false
  last = await write(run, run.data)
  while (stubborn.is) {
    say(last)
    await new Promise((resolve) => setTimeout(resolve, 20))
    last = await write(run, run.data)
  }
}
await tenure.schedule('write', { at: '2000-01-01T00:00:00Z' }, handler, { data: {} })

/** Runs the job, and says how it went once it may be run again. */
async function runJob(how: HowWrite): Promise<void> {
  await tenure.runNow('write', how).catch((error: unknown) => {
    last = { said: 'over', token: 0, outcome: codeOf(error) }
  })
  if (last !== undefined) say(last)
}

tenure.on('term:acquired', ({ term }) => {
  say({ said: 'acquired', token: term.fencingToken, atMs: nowMs() })
})
tenure.on('term:lost', ({ term }) => say({ said: 'lost', token: term.fencingToken }))

process.on('message', (command: WriterCommand) => {
  switch (command.do) {
    case 'write':
      return void runJob(command.how)
    case 'go on':
      return goOn()
    case 'stop writing':
      stubborn.is = false
      return
    case 'resign':
      return void tenure.resign({ drain: 0, coolDown: '1h' })
  }
})

await tenure.start()
say({ said: 'started' })
