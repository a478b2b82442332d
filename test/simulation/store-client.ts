import {
  type AcquireReply,
  type AcquireRequest,
  type EndedTerm,
  type LeaseReading,
  type LeaseStore,
  type PushListener,
  type RaiseTokenReply,
  type ReleaseReply,
  type ReleaseRequest,
  type RenewReply,
  type RenewRequest,
  type ResignRequestReply,
} from '../../src/store/lease-store.ts'
import { ServerClock } from '../../src/store/server/server-clock.ts'
import type { Call, History } from './history.ts'
import type { Machine } from './machine.ts'
import type { Link } from './network.ts'
import type { Answer, Order, StoreServer } from './store-server.ts'
import type { SimThread } from './thread.ts'

/** What a client is made of. */
export interface StoreClientParts {
  readonly server: StoreServer
  readonly link: Link
  readonly machine: Machine
  readonly thread: SimThread
  readonly history: History
  /** The process, and the heart in it, that the client belongs to. */
  readonly who: string
  readonly heart: string
  /** A renewal was sent. */
  readonly renewing: () => void
}

/** A store as a heart sees it: its end of the network. */
export class StoreClient implements LeaseStore {
  readonly ttlMsMin = 1_000
  readonly #parts: StoreClientParts
  readonly #unwatch = new Set<() => void>()
  readonly #serverClock = new ServerClock()
  #closed = false

  constructor(parts: StoreClientParts) {
    this.#parts = parts
  }

  tryAcquire(request: AcquireRequest, signal: AbortSignal): Promise<AcquireReply> {
    const { holder, ttlMs, grantWithinMs = Infinity } = request
    const nowMs = this.#parts.machine.monotonicMs()
    const grantByMs = this.#serverClock.lastlyAt(nowMs + grantWithinMs)
    const order = { verb: 'acquire', request, grantByMs } as const
    return this.#call<AcquireReply>(order, { holder, token: undefined, ttlMs }, signal)
  }

  tryRenew(request: RenewRequest, signal: AbortSignal): Promise<RenewReply> {
    const replied = this.#call<RenewReply>({ verb: 'renew', request }, request, signal)
    this.#parts.renewing()
    return replied
  }

  tryRelease(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseReply> {
    const about = { ...request, ttlMs: undefined }
    return this.#call<ReleaseReply>({ verb: 'release', request }, about, signal)
  }

  async tryNoteEnd(lease: string, ended: EndedTerm, signal: AbortSignal): Promise<void> {
    const about = { ...ended, ttlMs: undefined }
    await this.#call({ verb: 'note', lease, ended }, about, signal)
  }

  tryRequestResign(): Promise<ResignRequestReply> {
    throw new Error('in a simulation, wishes to resign come from outside')
  }

  tryRaiseToken(): Promise<RaiseTokenReply> {
    throw new Error('in a simulation, nobody raises tokens')
  }

  read(): Promise<LeaseReading> {
    throw new Error('in a simulation, the store is read from outside')
  }

  watch(_lease: string, listener: PushListener): () => void {
    const { server, link, thread, who } = this.#parts
    if (server.pushes === 'none') {
      thread.send(() => listener.failed(new Error('this store has no pushes')))
      return () => {}
    }
    // A push that is lost is lost without anybody noticing.
    const unwatch = server.watch({
      who,
      tell: (push) =>
        link.send(
          'replies',
          () => thread.receive(() => push(listener)),
          () => {},
        ),
    })
    thread.send(() => listener.works(server.worksWith))
    this.#unwatch.add(unwatch)
    return () => {
      this.#unwatch.delete(unwatch)
      unwatch()
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const unwatch of this.#unwatch) unwatch()
    this.#unwatch.clear()
  }

  #call<Reply extends Answer>(
    order: Order,
    about: { holder: string; token: number | undefined; ttlMs: number | undefined },
    signal: AbortSignal,
  ): Promise<Reply> {
    const { server, link, machine, thread, history, who, heart } = this.#parts
    signal.throwIfAborted()
    if (this.#closed) throw new Error('the store was closed')
    const call = history.add<Call>(who, {
      kind: 'call',
      verb: order.verb,
      heart,
      holder: about.holder,
      token: about.token,
      ttlMs: about.ttlMs,
      sentBootMs: machine.bootMs(),
      settledAtMs: undefined,
      how: undefined,
      reply: undefined,
      carriedOut: [],
    })
    return new Promise((resolve, reject) => {
      const settle = (how: NonNullable<Call['how']>, reply: string, act: () => void): void => {
        if (call.how !== undefined) return
        call.how = how
        call.reply = reply
        call.settledAtMs = history.nowMs
        act()
      }
      const failed = (): void =>
        thread.receive(() =>
          settle('failed', 'connection lost', () => reject(new Error('connection lost'))),
        )
      const sentMs = machine.monotonicMs()
      const answered = (answer: Answer, serverMs: number): void =>
        thread.receive(() =>
          settle('replied', describe(answer), () => {
            this.#serverClock.read(serverMs, sentMs, machine.monotonicMs())
            if (answer?.kind === 'acquired') call.token = answer.token
            resolve(answer as Reply)
          }),
        )
      signal.addEventListener(
        'abort',
        () => settle('aborted', 'given up', () => reject(signal.reason)),
        { once: true },
      )
      link.send(
        'requests',
        () =>
          server.receive(
            call,
            order,
            (answer, nowMs) => link.send('replies', () => answered(answer, nowMs), failed),
            () => link.send('replies', failed, failed),
          ),
        failed,
      )
    })
  }
}

function describe(answer: Answer): string {
  if (answer === undefined) return 'noted'
  switch (answer.kind) {
    case 'held':
      return `held by ${answer.record.holder} with ${answer.record.token}`
    case 'acquired':
      return `acquired ${answer.token}`
    case 'refused':
      return `refused: ${answer.cause}`
    default:
      return answer.kind
  }
}
