import type {
  ReadSchedulesReply,
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  StoreScheduleReply,
  StoreScheduleRequest,
} from './stored-schedule.ts'

/** The longest list that one call of a ledger takes, and the longest page that it gives. */
export const ledgerBatchMax = 500

/** How much of a run's error the ledger keeps, in characters. */
export const runErrorLengthMax = 2_000

/** How many rows of the history one call of `tryPrune` removes, so that it holds nobody up. */
export const prunedRowsMax = 2_000

/** Who writes: the term of a lease. */
export interface LedgerAuthor {
  readonly lease: string
  /** The fencing token of the term. */
  readonly token: number
}

/**
 * The answer to every writing call whose token is not the last one that was granted for its lease:
 * nothing at all was done. `token` is the last one granted, 0 if none ever was.
 */
export interface Superseded {
  readonly kind: 'superseded'
  readonly token: number
}

/** What started a run: a tick of its schedule, or somebody by hand. */
export type RunTrigger = 'tick' | 'manual'

/** What identifies one execution of a job. */
export interface RunKey {
  readonly jobId: string
  /** The tick; of a run by hand, when it was asked for. All attempts of a run share it. */
  readonly tickMs: number
  /** Counted from 1. */
  readonly attempt: number
  /** Made anew for each attempt, and kept over the retries of one claim. */
  readonly runId: string
}

/** The wish to start a run. */
export interface RunClaim extends RunKey {
  readonly trigger: RunTrigger
  readonly correlationId: string
  readonly startedAtMs: number
  /** Whether another attempt is owed if the leader is lost during this one. */
  readonly rerun: boolean
  /** The run whose next attempt this is; `undefined` for the first one. It is owed no more. */
  readonly follows: string | undefined
}

/** At most {@link ledgerBatchMax} claims; the ticks of one job stand in ascending order. */
export interface ClaimRequest extends LedgerAuthor {
  readonly claims: readonly RunClaim[]
}

/**
 * - `claimed`: the run may start. Also the answer to the same claim again, after a lost reply.
 * - `taken`: it must not: the tick (with this attempt) is accounted for. `by` is the run that has
 *   it, `undefined` if it was skipped or its record has been pruned.
 * - `unregistered`: it must not: the ledger does not know the job.
 */
export type ClaimOutcome =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'taken'; readonly by: string | undefined }
  | { readonly kind: 'unregistered' }

/** One outcome for each claim, in order; or nothing was done. */
export type ClaimReply =
  | { readonly kind: 'answered'; readonly outcomes: readonly ClaimOutcome[] }
  | Superseded

/** How a run ended, as the leader that ran it saw it; `lost`: it did not end within its grace. */
export type RunEndOutcome = 'succeeded' | 'failed' | 'timed-out' | 'aborted' | 'lost'

/** How a run stands in the ledger; `abandoned`: its leader was lost, and nobody knows. */
export type LedgerRunOutcome = 'running' | RunEndOutcome | 'abandoned'

/** The end of a run. */
export interface RunEnd extends RunKey {
  readonly trigger: RunTrigger
  readonly outcome: RunEndOutcome
  readonly finishedAtMs: number
  /** Kept up to {@link runErrorLengthMax} characters. */
  readonly error: string | undefined
  /** When its next attempt is due, if there is to be one: it is owed until it is claimed. */
  readonly retryAtMs: number | undefined
}

/**
 * Why a tick was skipped:
 *
 * - `overlap`: the last run went on
 * - `queue`: a later tick waited in its stead
 * - `limit`: as many runs went on as may
 * - `overdue`: it came too late, by the job's `overdue` and `grace`
 * - `paused`: the job was paused
 */
export type SkipReason = 'overlap' | 'queue' | 'limit' | 'overdue' | 'paused'

/** Ticks that were skipped: one, or all from one to another, in one record. */
export interface TickSkip {
  readonly jobId: string
  /** The first tick of them. */
  readonly tickMs: number
  /** The last tick of them; the same one if it is one only. */
  readonly untilTickMs: number
  /** How many ticks these are. */
  readonly count: number
  readonly reason: SkipReason
}

/** At most {@link ledgerBatchMax} of each; the skips of one job stand in ascending order. */
export interface RecordRequest extends LedgerAuthor {
  readonly ends: readonly RunEnd[]
  readonly skips: readonly TickSkip[]
}

/**
 * - `recorded`: also for the same end again, after a lost reply.
 * - `stands`: nothing was changed: the ledger says already how the run ended.
 * - `unknown`: no such run was claimed, or its record has been pruned.
 */
export type EndOutcome =
  | { readonly kind: 'recorded' }
  | { readonly kind: 'stands'; readonly outcome: LedgerRunOutcome }
  | { readonly kind: 'unknown' }

/**
 * - `recorded`: also for the same skip again, after a lost reply.
 * - `taken`: nothing was changed: a tick of it is accounted for already.
 * - `unregistered`: nothing was changed: the ledger does not know the job.
 */
export interface SkipOutcome {
  readonly kind: 'recorded' | 'taken' | 'unregistered'
}

/** One outcome for each end and each skip, in order; or nothing was done. */
export type RecordReply =
  | {
      readonly kind: 'answered'
      readonly ends: readonly EndOutcome[]
      readonly skips: readonly SkipOutcome[]
    }
  | Superseded

/** A run as it stands in the ledger. */
export interface LedgerRun extends RunKey {
  readonly trigger: RunTrigger
  /** The term that claimed it. */
  readonly token: number
  readonly correlationId: string
  readonly startedAtMs: number
  readonly outcome: LedgerRunOutcome
  /** `undefined` while it runs; of an abandoned run, when that was found out. */
  readonly finishedAtMs: number | undefined
  readonly error: string | undefined
  /** The token of the term that found it abandoned. */
  readonly abandonedBy: number | undefined
  /** When its next attempt is due that is owed; `undefined` if none is, or none any more. */
  readonly retryAtMs: number | undefined
}

/** Skipped ticks as they stand in the ledger. */
export interface LedgerSkip extends TickSkip {
  /** The term that skipped them. */
  readonly token: number
}

/** Sent by a new term, once no earlier one is trusted any more: after its acquisition. */
export interface AbandonRequest extends LedgerAuthor {
  /** The instant that is recorded as the end. */
  readonly atMs: number
}

/** What a new leader finds, oldest first; or nothing was done. */
export type AbandonReply =
  | {
      readonly kind: 'answered'
      /** The runs that this term has marked as abandoned: all of them, however often it asks. */
      readonly abandoned: readonly LedgerRun[]
      /**
       * The runs whose next attempt is owed: they failed and were to be tried again, or were
       * abandoned (by whichever term) and are to be run again. Their `retryAtMs` says when.
       */
      readonly owed: readonly LedgerRun[]
    }
  | Superseded

/** A job as its leader knows it. */
export interface JobRegistration {
  readonly jobId: string
  /** The schedule in words: two schedules with the same words are the same. */
  readonly schedule: string
  /** From where a fixed rate is counted, if the job is new or its schedule has changed. */
  readonly anchorMs: number
  /** No tick at or before it is due, if the job is new or its schedule has changed. */
  readonly cursorMs: number
}

/** At most {@link ledgerBatchMax} jobs, each once. */
export interface RegisterRequest extends LedgerAuthor {
  readonly jobs: readonly JobRegistration[]
}

/** A job as it stands in the ledger. */
export interface LedgerJob {
  readonly jobId: string
  readonly schedule: string
  readonly anchorMs: number
  /** Every tick at or before it is accounted for: it was claimed or skipped, or never was due. */
  readonly cursorMs: number
  /** How many ticks of this schedule have been claimed; neither retries nor runs by hand count. */
  readonly runs: number
  readonly paused: boolean
}

/** The jobs as they stand now, in order; or nothing was done. */
export type RegisterReply =
  | { readonly kind: 'answered'; readonly jobs: readonly LedgerJob[] }
  | Superseded

/** The wish to pause jobs, or to let them go on. It is anybody's, and so has no token. */
export interface SetPausedRequest {
  readonly lease: string
  /** At most {@link ledgerBatchMax}. */
  readonly jobIds: readonly string[]
  readonly paused: boolean
}

/** The bounds of the history. */
export interface PruneRequest extends LedgerAuthor {
  /** Of each job the newest runs, by their ticks, are kept, and as many skips. */
  readonly keepRuns: number
  /** No run that started, and no skipped tick, is kept for longer than this. */
  readonly keepAgeMs: number
  /** A job that this term has not registered is forgotten once its cursor is older than this. */
  readonly forgetAgeMs: number
  readonly nowMs: number
  /** Stored jobs that were removed, up to this revision, are forgotten: the term knows of them. */
  readonly followedRevision: number
  /** Where to go on, as the reply before this one has told; `undefined` to begin. */
  readonly afterJobId: string | undefined
}

/** What was removed, and where to go on; or nothing was done. */
export type PruneReply =
  | {
      readonly kind: 'answered'
      readonly removed: number
      /** `undefined` once everything has been looked at. */
      readonly next: { readonly afterJobId: string | undefined } | undefined
    }
  | Superseded

/** One page of jobs, in an order of the ledger's own that never changes. */
export interface ReadJobsRequest {
  readonly lease: string
  /** The last job of the page before; `undefined` for the first page. */
  readonly afterJobId: string | undefined
  /** At most {@link ledgerBatchMax}. */
  readonly limit: number
}

/** The newest of the history. */
export interface ReadRunsRequest {
  readonly lease: string
  /** Of one job only. */
  readonly jobId: string | undefined
  /** Of runs, and as many skips; at most {@link ledgerBatchMax}. */
  readonly limit: number
}

/** The newest runs by when they started, the newest skips by their last tick; newest first. */
export interface LedgerReading {
  readonly runs: readonly LedgerRun[]
  readonly skips: readonly LedgerSkip[]
}

/**
 * The ledger of a lease: which ticks are accounted for, and how. It lives in the same database as
 * the lease, on a connection of its own. The kit of `tenure/testing` holds every ledger to this.
 *
 * - Each `try...` is one attempt and one atomic step: all of it is done or nothing.
 * - Every one with a token compares it, in that step, with the counter of tokens of the lease, and
 *   does nothing unless it is the last one that was granted: of two that both believe to lead, one
 *   writes. No acquisition comes between the comparison and the writing, so that what a term has
 *   written is seen by the first call of the next. Whether the lease has expired does not matter.
 * - Expected outcomes are values. A fault rejects, and then the outcome is unknown: the same call
 *   again finds out. No repetition starts, counts or marks anything twice.
 * - When `signal` is aborted the call rejects at once, with the signal's reason; what it was to do
 *   is done as a whole, perhaps a little later, or not at all.
 * - **The cursor** of a job is the latest tick that is accounted for. Claims and skips move it
 *   forward and nothing moves it back, but another schedule. The first attempt at a tick at or
 *   before the cursor is `taken`, also when its record has been pruned. Further attempts and runs
 *   by hand are no ticks: the cursor neither refuses them nor is moved by them. So the ticks of a job
 *   are claimed and skipped in their order: while a tick waits for its turn, nothing is written of
 *   the later ones.
 * - All instants are milliseconds since 1970 of the caller, which the ledger only compares with one
 *   another.
 */
export interface LedgerStore {
  /**
   * Makes jobs known, or known again. A job with the same schedule keeps everything; with another
   * one it begins anew at the given anchor and cursor, its `runs` at 0. Whether it is paused is
   * kept in either case.
   */
  tryRegister(request: RegisterRequest, signal: AbortSignal): Promise<RegisterReply>
  /** Claims runs before they start. Only what is `claimed` may start. */
  tryClaim(request: ClaimRequest, signal: AbortSignal): Promise<ClaimReply>
  /**
   * Records how runs ended, and which ticks were skipped. An end is recorded of any run that has
   * none, also of an earlier term's; one that is recorded, or abandoned, is never changed.
   */
  tryRecord(request: RecordRequest, signal: AbortSignal): Promise<RecordReply>
  /** Marks all runs of other terms that have no end as abandoned, each exactly once. */
  tryAbandon(request: AbandonRequest, signal: AbortSignal): Promise<AbandonReply>
  /**
   * Keeps the history within bounds, a part with each call. What runs is kept, and what this term
   * has abandoned; an attempt that is owed is removed only by its age. No cursor is touched.
   */
  tryPrune(request: PruneRequest, signal: AbortSignal): Promise<PruneReply>
  /** Pauses jobs or lets them go on; returns the ids of those that the ledger knows. */
  trySetPaused(request: SetPausedRequest, signal: AbortSignal): Promise<readonly string[]>
  /** Stores a job, made while the application runs. */
  tryStoreSchedule(request: StoreScheduleRequest, signal: AbortSignal): Promise<StoreScheduleReply>
  /** Removes a stored job. */
  tryRemoveSchedule(
    request: RemoveScheduleRequest,
    signal: AbortSignal,
  ): Promise<RemoveScheduleReply>
  /** What has changed about the stored jobs. Changes nothing. */
  readSchedules(request: ReadSchedulesRequest, signal: AbortSignal): Promise<ReadSchedulesReply>
  /** A page of the jobs. Changes nothing. */
  readJobs(request: ReadJobsRequest, signal: AbortSignal): Promise<readonly LedgerJob[]>
  /** The newest of the history. Changes nothing. */
  readRuns(request: ReadRunsRequest, signal: AbortSignal): Promise<LedgerReading>
  /** Ends everything; idempotent. Later calls reject with `TENURE_ERR_STORE_CLOSED`. */
  close(): Promise<void>
}
