import type {
  AbandonReply,
  AbandonRequest,
  ClaimReply,
  ClaimRequest,
  LedgerAuthor,
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
  Superseded,
} from '../ledger-store.ts'
import type {
  ReadSchedulesReply,
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'
import * as checks from './checks.ts'
import type { LedgerEngine, Steps } from './engine.ts'
import * as calls from './calls.ts'

/** The ledger over an engine: what is asked is checked, and carried out by the rules. */
export class Ledger implements LedgerStore {
  readonly #engine: LedgerEngine

  constructor(engine: LedgerEngine) {
    this.#engine = engine
  }

  async tryRegister(request: RegisterRequest, signal: AbortSignal): Promise<RegisterReply> {
    checks.checkRegistrations(request)
    return this.#asTerm(request, () => calls.register(request), signal)
  }

  async tryClaim(request: ClaimRequest, signal: AbortSignal): Promise<ClaimReply> {
    checks.checkClaims(request)
    return this.#asTerm(request, () => calls.claim(request), signal)
  }

  async tryRecord(request: RecordRequest, signal: AbortSignal): Promise<RecordReply> {
    checks.checkRecords(request)
    return this.#asTerm(request, () => calls.record(request), signal)
  }

  async tryAbandon(request: AbandonRequest, signal: AbortSignal): Promise<AbandonReply> {
    return this.#asTerm(request, () => calls.abandon(request), signal)
  }

  async tryPrune(request: PruneRequest, signal: AbortSignal): Promise<PruneReply> {
    return this.#asTerm(request, () => calls.prune(request), signal)
  }

  async trySetPaused(request: SetPausedRequest, signal: AbortSignal): Promise<readonly string[]> {
    checks.checkBatch(request.jobIds.length, 'jobs')
    const kind = request.registers ? 'create' : 'change'
    return this.#asAnybody(kind, request, () => calls.setPaused(request), signal)
  }

  async tryStoreSchedule(
    request: StoreScheduleRequest,
    signal: AbortSignal,
  ): Promise<StoreScheduleReply> {
    checks.checkStored(request)
    return this.#asAnybody('create', request, () => calls.storeSchedule(request), signal)
  }

  async tryRemoveSchedule(
    request: RemoveScheduleRequest,
    signal: AbortSignal,
  ): Promise<RemoveScheduleReply> {
    return this.#asAnybody('change', request, () => calls.removeSchedule(request), signal)
  }

  async readSchedules(
    request: ReadSchedulesRequest,
    signal: AbortSignal,
  ): Promise<ReadSchedulesReply> {
    checks.checkChanges(request)
    return this.#asAnybody('look', request, () => calls.readSchedules(request), signal)
  }

  async readJobs(request: ReadJobsRequest, signal: AbortSignal): Promise<readonly LedgerJob[]> {
    checks.checkBatch(request.limit, 'jobs')
    return this.#asAnybody('look', request, () => calls.readJobs(request), signal)
  }

  async readRuns(request: ReadRunsRequest, signal: AbortSignal): Promise<LedgerReading> {
    checks.checkBatch(request.limit, 'runs')
    return this.#asAnybody('look', request, () => calls.readRuns(request), signal)
  }

  close(): Promise<void> {
    return this.#engine.close()
  }

  #asTerm<Reply>(
    { lease, token }: LedgerAuthor,
    steps: () => Steps<Reply>,
    signal: AbortSignal,
  ): Promise<Reply | Superseded> {
    return this.#engine.run({ lease, token, kind: 'change', steps }, signal)
  }

  /** What needs no term, and so is never superseded. */
  #asAnybody<Reply>(
    kind: 'look' | 'change' | 'create',
    { lease }: { readonly lease: string },
    steps: () => Steps<Reply>,
    signal: AbortSignal,
  ): Promise<Reply> {
    return this.#engine.run({ lease, token: undefined, kind, steps }, signal) as Promise<Reply>
  }
}
