import type { LedgerCall, LedgerReply } from '../../src/store/ledger/verbs.ts'
import type {
  AbandonReply,
  AbandonRequest,
  ClaimReply,
  ClaimRequest,
  LedgerJob,
  LedgerReading,
  LedgerStore,
  PruneReply,
  PruneRequest,
  RecordReply,
  RecordRequest,
  RegisterReply,
  RegisterRequest,
} from '../../src/store/ledger-store.ts'
import type {
  ReadSchedulesReply,
  RemoveScheduleReply,
  StoreScheduleReply,
} from '../../src/store/stored-schedule.ts'
import type { History, LedgerCallMade } from './history.ts'
import type { StoreClientParts } from './store-client.ts'

/** What a term writes. */
type TermCall = Exclude<LedgerCall, { verb: 'readSchedules' }>

/** A ledger as a heart sees it: its end of a connection that has nothing to do with the lease's. */
export class LedgerClient implements LedgerStore {
  readonly #parts: Omit<StoreClientParts, 'machine' | 'renewing'>
  #closed = false

  constructor(parts: Omit<StoreClientParts, 'machine' | 'renewing'>) {
    this.#parts = parts
  }

  tryRegister(request: RegisterRequest, signal: AbortSignal): Promise<RegisterReply> {
    return this.#call<RegisterReply>({ verb: 'register', request }, signal)
  }

  tryClaim(request: ClaimRequest, signal: AbortSignal): Promise<ClaimReply> {
    return this.#call<ClaimReply>({ verb: 'claim', request }, signal)
  }

  tryRecord(request: RecordRequest, signal: AbortSignal): Promise<RecordReply> {
    return this.#call<RecordReply>({ verb: 'record', request }, signal)
  }

  tryAbandon(request: AbandonRequest, signal: AbortSignal): Promise<AbandonReply> {
    return this.#call<AbandonReply>({ verb: 'abandon', request }, signal)
  }

  tryPrune(request: PruneRequest, signal: AbortSignal): Promise<PruneReply> {
    return this.#call<PruneReply>({ verb: 'prune', request }, signal)
  }

  trySetPaused(): Promise<readonly string[]> {
    throw new Error('in a simulation, nobody pauses a job')
  }

  tryStoreSchedule(): Promise<StoreScheduleReply> {
    throw new Error('in a simulation, nobody stores a job')
  }

  tryRemoveSchedule(): Promise<RemoveScheduleReply> {
    throw new Error('in a simulation, nobody stores a job')
  }

  /** Nobody stores a job, or pauses one. */
  async readSchedules(): Promise<ReadSchedulesReply> {
    return { kind: 'answered', changes: [] }
  }

  readJobs(): Promise<readonly LedgerJob[]> {
    throw new Error('in a simulation, the ledger is read from outside')
  }

  readRuns(): Promise<LedgerReading> {
    throw new Error('in a simulation, the ledger is read from outside')
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  async #call<Reply extends LedgerReply>(call: TermCall, signal: AbortSignal): Promise<Reply> {
    const { server, link, thread } = this.#parts
    signal.throwIfAborted()
    if (this.#closed) throw new Error('the ledger was closed')
    const made = this.#note(call)
    // What is sent is as it was then, whatever its sender does with it afterwards.
    const sent = structuredClone(call)
    const { promise, resolve, reject } = Promise.withResolvers<Reply>()
    const settle = (how: NonNullable<LedgerCallMade['how']>, act: () => void): void => {
      if (made.how !== undefined) return
      made.how = how
      made.settledAtMs = this.#history.nowMs
      act()
    }
    const failed = (): void =>
      thread.receive(() => settle('failed', () => reject(new Error('connection lost'))))
    const answered = (reply: LedgerReply): void =>
      thread.receive(() => settle('replied', () => resolve(structuredClone(reply) as Reply)))
    const abort = (): void => settle('aborted', () => reject(signal.reason))
    signal.addEventListener('abort', abort, { once: true })
    link.send(
      'requests',
      () =>
        server.receiveLedger(
          sent,
          (reply) => link.send('replies', () => answered(reply), failed),
          () => link.send('replies', failed, failed),
        ),
      failed,
    )
    return promise
  }

  get #history(): History {
    return this.#parts.history
  }

  #note({ verb, request: { token } }: TermCall): LedgerCallMade {
    const { who, heart } = this.#parts
    return this.#history.add<LedgerCallMade>(who, {
      kind: 'ledger-call',
      verb,
      heart,
      token,
      settledAtMs: undefined,
      how: undefined,
    })
  }
}
