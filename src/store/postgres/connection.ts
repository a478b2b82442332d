import { aborted, settledOrAborted, type Clock, sleep, timeLimitOf } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import { AddressCache } from '../server/address-cache.ts'
import { Turns } from '../server/turns.ts'
import type { PostgresClient, PostgresClientConfig } from './client.ts'
import { Destination } from './destination.ts'
import { Opening, type Session } from './opening.ts'
import { describeFault } from './postgres-errors.ts'

/** How long a connection that is open may take to listen to one more channel. */
const listenTimeoutMs = 5_000
/** How long a connection may take to say goodbye before it is cut. */
const closeTimeoutMs = 500
/** How much longer than its client the server goes on: the client is the first to give up. */
const slackMs = 100
/** Of an attempt: an opening that gets nowhere afterwards leads nowhere. */
const earlyShare = 1 / 3
/** Of how many round trips there has to be time for what is sent. */
const roundTripsMin = 1.5

/** What a connection tells of the channels that it listens to. */
export interface ChannelListener {
  notified(payload: string): void
  works(): void
  failed(error: unknown): void
}

/** What a connection is made of. */
export interface ConnectionOptions {
  readonly createClient: (config: PostgresClientConfig) => PostgresClient
  /** As `parsePostgresUrl` has read it. */
  readonly url: string
  /** The URL as it may be shown. */
  readonly shown: string
  readonly clock: Clock
}

/**
 * A unit of work on a connection.
 *
 * @param patienceMs after how long the server may give up, because the client has; `undefined`
 *   where nobody has told
 */
type Work<Result> = (client: PostgresClient, patienceMs: number | undefined) => Promise<Result>

/** Whoever hears of a channel, and what it was told last of whether it does. */
interface Subscription {
  readonly listener: ChannelListener
  told?: 'works' | 'lost' | 'pooled'
}

/**
 * One connection to the server, opened on first use, thrown away after a fault or an abort, and
 * opened again by the next use. Nothing of the application's pool is used, and no name is looked up
 * on the way, so that neither can hold up a renewal.
 */
export class Connection {
  readonly #options: ConnectionOptions
  readonly #addresses = new AddressCache()
  readonly #destination: Destination
  readonly #channels = new Map<string, Set<Subscription>>()
  #opening: Opening | undefined
  #session: Session | undefined
  readonly #turns = new Turns()
  /** The longest that anybody was willing to wait for a statement. */
  #patienceMsMax = 0
  #closed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#destination = new Destination(options.url)
  }

  /**
   * One unit of work. When `signal` is aborted while it is under way the connection is cut, because
   * only that ends a statement for us whatever the server does, and the call rejects with the
   * signal's reason.
   */
  run<Result>(work: Work<Result>, signal: AbortSignal): Promise<Result> {
    return this.#turns.run(() => this.#unit(work, signal), signal)
  }

  /** Hears of a channel until the returned function is called; connects if that is necessary. */
  listen(channel: string, listener: ChannelListener): () => void {
    const subscription: Subscription = { listener }
    const subscriptions = this.#channels.get(channel) ?? new Set()
    this.#channels.set(channel, subscriptions.add(subscription))
    // Opening the connection listens to all channels; one that was open has to be told.
    const session = this.#session
    if (session === undefined) this.#open()
    else {
      const listenTo = async (): Promise<void> => {
        if (session === this.#session) await this.#listenTo(session)
      }
      this.run(listenTo, AbortSignal.timeout(listenTimeoutMs)).catch((error: unknown) => {
        if (subscriptions.has(subscription)) tell(subscription, 'lost', error)
      })
    }
    return () => {
      subscriptions.delete(subscription)
      if (subscriptions.size === 0) this.#channels.delete(channel)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#channels.clear()
    this.#opening?.cut(closedError())
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

  async #unit<Result>(work: Work<Result>, signal: AbortSignal): Promise<Result> {
    signal.throwIfAborted()
    if (this.#closed) throw closedError()
    const { timeoutMs = 0 } = timeLimitOf(signal) ?? {}
    this.#patienceMsMax = Math.max(this.#patienceMsMax, timeoutMs)
    const session = this.#session ?? (await this.#opened(signal))
    const cut = (): void => void session.socket.destroy()
    signal.addEventListener('abort', cut, { once: true })
    session.socket.ref()
    try {
      signal.throwIfAborted()
      if (timeoutMs > session.statementMsMax) await this.#limitStatements(session)
      return await work(session.client, this.#patienceMs(signal))
    } catch (error) {
      this.#discard(session, error)
      signal.throwIfAborted()
      throw describeFault(error, this.#options.shown)
    } finally {
      signal.removeEventListener('abort', cut)
      // An idle connection is no reason for a process to stay.
      session.socket.unref()
    }
  }

  /** The connection that is being opened, for as long as this attempt lasts. */
  async #opened(signal: AbortSignal): Promise<Session> {
    const opening = this.#open()
    let { progress } = opening
    const { timeoutMs } = timeLimitOf(signal) ?? {}
    const lateMs = (timeoutMs ?? 0) * earlyShare
    const early = this.#options.clock.setTimer(lateMs, () => {
      if (timeoutMs !== undefined) ({ progress } = opening)
    })
    opening.isNeeded = true
    try {
      const session = await settledOrAborted(opening.session, signal)
      // What is cut off in the middle would have to be opened again, and again be too late.
      if (!this.#isTimeLeft(session, signal)) await aborted(signal)
      return session
    } catch (error) {
      signal.throwIfAborted()
      throw describeFault(error, this.#options.shown)
    } finally {
      early.cancel()
      opening.isNeeded = false
      // It goes on without this attempt, unless it got nowhere for most of it: on a slow link an
      // answer comes now and then, and from the other end of a broken one none does.
      if (signal.aborted && opening.progress === progress) this.#giveUp(opening, signal.reason)
    }
  }

  /** The next one who needs a connection begins anew. */
  #giveUp(opening: Opening, reason: unknown): void {
    if (this.#opening === opening) this.#opening = undefined
    opening.cut(reason)
  }

  #open(): Opening {
    if (this.#opening !== undefined) return this.#opening
    const { clock, createClient, shown } = this.#options
    const opening = new Opening({
      clock,
      createClient,
      shown,
      destination: this.#destination,
      addresses: this.#addresses,
      listenTo: (client) => this.#hear(client),
      prepare: (session) => this.#prepare(session),
    })
    this.#opening = opening
    const over = (): void => {
      if (this.#opening === opening) this.#opening = undefined
    }
    opening.session.then(over, (error: unknown) => {
      over()
      this.#tellAll('lost', describeFault(error, shown))
    })
    return opening
  }

  #hear(client: PostgresClient): void {
    client.on('error', (error) => this.#lost(client, error))
    client.on('end', () => this.#lost(client, new Error('The connection has ended.')))
    client.on('notification', ({ channel, payload }) => {
      for (const { listener } of this.#channels.get(channel) ?? []) listener.notified(payload ?? '')
    })
  }

  /** The last step of opening a connection: from here on it is the one that is used. */
  async #prepare(session: Session): Promise<void> {
    await this.#limitStatements(session)
    await this.#listenTo(session)
    if (this.#closed) throw closedError()
    session.socket.unref()
    this.#session = session
  }

  /**
   * Tells the server when to end a statement of ours, whatever it waits for: nobody waits for its
   * reply any longer. Not through a pooler, where the setting would be somebody else's the next time.
   */
  async #limitStatements(session: Session): Promise<void> {
    const limitMs = this.#patienceMsMax
    if (session.isPooled || limitMs <= session.statementMsMax) return
    await session.client.query(`SET statement_timeout = ${Math.ceil(limitMs + slackMs)}`)
    session.statementMsMax = limitMs
  }

  async #listenTo(session: Session): Promise<void> {
    // One that is added meanwhile comes last.
    for (const [channel, subscriptions] of this.#channels) {
      if (!session.isPooled && !session.channels.has(channel)) {
        await session.client.query(`LISTEN "${channel}"`)
        session.channels.add(channel)
      }
      for (const subscription of subscriptions) {
        if (!session.isPooled) tell(subscription, 'works')
        else tell(subscription, 'pooled', poolerError(this.#options.shown))
      }
    }
  }

  /** How long the server may take for what is sent now. */
  #patienceMs(signal: AbortSignal): number | undefined {
    const limit = timeLimitOf(signal)
    if (limit === undefined) return undefined
    const leftMs = limit.endsAtMs - this.#options.clock.monotonicMs()
    return Math.ceil(Math.max(0, leftMs) + slackMs)
  }

  #isTimeLeft(session: Session, signal: AbortSignal): boolean {
    const patienceMs = this.#patienceMs(signal)
    return patienceMs === undefined || patienceMs - slackMs > session.roundTripMs * roundTripsMin
  }

  /** The connection has ended although nobody here wanted it to. */
  #lost(client: PostgresClient, error: unknown): void {
    const session = this.#session
    if (session?.client === client) this.#discard(session, error)
  }

  #discard(session: Session, error: unknown): void {
    session.socket.destroy()
    if (session !== this.#session) return
    this.#session = undefined
    this.#tellAll('lost', describeFault(error, this.#options.shown))
  }

  #tellAll(state: 'lost', error: unknown): void {
    for (const subscriptions of this.#channels.values()) {
      for (const subscription of subscriptions) tell(subscription, state, error)
    }
  }
}

/** Tells a listener what it does not know yet. */
function tell(
  subscription: Subscription,
  ...[state, error]: [state: 'works'] | [state: 'lost' | 'pooled', error: unknown]
): void {
  if (subscription.told === state) return
  subscription.told = state
  if (state === 'works') subscription.listener.works()
  else subscription.listener.failed(error)
}

function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
}

function poolerError(shown: string): TenureError {
  return new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected a connection to the PostgreSQL server itself at ${shown}, to be told of changes; got ` +
      'one through a pooler. Everything works all the same, but a hand-over takes up to one ' +
      'heartbeat interval. Name the server itself in the store URL if that is too long.',
  )
}
