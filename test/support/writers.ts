import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

import pg from 'pg'

import type { LeaseStore } from '../../src/store/lease-store.ts'
import { threeSeconds } from './cluster.ts'
import {
  createPostgresTables,
  createSqliteTables,
  tokensOnPostgres,
  tokensOnSqlite,
} from './fenced-resource.ts'
import type { PostgresServer } from './postgres-server.ts'
import { createTestStore, type StoreName, type TestStore } from './test-store.ts'
import { until } from './until.ts'
import type { HowWrite, WriterCommand, WriterMessage, WriterOptions } from './writer.ts'

type Said<Kind extends WriterMessage['said']> = Extract<WriterMessage, { said: Kind }>

/** One process that writes while it leads. */
export class Writer {
  readonly messages: WriterMessage[] = []
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  readonly #renewals: () => Promise<number>
  #stderr = ''

  /** @param renewals how often the lease was renewed in the term at hand */
  constructor(options: WriterOptions, renewals: () => Promise<number>) {
    this.#renewals = renewals
    const path = new URL('./writer.ts', import.meta.url).pathname
    this.#process = fork(path, [JSON.stringify(options)], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    })
    this.#process.on('message', (message: WriterMessage) => this.messages.push(message))
    this.#process.stderr?.on('data', (chunk) => (this.#stderr += String(chunk)))
    this.#exited = new Promise((resolve) => this.#process.on('exit', () => resolve()))
  }

  send(command: WriterCommand): void {
    this.#process.send(command)
  }

  signal(name: NodeJS.Signals): void {
    const { pid } = this.#process
    assert.ok(pid)
    process.kill(pid, name)
  }

  said<Kind extends WriterMessage['said']>(kind: Kind): Said<Kind>[] {
    return this.messages.filter((message): message is Said<Kind> => message.said === kind)
  }

  async next<Kind extends WriterMessage['said']>(
    kind: Kind,
    withinMs?: number,
  ): Promise<Said<Kind>> {
    return until(`a writer says "${kind}"\n${this.#stderr}`, () => this.said(kind)[0], withinMs)
  }

  /** Writes once, and returns how that went. */
  async write(how: HowWrite = {}): Promise<string> {
    const before = this.said('over').length
    this.send({ do: 'write', how })
    const over = await until(`a write is over\n${this.#stderr}`, () => this.said('over')[before])
    return over.outcome
  }

  /** Freezes the process in the middle of a write. */
  async freezeAt(freezeAt: 'looked' | 'checked'): Promise<void> {
    this.send({ do: 'write', how: { freezeAt } })
    await until('the writer spins', () => this.#stderr.includes('spinning'))
    // Its heartbeat goes on in another thread: stopped in the middle of one, the process would keep
    // the lock of an SQLite file, and nobody could lead. So: just after one.
    const before = await this.#renewals()
    await until('a heartbeat was made', async () => (await this.#renewals()) > before)
    this.signal('SIGSTOP')
  }

  async end(): Promise<void> {
    this.#process.kill('SIGCONT')
    this.#process.kill('SIGKILL')
    await this.#exited
  }
}

/** The database of an application, as the test looks at it. */
interface Application {
  /** What the writers are told of it. */
  readonly database: string
  tokens(): Promise<number[]>
  /** How many statements wait for a lock. */
  waiting(): Promise<number>
  end(): Promise<void>
}

async function openPostgres(url: string): Promise<Application> {
  const client = new pg.Client(url)
  await client.connect()
  await createPostgresTables(client)
  return {
    database: url,
    tokens: () => tokensOnPostgres(client, 'scheduler'),
    async waiting() {
      const { rowCount } = await client.query(
        `SELECT FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      return rowCount ?? 0
    },
    end: () => client.end(),
  }
}

function openSqlite(folder: string): Application {
  const path = join(folder, 'application.db')
  const database = new DatabaseSync(path)
  createSqliteTables(database)
  return {
    database: path,
    tokens: async () => tokensOnSqlite(database, 'scheduler'),
    waiting: async () => 0,
    end: async () => database.close(),
  }
}

/** Two processes on one lease and on one database of an application. */
export class Writers {
  readonly application: Application
  readonly #store: TestStore
  readonly #observer: LeaseStore
  readonly #fenced: boolean
  readonly #writers: Writer[] = []

  private constructor(store: TestStore, application: Application, fenced: boolean) {
    this.application = application
    this.#store = store
    this.#observer = store.open()
    this.#fenced = fenced
  }

  /** @param server of PostgreSQL, with `commitOrderSettings` */
  static async open(on: StoreName, fenced: boolean, server?: PostgresServer): Promise<Writers> {
    const store = await createTestStore(on, server)
    const { folder, url } = store
    const application = on === 'SQLite' ? openSqlite(folder) : await openPostgres(url)
    return new Writers(store, application, fenced)
  }

  /** Starts both: the first one leads, and the second one is a candidate. */
  async start(): Promise<{ first: Writer; second: Writer }> {
    const first = this.#add()
    await first.next('acquired')
    const second = this.#add()
    await second.next('started')
    return { first, second }
  }

  /** How often the lease was renewed in the term at hand. */
  async renewals(): Promise<number> {
    const { record } = await this.#observer.read('scheduler', AbortSignal.timeout(5_000))
    return record?.renewals ?? 0
  }

  async end(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.end()))
    await this.application.end()
    await this.#observer.close()
    await this.#store.end()
  }

  #add(): Writer {
    const { database } = this.application
    const tenure = { store: this.#store.url, ...threeSeconds }
    const writer = new Writer({ tenure, fenced: this.#fenced, database }, () => this.renewals())
    this.#writers.push(writer)
    return writer
  }
}
