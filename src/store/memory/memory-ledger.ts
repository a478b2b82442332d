import {
  checkBatch,
  checkChanges,
  checkClaims,
  checkRecords,
  checkRegistrations,
  checkStored,
} from '../ledger-checks.ts'
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
  ReadJobsRequest,
  ReadRunsRequest,
  RecordReply,
  RecordRequest,
  RegisterReply,
  RegisterRequest,
  SetPausedRequest,
} from '../ledger-store.ts'
import type {
  ReadSchedulesReply,
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'
import type { LedgerTable } from './ledger-table.ts'
import type { Memory } from './memory-store.ts'

/** The ledger in the memory of one thread: for tests, and for a service of one instance. */
export class MemoryLedgerStore implements LedgerStore {
  readonly #memory: Memory
  #closed = false

  constructor(memory: Memory) {
    this.#memory = memory
  }

  async tryRegister(request: RegisterRequest, signal: AbortSignal): Promise<RegisterReply> {
    checkRegistrations(request)
    return this.#table(signal).register(request)
  }

  async tryClaim(request: ClaimRequest, signal: AbortSignal): Promise<ClaimReply> {
    checkClaims(request)
    return this.#table(signal).claim(request)
  }

  async tryRecord(request: RecordRequest, signal: AbortSignal): Promise<RecordReply> {
    checkRecords(request)
    return this.#table(signal).record(request)
  }

  async tryAbandon(request: AbandonRequest, signal: AbortSignal): Promise<AbandonReply> {
    return this.#table(signal).abandon(request)
  }

  async tryPrune(request: PruneRequest, signal: AbortSignal): Promise<PruneReply> {
    return this.#table(signal).prune(request)
  }

  async trySetPaused(request: SetPausedRequest, signal: AbortSignal): Promise<readonly string[]> {
    checkBatch(request.jobIds.length, 'jobs')
    return this.#table(signal).setPaused(request)
  }

  async tryStoreSchedule(
    request: StoreScheduleRequest,
    signal: AbortSignal,
  ): Promise<StoreScheduleReply> {
    checkStored(request)
    return this.#table(signal).schedules.store(request)
  }

  async tryRemoveSchedule(
    request: RemoveScheduleRequest,
    signal: AbortSignal,
  ): Promise<RemoveScheduleReply> {
    return this.#table(signal).schedules.remove(request)
  }

  async readSchedules(
    request: ReadSchedulesRequest,
    signal: AbortSignal,
  ): Promise<ReadSchedulesReply> {
    checkChanges(request)
    return { kind: 'answered', changes: this.#table(signal).schedules.read(request) }
  }

  async readJobs(request: ReadJobsRequest, signal: AbortSignal): Promise<readonly LedgerJob[]> {
    checkBatch(request.limit, 'jobs')
    return this.#table(signal).readJobs(request)
  }

  async readRuns(request: ReadRunsRequest, signal: AbortSignal): Promise<LedgerReading> {
    checkBatch(request.limit, 'runs')
    return this.#table(signal).readRuns(request)
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #table(signal: AbortSignal): LedgerTable {
    this.#memory.check(signal, this.#closed)
    return this.#memory.ledger
  }
}
