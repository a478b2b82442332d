import { createSystemClock } from '../../clock.ts'
import { TenureError } from '../../errors.ts'
import type {
  AcquireReply,
  AcquireRequest,
  EndedTerm,
  LeaseReading,
  LeaseStore,
  PushListener,
  RaiseTokenReply,
  ReleaseReply,
  ReleaseRequest,
  RenewReply,
  RenewRequest,
  ResignRequest,
  ResignRequestReply,
} from '../lease-store.ts'
import { LeaseTable, type TableClock } from './lease-table.ts'
import { LedgerBooks } from './ledger-books.ts'

/** One memory: what all stores of the same name in this thread share. */
export class Memory {
  readonly table: LeaseTable
  readonly ledgers: LedgerBooks
  /** What every call is rejected with, while the memory shall be unreachable: for tests. */
  fault: Error | undefined
  readonly #listeners = new Map<string, Set<PushListener>>()

  constructor(clock: TableClock) {
    this.table = new LeaseTable(clock)
    this.ledgers = new LedgerBooks((lease) => this.table.restoreCounter(lease))
  }

  /** Throws what a call is rejected with, of a client that may have been closed. */
  check(signal: AbortSignal, isClosed: boolean): void {
    signal.throwIfAborted()
    if (this.fault !== undefined) throw this.fault
    if (!isClosed) return
    throw new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
  }

  /** Tells all who watch the lease, in a turn of their own, as another process would. */
  push(lease: string): void {
    for (const listener of this.#listeners.get(lease) ?? []) {
      void Promise.resolve().then(() => listener.changed())
    }
  }

  watch(lease: string, listener: PushListener): () => void {
    const listeners = this.#listeners.get(lease) ?? new Set()
    this.#listeners.set(lease, listeners.add(listener))
    return () => void listeners.delete(listener)
  }
}

/**
 * The memories of this thread by name: a `memory:` URL means the same one wherever it is opened.
 * They stand at the global object, because a second copy of this package, as of another version or
 * after a hot reload, has modules of its own. The number is that of what copies expect of a memory.
 */
const memoriesKey: unique symbol = Symbol.for('tenure.memories.1')

const holder = globalThis as { [memoriesKey]?: Map<string, Memory> }

function memoriesOfThread(): Map<string, Memory> {
  return (holder[memoriesKey] ??= new Map())
}

/** The memory of a `memory:NAME` URL. */
export function sharedMemory(name: string): Memory {
  const memories = memoriesOfThread()
  let memory = memories.get(name)
  if (memory === undefined) memories.set(name, (memory = new Memory(createSystemClock())))
  return memory
}

/** Lets `memory:NAME` URLs mean this memory: for a memory with a clock of its own. */
export function provideMemory(name: string, memory: Memory): void {
  memoriesOfThread().set(name, memory)
}

/** Leases in the memory of one thread: for tests, and for a service of one instance. */
export class MemoryLeaseStore implements LeaseStore {
  readonly ttlMsMin = 1_000
  readonly #memory: Memory
  #unwatch = new Set<() => void>()
  #closed = false

  constructor(memory: Memory) {
    this.#memory = memory
  }

  async tryAcquire(request: AcquireRequest, signal: AbortSignal): Promise<AcquireReply> {
    return this.#table(signal).acquire(request)
  }

  async tryRenew(request: RenewRequest, signal: AbortSignal): Promise<RenewReply> {
    return this.#table(signal).renew(request)
  }

  async tryRelease(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseReply> {
    const reply = this.#table(signal).release(request)
    if (reply.kind === 'released') this.#memory.push(request.lease)
    return reply
  }

  async tryRequestResign(
    lease: string,
    request: ResignRequest,
    signal: AbortSignal,
  ): Promise<ResignRequestReply> {
    const reply = this.#table(signal).requestResign(lease, request)
    if (reply.kind === 'requested') this.#memory.push(lease)
    return reply
  }

  async tryRaiseToken(lease: string, token: number, signal: AbortSignal): Promise<RaiseTokenReply> {
    const reply = this.#table(signal).raiseToken(lease, token)
    if (reply.kind === 'raised') this.#memory.push(lease)
    return reply
  }

  async read(lease: string, signal: AbortSignal): Promise<LeaseReading> {
    return this.#table(signal).read(lease)
  }

  async tryNoteEnd(lease: string, ended: EndedTerm, signal: AbortSignal): Promise<void> {
    this.#table(signal).noteEnd(lease, ended)
  }

  watch(lease: string, listener: PushListener): () => void {
    listener.works()
    const unwatch = this.#memory.watch(lease, listener)
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

  #table(signal: AbortSignal): LeaseTable {
    this.#memory.check(signal, this.#closed)
    return this.#memory.table
  }
}
