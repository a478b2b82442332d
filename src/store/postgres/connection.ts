import type { Socket } from 'node:net'

import type pg from 'pg'

import { sleep, type Clock } from '../../clock.ts'
import { messageOf, TenureError } from '../../errors.ts'
import { AddressCache } from './address-cache.ts'
import { describeFault } from './postgres-errors.ts'

/** The oldest server that has all that is used here, as `server_version_num`. */
const versionMin = 120_000
/** Until the first probe of an idle connection, so that one whose other end is gone is noticed. */
const keepAliveMs = 5_000
/** How long a connection may take that is made only to listen. */
const listenTimeoutMs = 5_000
/** How long a connection may take to say goodbye before it is cut. */
const closeTimeoutMs = 500

/** One connection that works: its client, its socket, and whether a pooler stands in between. */
interface Session {
  readonly client: pg.Client
  readonly socket: Socket
  isPooled: boolean
}

/** What a connection tells of the channels that it listens to. */
export interface ChannelListener {
  notified(payload: string): void
  works(): void
  failed(error: unknown): void
}

/** What a connection is made of. */
export interface ConnectionOptions {
  readonly createClient: (config: pg.ClientConfig) => pg.Client
  readonly url: string
  /** The URL as it may be shown. */
  readonly shown: string
  readonly clock: Clock
}

/**
 * One connection to the server, opened on first use, thrown away after a fault or an abort, and
 * opened again by the next use. Nothing of the application's pool is used, and no name is looked up
 * on the way, so that neither can hold up a renewal.
 */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #addresses = new AddressCache()
  readonly #channels = new Map<string, Set<ChannelListener>>()
  #session: Session | undefined
  /** Ends when the unit of work before this one has ended: they take turns. */
  #turn: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  /**
   * One unit of work. When `signal` is aborted the connection is cut, because only that ends a
   * statement for us whatever the server does, and the call rejects with the signal's reason.
   */
  run<Result>(work: (client: pg.Client) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const previous = this.#turn
    const unit = (async () => {
      await endOf(previous, signal)
      return this.#unit(work, signal)
    })()
    this.#turn = unit.catch(() => previous)
    return unit
  }

  /** Hears of a channel until the returned function is called; connects if that is necessary. */
  listen(channel: string, listener: ChannelListener): () => void {
    const listeners = this.#channels.get(channel) ?? new Set()
    this.#channels.set(channel, listeners.add(listener))
    // Opening the connection listens to all channels; one that was open has to be told.
    const wasOpen = this.#session
    this.run(async () => {
      if (wasOpen !== undefined && this.#session === wasOpen) await this.#listenTo([channel])
    }, AbortSignal.timeout(listenTimeoutMs)).catch((error: unknown) => {
      if (listeners.has(listener)) listener.failed(error)
    })
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#channels.delete(channel)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#channels.clear()
    const session = this.#session
    this.#session = undefined
    if (session === undefined) return
    const { client, socket } = session
    const closed = new AbortController()
    socket.once('close', () => closed.abort())
    // The server is told, but waited for only so long: it may hang.
    client.end().catch(() => {})
    socket.destroySoon()
    if (!socket.closed)
      await sleep(this.#options.clock, closeTimeoutMs, closed.signal).catch(() => {})
    socket.destroy()
  }

  async #unit<Result>(
    work: (client: pg.Client) => Promise<Result>,
    signal: AbortSignal,
  ): Promise<Result> {
    signal.throwIfAborted()
    this.#checkOpen()
    const socket = this.#session?.socket ?? this.#addresses.createSocket()
    const cut = (): void => void socket.destroy()
    signal.addEventListener('abort', cut, { once: true })
    socket.ref()
    try {
      if (this.#session === undefined) {
        const session = await this.#open(socket)
        this.#checkOpen()
        this.#session = session
        await this.#listenTo([...this.#channels.keys()])
      }
      return await work(this.#session.client)
    } catch (error) {
      this.#discard(error)
      socket.destroy()
      signal.throwIfAborted()
      throw describeFault(error, this.#options.shown)
    } finally {
      signal.removeEventListener('abort', cut)
      // An idle connection is no reason for a process to stay.
      socket.unref()
    }
  }

  async #open(socket: Socket): Promise<Session> {
    const client = this.#createClient(socket)
    const session = { client, socket, isPooled: false }
    client.on('error', (error) => this.#lost(session, error))
    client.on('end', () => this.#lost(session, new Error('The connection has ended.')))
    client.on('notification', ({ channel, payload }) => {
      for (const listener of this.#channels.get(channel) ?? []) listener.notified(payload ?? '')
    })
    await client.connect()
    const { rows } = await client.query<{ pid: number; version: number }>(
      `SELECT pg_backend_pid() AS pid, current_setting('server_version_num')::integer AS version`,
    )
    const { pid = 0, version = 0 } = rows[0] ?? {}
    this.#checkVersion(version)
    // A pooler makes up the number of the process that it shows its clients.
    session.isPooled = (client as { processID?: number | null }).processID !== pid
    return session
  }

  #createClient(socket: Socket): pg.Client {
    try {
      return this.#options.createClient({
        connectionString: this.#options.url,
        fallback_application_name: 'tenure',
        keepAlive: true,
        keepAliveInitialDelayMillis: keepAliveMs,
        stream: () => socket,
      })
    } catch (cause) {
      throw new TenureError(
        'TENURE_ERR_STORE_URL',
        `Expected that the client can use the store URL ${this.#options.shown}; got ` +
          `"${messageOf(cause)}".`,
        { cause },
      )
    }
  }

  async #listenTo(channels: readonly string[]): Promise<void> {
    const session = this.#session
    for (const channel of channels) {
      if (session?.isPooled === false) await session.client.query(`LISTEN "${channel}"`)
      for (const listener of this.#channels.get(channel) ?? []) {
        if (session?.isPooled === false) listener.works()
        else listener.failed(poolerError(this.#options.shown))
      }
    }
  }

  #checkOpen(): void {
    if (!this.#closed) return
    throw new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
  }

  #checkVersion(version: number): void {
    if (version >= versionMin) return
    throw new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected a PostgreSQL server of version ${versionMin / 10_000} or later at ` +
        `${this.#options.shown}; got ${Math.floor(version / 10_000)}.`,
    )
  }

  /** The connection has ended although nobody here wanted it to. */
  #lost(session: Session, error: unknown): void {
    if (session === this.#session) this.#discard(error)
  }

  #discard(error: unknown): void {
    const session = this.#session
    this.#session = undefined
    if (session === undefined) return
    session.socket.destroy()
    this.#failAll(describeFault(error, this.#options.shown))
  }

  #failAll(error: unknown): void {
    for (const listeners of this.#channels.values()) {
      for (const listener of listeners) listener.failed(error)
    }
  }
}

/** Resolves when the unit of work before has ended, well or not; rejects with an abort. */
function endOf(previous: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    const end = (): void => {
      signal.removeEventListener('abort', abort)
      resolve()
    }
    previous.then(end, end)
  })
}

function poolerError(shown: string): TenureError {
  return new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected a connection to the PostgreSQL server itself at ${shown}, to be told of changes; got ` +
      'one through a pooler. Everything works all the same, but a hand-over takes up to one ' +
      'heartbeat interval. Name the server itself in the store URL if that is too long.',
  )
}
