import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { once } from 'node:events'
import { promisify } from 'node:util'

import pg from 'pg'

import { until } from './until.ts'
import { pathOf } from './programs.ts'

const run = promisify(execFile)

/** The user of the system and of the databases: PostgreSQL refuses to run as root. */
const user = 'postgres'
const password = 'p@ss/word'

/** How a server is started. */
export interface PostgresServerOptions {
  /** Further lines of postgresql.conf. */
  readonly settings?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** A PostgreSQL server of our own, on a free port of the loopback, in a temporary folder. */
export class PostgresServer {
  readonly user = user
  readonly password = password
  readonly folder: string
  readonly port: number
  readonly #options: PostgresServerOptions
  #process: ChildProcess | undefined
  #databases = 0

  private constructor(folder: string, port: number, options: PostgresServerOptions) {
    this.folder = folder
    this.port = port
    this.#options = options
  }

  /** Makes a cluster of databases and starts its server. */
  static async start(options: PostgresServerOptions = {}): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'tenure-pg-'))
    const server = new PostgresServer(folder, await freePort(), options)
    const passwordFile = join(folder, 'password')
    writeFileSync(passwordFile, password)
    giveAway(folder, passwordFile)
    const args = [
      `--pgdata=${server.#data}`,
      `--username=${user}`,
      `--pwfile=${passwordFile}`,
      '--auth-local=trust',
      '--auth-host=scram-sha-256',
      '--no-sync',
      '--encoding=UTF8',
      '--locale=C',
    ]
    await run(...serverProgram('initdb', args))
    writeFileSync(
      join(server.#data, 'postgresql.auto.conf'),
      [
        "listen_addresses = '127.0.0.1'",
        `port = ${server.port}`,
        `unix_socket_directories = '${folder}'`,
        'max_connections = 200',
        'fsync = off',
        ...(options.settings ?? []),
        '',
      ].join('\n'),
    )
    await server.up()
    return server
  }

  /** The first of its processes; the others are its children. */
  get pid(): number {
    return this.#pids()[0] ?? 0
  }

  get #data(): string {
    return join(this.folder, 'data')
  }

  /** The URL of a database, as an application gets it. */
  url(database = 'postgres', options: { user?: string; port?: number } = {}): string {
    const { user: name = user, port = this.port } = options
    return `postgres://${name}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
  }

  /** A database of its own, empty. */
  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`
    await this.sql(`CREATE DATABASE ${name}`)
    return name
  }

  /** One statement of the administrator, who comes by another way than all that is tested. */
  async sql<Row extends pg.QueryResultRow>(text: string, database = 'postgres'): Promise<Row[]> {
    const client = await this.connect(database)
    try {
      return (await client.query<Row>(text)).rows
    } finally {
      await client.end()
    }
  }

  /** A connection of the administrator. */
  async connect(database = 'postgres'): Promise<pg.Client> {
    const client = new pg.Client({ host: this.folder, port: this.port, user, database })
    client.on('error', () => {})
    await client.connect()
    return client
  }

  /** How many connections a database has, but those of the administrator. */
  async connections(database: string): Promise<number> {
    const rows = await this.sql(
      `SELECT FROM pg_stat_activity WHERE datname = '${database}' AND client_addr IS NOT NULL`,
    )
    return rows.length
  }

  /** Ends all connections of a database but those of the administrator. */
  async terminateConnections(database: string): Promise<number> {
    const rows = await this.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = '${database}' AND pid <> pg_backend_pid() AND client_addr IS NOT NULL`,
    )
    return rows.length
  }

  /** Starts the server, and waits until it answers. */
  async up(): Promise<void> {
    // The environment is for the server alone, and not for what drops its privileges before.
    const env = Object.entries(this.#options.env ?? {}).map(([name, value]) => `${name}=${value}`)
    const command = [...env, pathOf('postgres'), '-D', this.#data]
    const server = spawn(...asServerUser('/usr/bin/env', command), {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process = server
    let log = ''
    server.stderr?.on('data', (chunk) => (log += String(chunk)))
    await until('the PostgreSQL server answers', async () => {
      if (hasEnded(server)) throw new Error(`the PostgreSQL server has ended:\n${log}`)
      return this.sql('SELECT 1').then(
        () => true,
        () => false,
      )
    })
  }

  /**
   * Ends the server: `fast` cuts all connections, `immediate` is a crash that it brings about by
   * itself, `kill` is one that its first process does not notice.
   */
  async down(how: 'fast' | 'immediate' | 'kill' = 'fast'): Promise<void> {
    const server = this.#process
    if (server === undefined || hasEnded(server)) return
    const ended = once(server, 'exit')
    const children = how === 'kill' ? this.#pids().slice(1) : []
    this.#signal(({ fast: 'SIGINT', immediate: 'SIGQUIT', kill: 'SIGKILL' } as const)[how])
    await ended
    // They see that the first one is gone, and end; until then no new server may begin.
    await until('the processes of the server have ended', () => !children.some(isAlive))
  }

  /** Lets nobody hear from the server any more, or again, with all connections still there. */
  freeze(frozen: boolean): void {
    for (const pid of this.#pids()) {
      try {
        process.kill(pid, frozen ? 'SIGSTOP' : 'SIGCONT')
      } catch (error) {
        // The process of a connection may have ended meanwhile.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
  }

  /** Ends the server and removes all that it has written. */
  async end(): Promise<void> {
    await this.down('immediate')
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 })
  }

  /** Has the server read its settings again. */
  async configure(...settings: string[]): Promise<void> {
    writeFileSync(join(this.#data, 'postgresql.auto.conf'), `${settings.join('\n')}\n`, {
      flag: 'a',
    })
    await this.sql('SELECT pg_reload_conf()')
  }

  /** Lets a role in from the loopback without a password. */
  trust(role: string): Promise<void> {
    return this.rule(`host all ${role} 127.0.0.1/32 trust`)
  }

  /** Puts lines before those of pg_hba.conf. */
  async rule(...lines: string[]): Promise<void> {
    const path = join(this.#data, 'pg_hba.conf')
    const rules = readFileSync(path, 'utf8')
    writeFileSync(path, `${lines.join('\n')}\n${rules}`)
    await this.sql('SELECT pg_reload_conf()')
  }

  /** Gives files to the server, for its eyes only. */
  own(...paths: string[]): void {
    for (const path of paths) chmodSync(path, 0o600)
    giveAway(...paths)
  }

  #signal(name: NodeJS.Signals): void {
    const pid = readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n')[0]
    process.kill(Number(pid), name)
  }

  /** The server's processes. Linux only. */
  #pids(): number[] {
    const main = Number(readFileSync(join(this.#data, 'postmaster.pid'), 'utf8').split('\n')[0])
    const children = readFileSync(`/proc/${main}/task/${main}/children`, 'utf8')
    return [main, ...children.trim().split(' ').filter(Boolean).map(Number)]
  }
}

/** A command that runs as the user of the server, also where the tests run as root. */
export function asServerUser(path: string, args: string[]): [command: string, args: string[]] {
  if (process.getuid?.() !== 0) return [path, args]
  const { uid, gid } = userIds()
  const as = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--', path, ...args]
  return ['/usr/bin/setpriv', as]
}

/** A program of the server, of the same version as the server. */
function serverProgram(name: string, args: string[]): [command: string, args: string[]] {
  return asServerUser(join(dirname(pathOf('postgres')), name), args)
}

/** Linux only. One that has ended but that nobody has asked for is dead, too. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

function hasEnded(server: ChildProcess): boolean {
  return server.exitCode !== null || server.signalCode !== null
}

/** A port of the loopback that nobody listens to. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Gives files to the server's user, where the tests run as root. */
function giveAway(...paths: string[]): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = userIds()
  for (const path of paths) chownSync(path, uid, gid)
}

function userIds(): { uid: number; gid: number } {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}
