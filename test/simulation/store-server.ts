import {
  type AcquireReply,
  type AcquireRequest,
  type EndedTerm,
  type LeaseReading,
  type PushListener,
  type ReleaseReply,
  type ReleaseRequest,
  type RenewReply,
  type RenewRequest,
} from '../../src/store/lease-store.ts'
import { LeaseTable } from '../../src/store/memory/lease-table.ts'
import type { LedgerCall, LedgerReply } from '../../src/store/ledger/verbs.ts'
import type { Call, Fact, History } from './history.ts'
import { LedgerOfStore } from './ledger-of-store.ts'
import type { Machine } from './machine.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** One thing that a client wants done. */
export type Order =
  /** `grantByMs`: later it may not be granted, on the server's clock as far as the client knows that. */
  | {
      readonly verb: 'acquire'
      readonly request: AcquireRequest
      readonly grantByMs: number | undefined
    }
  | { readonly verb: 'renew'; readonly request: RenewRequest }
  | { readonly verb: 'release'; readonly request: ReleaseRequest }
  | { readonly verb: 'note'; readonly lease: string; readonly ended: EndedTerm }

/** The same of a client of the ledger. */
interface LedgerOrder {
  readonly verb: 'ledger'
  readonly call: LedgerCall
}

/** What comes back. */
export type Answer = AcquireReply | RenewReply | ReleaseReply | undefined

/** Somebody who listens to pushes: each goes over the listener's own link. */
export interface Watcher {
  readonly who: string
  tell(push: (listener: PushListener) => void): void
}

/** What a store is like. */
export interface StoreServerParts {
  readonly world: World
  readonly machine: Machine
  readonly random: Random
  readonly history: History
  readonly pushes: 'none' | 'changes' | 'renewals'
  /** Without a common clock, candidates decide by observation alone: see design rule 6. */
  readonly commonClock: boolean
  /** Whether it remembers all that was done, so that it can be restored from an older state. */
  readonly remembers: boolean
  /** Who works with a token now. */
  readonly workersOf: (token: number) => string[]
}

const lease = 'scheduler'

/**
 * A store with a server: the real table of leases, on the server's own clock, behind a door that
 * may be slow, closed, or lose what it was told.
 */
export class StoreServer {
  readonly #parts: StoreServerParts
  readonly #watchers = new Set<Watcher>()
  /** What was done, and when by the server's own clocks. */
  readonly #done: { monotonicMs: number; wallMs: number; order: Order | LedgerOrder }[] = []
  #table: LeaseTable
  #ledger: LedgerOfStore
  /** How long it takes for what it is told, at most. */
  serviceMsMax = 1
  #up = true
  #refuses = true
  #lives = 1
  #pushesWork = true

  constructor(parts: StoreServerParts) {
    this.#parts = parts
    const table = new LeaseTable(parts.machine)
    this.#table = table
    this.#ledger = new LedgerOfStore((name) => table.tokenOf(name))
  }

  read(): LeaseReading {
    return this.#table.read(lease)
  }

  /** All that ever stood in the ledger, for the history. */
  tellLedger(): void {
    this.#ledger.tell(this.#parts.history, lease)
  }

  /** Takes an order; what it was not able to answer before it went down it does not answer. */
  receive(
    call: Call & Fact,
    order: Order,
    answer: (answer: Answer, nowMs: number) => void,
    failed: () => void,
  ): void {
    this.#admit(() => answer(this.#obey(call, order), this.#parts.machine.monotonicMs()), failed)
  }

  /** The same of the ledger. */
  receiveLedger(call: LedgerCall, answer: (reply: LedgerReply) => void, failed: () => void): void {
    this.#admit(() => {
      this.#remember({ verb: 'ledger', call })
      answer(this.#ledger.obey(call, this.#parts.history))
    }, failed)
  }

  #admit(act: () => void, failed: () => void): void {
    const { world, random } = this.#parts
    if (!this.#up) {
      if (this.#refuses) failed()
      return
    }
    const life = this.#lives
    world.after(random.next() * this.serviceMsMax, () => {
      if (this.#up && this.#lives === life) act()
    })
  }

  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher)
    return () => void this.#watchers.delete(watcher)
  }

  /** Whether pushes are to be had at all. */
  get pushes(): 'none' | 'changes' | 'renewals' {
    return this.#parts.pushes
  }

  // ---- what is done to it ----

  /** Goes down; what it has acknowledged it keeps. */
  down(refuses: boolean): void {
    this.#up = false
    this.#refuses = refuses
    this.#lives++
  }

  up(): void {
    this.#up = true
  }

  /** Pushes come no more; the listeners may be told. */
  losePushes(told: boolean): void {
    if (told) this.#push((listener) => listener.failed(new Error('pushes are lost')))
    this.#pushesWork = false
  }

  mendPushes(): void {
    this.#pushesWork = true
    this.#push((listener) => listener.works(this.worksWith))
  }

  /** What its listeners are told of. */
  get worksWith(): 'changes' | 'renewals' {
    return this.#parts.pushes === 'renewals' ? 'renewals' : 'changes'
  }

  /** Somebody outside sees who leads, and wishes, a while later, that this leader resign. */
  wish(coolDownMs: number, afterMs: number): void {
    const { record } = this.#table.read(lease)
    if (record === undefined) return
    const { token } = record
    this.#parts.world.after(afterMs, () => {
      const { kind } = this.#table.requestResign(lease, { token, by: 'operator', coolDownMs })
      if (kind !== 'requested') return
      this.#parts.history.add('store', { kind: 'wish', token })
      this.#push((listener) => listener.changed())
    })
  }

  /** Somebody deletes the record by hand. */
  deleteRecord(): void {
    this.#table.deleteRecord(lease)
  }

  /** Forgets the last `forMs` of what it has acknowledged. */
  restore(forMs: number): void {
    const { machine } = this.#parts
    const sinceMs = machine.monotonicMs() - forMs
    let now = { monotonicMs: 0, wallMs: 0 }
    const kept = this.#done.filter(({ monotonicMs }) => monotonicMs <= sinceMs)
    const table = new LeaseTable({
      monotonicMs: () => (now.monotonicMs === Infinity ? machine.monotonicMs() : now.monotonicMs),
      wallMs: () => (now.monotonicMs === Infinity ? machine.wallMs() : now.wallMs),
    })
    const ledger = new LedgerOfStore((name) => table.tokenOf(name))
    this.#done.length = 0
    for (const done of kept) {
      now = done
      const { order } = done
      if (order.verb === 'ledger') ledger.obey(order.call)
      else apply(table, order)
      this.#done.push(done)
    }
    now = { monotonicMs: Infinity, wallMs: 0 }
    this.#table = table
    this.#ledger = ledger
  }

  // ---- what it does ----

  #obey(call: Call & Fact, sent: Order): Answer {
    const { history } = this.#parts
    const order = this.#judgeTime(sent)
    const before = this.#table.read(lease).record
    if (order.verb === 'acquire' && !this.#parts.commonClock) {
      const { holder, observed } = order.request
      const unchanged = observed?.token === before?.token && observed?.renewals === before?.renewals
      if (before !== undefined && before.holder !== holder && !unchanged) {
        return { kind: 'held', record: { ...before, ageMs: undefined, remainingMs: undefined } }
      }
    }
    this.#remember(order)
    const workers = order.verb === 'release' ? this.#parts.workersOf(order.request.token) : []
    const answer = apply(this.#table, order)
    if (order.verb === 'renew') {
      const found = before && { ...before, remainingMs: before.remainingMs ?? 0 }
      const one = { answer: answer?.kind ?? '', found: found ?? ('nobody' as const) }
      call.carriedOut = [...call.carriedOut, one]
    }
    switch (answer?.kind) {
      case 'acquired': {
        const { token } = answer
        const { holder } = call
        const again = before?.holder === holder
        history.add('store', { kind: 'granted', token, holder, again })
        this.#pushRenewal(call.who)
        break
      }
      case 'released':
        history.add('store', { kind: 'released', token: call.token ?? 0, working: workers })
        this.#push((listener) => listener.changed())
        break
      case 'renewed':
        this.#pushRenewal(call.who)
        break
      default:
    }
    return answer
  }

  /** An acquisition that arrives when nobody waits for it any more was late as it was sent. */
  #judgeTime(order: Order): Order {
    if (order.verb !== 'acquire' || !this.#parts.commonClock) return order
    const { grantByMs = Infinity } = order
    if (this.#parts.machine.monotonicMs() <= grantByMs) return order
    return { ...order, request: { ...order.request, grantWithinMs: -1 } }
  }

  #pushRenewal(by: string): void {
    const { record } = this.#table.read(lease)
    if (record === undefined || this.#parts.pushes !== 'renewals') return
    const { token, renewals, ttlMs } = record
    this.#push((listener) => listener.renewed({ token, renewals, ttlMs }), by)
  }

  #remember(order: Order | LedgerOrder): void {
    const { machine, remembers } = this.#parts
    if (!remembers) return
    this.#done.push({ monotonicMs: machine.monotonicMs(), wallMs: machine.wallMs(), order })
  }

  #push(push: (listener: PushListener) => void, except?: string): void {
    if (this.#parts.pushes === 'none' || !this.#pushesWork) return
    for (const watcher of this.#watchers) if (watcher.who !== except) watcher.tell(push)
  }
}

function apply(table: LeaseTable, order: Order): Answer {
  switch (order.verb) {
    case 'acquire':
      return table.acquire(order.request)
    case 'renew':
      return table.renew(order.request)
    case 'release':
      return table.release(order.request)
    case 'note':
      table.noteEnd(order.lease, order.ended)
      return undefined
  }
}
