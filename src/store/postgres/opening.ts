import type { Socket } from 'node:net'

import type { Clock } from '../../clock.ts'
import { messageOf, TenureError } from '../../errors.ts'
import type { AddressCache } from '../server/address-cache.ts'
import type { PostgresClient, PostgresClientConfig } from './client.ts'
import type { Destination, Way } from './destination.ts'

/** The oldest server that has all that is used here, as `server_version_num`. */
const versionMin = 120_000
/** Until the first probe of an idle connection, so that one whose other end is gone is noticed. */
const keepAliveMs = 5_000

/** One connection that works: its client, its socket, and whether a pooler stands in between. */
export interface Session {
  readonly client: PostgresClient
  readonly socket: Socket
  readonly isPooled: boolean
  /** How long the server took to answer when the connection was opened. */
  readonly roundTripMs: number
  /** The channels that the server was asked to tell of. */
  readonly channels: Set<string>
  /** After how long the server ends a statement of this session; 0: never. */
  statementMsMax: number
}

/** What a connection is opened from. */
export interface OpeningParts {
  readonly clock: Clock
  readonly destination: Destination
  readonly addresses: AddressCache
  readonly createClient: (config: PostgresClientConfig) => PostgresClient
  /** The URL as it may be shown. */
  readonly shown: string
  /** Called for each client, before it connects: a client without listeners ends the process. */
  readonly listenTo: (client: PostgresClient) => void
  /** What belongs to the opening besides, once the server answers. */
  readonly prepare: (session: Session) => Promise<void>
}

/**
 * A connection that is being opened. That may take longer than one attempt, on a slow link: name,
 * TCP, TLS, password, and the first questions are a round trip each. So it belongs to no attempt:
 * whoever needs the connection waits for it, and the next one goes on waiting.
 */
export class Opening {
  readonly session: Promise<Session>
  readonly #parts: OpeningParts
  #socket: Socket | undefined
  #isNeeded = false
  #stepsBefore = 0
  #cutBy: unknown
  #isBound = (): boolean => false

  constructor(parts: OpeningParts) {
    this.#parts = parts
    const { clock, destination } = parts
    const timer = clock.setTimer(destination.openMsMax, () => this.cut(this.#timeoutError()))
    this.session = this.#openAnyWay().finally(() => timer.cancel())
    // Whoever waits is told; nobody may wait just now.
    this.session.catch(() => {})
  }

  /** Rises with each answer: what does not rise for as long as an attempt leads nowhere. */
  get progress(): number {
    return this.#stepsBefore + stepsOf(this.#socket)
  }

  /** Whether a process stays for it. */
  set isNeeded(isNeeded: boolean) {
    this.#isNeeded = isNeeded
    // One that does not connect is cut before long, and meanwhile does not take back what it is told.
    if (this.#socket?.pending !== false) return
    if (isNeeded) this.#socket.ref()
    else this.#socket.unref()
  }

  cut(reason: unknown): void {
    this.#cutBy ??= reason
    this.#socket?.destroy()
  }

  async #openAnyWay(): Promise<Session> {
    const refusals: unknown[] = []
    const { destination } = this.#parts
    for (const way of destination.ways) {
      try {
        const session = await this.#open(way)
        destination.worked(way)
        return session
      } catch (error) {
        this.#socket?.destroy()
        if (this.#cutBy !== undefined) throw this.#cutBy
        if (!isRefusedWay(error)) throw error
        refusals.push(error)
      }
    }
    // That a server speaks no TLS says less than why it lets nobody in without.
    throw refusals.find((error) => !isWithoutTls(error)) ?? refusals[0]
  }

  async #open(way: Way): Promise<Session> {
    const { clock, addresses, destination, listenTo, prepare } = this.#parts
    this.#stepsBefore += stepsOf(this.#socket)
    const socket = addresses.createSocket(destination.hostAddress)
    this.#socket = socket
    socket.once('connect', () => (this.isNeeded = this.#isNeeded))
    const client = this.#createClient(way, socket)
    listenTo(client)
    this.#isBound = bindingOf(client)
    await client.connect()
    // A server that asks for no password binds none.
    if (destination.bindsChannel && !this.#isBound()) throw this.#bindingError()
    const startedMs = clock.monotonicMs()
    const { rows } = await client.query<{ pid: number; version: number }>(
      `SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::integer AS version`,
    )
    const roundTripMs = clock.monotonicMs() - startedMs
    const { pid = 0, version = 0 } = rows[0] ?? {}
    this.#checkVersion(version)
    // A pooler makes up the number of the process that it shows its clients.
    const isPooled = (client as { processID?: number | null }).processID !== pid
    const channels = new Set<string>()
    const session = { client, socket, isPooled, roundTripMs, channels, statementMsMax: 0 }
    await prepare(session)
    return session
  }

  #createClient(way: Way, socket: Socket): PostgresClient {
    let client: PostgresClient | undefined
    try {
      client = this.#parts.createClient({
        fallback_application_name: 'tenure',
        ...this.#bound(this.#parts.destination.config(way, () => client)),
        keepAlive: true,
        keepAliveInitialDelayMillis: keepAliveMs,
        stream: () => socket,
      })
      return client
    } catch (cause) {
      if (cause instanceof TenureError) throw cause
      throw new TenureError(
        'TENURE_ERR_STORE_URL',
        `Expected that the client can use the store URL ${this.#parts.shown}; got ` +
          `"${messageOf(cause)}".`,
        { cause },
      )
    }
  }

  /** Keeps the password from a server that does not bind it, where the URL demands that. */
  #bound(config: PostgresClientConfig): PostgresClientConfig {
    if (!this.#parts.destination.bindsChannel) return config
    const { password = process.env['PGPASSWORD'] ?? '' } = config
    return {
      ...config,
      password: async () => {
        if (!this.#isBound()) throw this.#bindingError()
        return typeof password === 'function' ? password() : password
      },
    }
  }

  #checkVersion(version: number): void {
    if (version >= versionMin) return
    throw new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected a PostgreSQL server of version ${versionMin / 10_000} or later at ` +
        `${this.#parts.shown}; got ${Math.floor(version / 10_000)}.`,
    )
  }

  #bindingError(): TenureError {
    return new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected that the server at ${this.#parts.shown} binds the password to the TLS connection ` +
        '(SCRAM-SHA-256-PLUS), as `channel_binding=require` demands; got a server, a pooler in ' +
        'between or a package `pg` that does not.',
    )
  }

  #timeoutError(): TenureError {
    return new TenureError(
      'TENURE_ERR_STORE_UNREACHABLE',
      `Expected that a connection to the PostgreSQL server at ${this.#parts.shown} is open after ` +
        `${this.#parts.destination.openMsMax} ms; got none.`,
    )
  }
}

/** How far a socket has come. */
function stepsOf(socket: Socket | undefined): number {
  if (socket === undefined || socket.connecting) return 0
  return 1 + socket.bytesRead
}

/** Tells, once the client is connected, whether its password was bound to the TLS connection. */
function bindingOf(client: PostgresClient): () => boolean {
  const { connection, enableChannelBinding } = client as {
    connection?: { on(name: string, listener: (message: { mechanisms?: string[] }) => void): void }
    enableChannelBinding?: boolean
  }
  let isOffered = false
  connection?.on('authenticationSASL', ({ mechanisms = [] }) => {
    isOffered = mechanisms.includes('SCRAM-SHA-256-PLUS')
  })
  return () => isOffered && enableChannelBinding === true
}

/** Whether the server might let us in the other way, with or without TLS. */
function isRefusedWay(error: unknown): boolean {
  const { code = '', severity } = error as { code?: unknown; severity?: unknown }
  if (severity !== undefined) return code === '28000'
  return isWithoutTls(error) || /^(ERR_SSL_|EPROTO)/.test(String(code))
}

function isWithoutTls(error: unknown): boolean {
  return /does not support SSL|establishing an SSL connection/.test(messageOf(error))
}
