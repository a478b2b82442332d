import { storedError } from '../ledger-checks.ts'
import {
  ledgerBatchMax,
  prunedRowsMax,
  type AbandonReply,
  type AbandonRequest,
  type ClaimOutcome,
  type ClaimReply,
  type ClaimRequest,
  type EndOutcome,
  type JobRegistration,
  type LedgerAuthor,
  type LedgerJob,
  type LedgerReading,
  type LedgerRun,
  type LedgerSkip,
  type PruneReply,
  type PruneRequest,
  type ReadJobsRequest,
  type ReadRunsRequest,
  type RecordReply,
  type RecordRequest,
  type RegisterReply,
  type RegisterRequest,
  type RunClaim,
  type RunEnd,
  type RunKey,
  type RunTrigger,
  type SetPausedRequest,
  type SkipOutcome,
  type Superseded,
  type TickSkip,
} from '../ledger-store.ts'
import { ScheduleTable } from './schedule-table.ts'

type Mutable<Row> = { -readonly [Key in keyof Row]: Row[Key] }

interface RunRow extends Mutable<LedgerRun> {
  readonly rerun: boolean
}

interface JobRow extends Mutable<LedgerJob> {
  /** The term that registered it last. */
  token: number
}

/** The ledger of one lease. */
interface Book {
  readonly jobs: Map<string, JobRow>
  /** By job, and then by {@link keyOf}. */
  readonly runs: Map<string, Map<string, RunRow>>
  /** By job, and then by their first tick. */
  readonly skips: Map<string, Map<number, LedgerSkip>>
}

/** What a run is found by: a tick's attempt has one run; those by hand are told apart by id. */
function keyOf({ tickMs, attempt, runId, trigger }: RunKey & { trigger: RunTrigger }): string {
  return `${tickMs}/${attempt}/${trigger === 'tick' ? '' : runId}`
}

/** The inner map of a job, made where it is missing. */
function within<Key, Value>(outer: Map<string, Map<Key, Value>>, jobId: string): Map<Key, Value> {
  const inner = outer.get(jobId) ?? new Map<Key, Value>()
  outer.set(jobId, inner)
  return inner
}

const byId = (a: LedgerJob, b: LedgerJob): number =>
  a.jobId < b.jobId ? -1 : a.jobId > b.jobId ? 1 : 0
const byStart = (a: LedgerRun, b: LedgerRun): number =>
  a.startedAtMs - b.startedAtMs || byTick(a, b)
const byTick = (a: RunKey, b: RunKey): number => a.tickMs - b.tickMs || a.attempt - b.attempt
const byLastTick = (a: TickSkip, b: TickSkip): number => a.untilTickMs - b.untilTickMs

/**
 * Ledgers as tables in memory: what a ledger does in one atomic step, each as one synchronous
 * method. `MemoryLedgerStore` puts the interface before it.
 */
export class LedgerTable {
  readonly #tokenOf: (lease: string) => number
  readonly #books = new Map<string, Book>()
  readonly schedules: ScheduleTable = new ScheduleTable()

  /** `tokenOf` tells the last token that was granted for a lease. */
  constructor(tokenOf: (lease: string) => number) {
    this.#tokenOf = tokenOf
  }

  register(request: RegisterRequest): RegisterReply {
    const superseded = this.supersededBy(request)
    if (superseded) return superseded
    const { jobs } = this.#bookOf(request.lease)
    const registered = request.jobs.map((registration) => {
      const row = this.registerJob(jobs.get(registration.jobId), registration)
      row.token = request.token
      jobs.set(row.jobId, row)
      return jobOf(row)
    })
    return { kind: 'answered', jobs: registered }
  }

  claim(request: ClaimRequest): ClaimReply {
    const superseded = this.supersededBy(request)
    if (superseded) return superseded
    const outcomes = request.claims.map((claim) => this.claimRun(request, claim))
    return { kind: 'answered', outcomes }
  }

  record(request: RecordRequest): RecordReply {
    const superseded = this.supersededBy(request)
    if (superseded) return superseded
    return {
      kind: 'answered',
      ends: request.ends.map((end) => this.endRun(request, end)),
      skips: request.skips.map((skip) => this.skipTicks(request, skip)),
    }
  }

  abandon(request: AbandonRequest): AbandonReply {
    const superseded = this.supersededBy(request)
    if (superseded) return superseded
    const { lease, token, atMs } = request
    const runs = this.#runsOf(lease).toSorted(byStart)
    for (const run of runs) {
      if (run.outcome !== 'running' || run.token === token) continue
      run.outcome = 'abandoned'
      run.finishedAtMs = atMs
      run.abandonedBy = token
      run.retryAtMs = run.rerun ? atMs : undefined
    }
    return {
      kind: 'answered',
      abandoned: runs.filter(({ abandonedBy }) => abandonedBy === token).map(runOf),
      owed: runs.filter(({ retryAtMs }) => retryAtMs !== undefined).map(runOf),
    }
  }

  prune(request: PruneRequest): PruneReply {
    const superseded = this.supersededBy(request)
    if (superseded) return superseded
    const { lease, token, afterJobId, nowMs, forgetAgeMs } = request
    this.schedules.forget(lease, request.followedRevision)
    const book = this.#bookOf(lease)
    let removed = this.#pruneByAge(book, request)
    let last = afterJobId
    const page = this.readJobs({ lease, afterJobId, limit: ledgerBatchMax })
    for (const { jobId, cursorMs } of page) {
      if (removed >= prunedRowsMax) {
        return { kind: 'answered', removed, next: { afterJobId: last } }
      }
      removed += this.#pruneByCount(book, jobId, request, prunedRowsMax - removed)
      if (removed >= prunedRowsMax) continue
      const runs = [...(book.runs.get(jobId)?.values() ?? [])]
      const isForgotten =
        book.jobs.get(jobId)?.token !== token &&
        cursorMs < nowMs - forgetAgeMs &&
        runs.every(({ outcome }) => outcome !== 'running')
      if (isForgotten) book.jobs.delete(jobId)
      last = jobId
    }
    const isWhole = removed < prunedRowsMax && page.length < ledgerBatchMax
    return { kind: 'answered', removed, next: isWhole ? undefined : { afterJobId: last } }
  }

  setPaused({ lease, jobIds, paused }: SetPausedRequest): readonly string[] {
    const { jobs } = this.#bookOf(lease)
    return jobIds.filter((jobId) => {
      const job = jobs.get(jobId)
      if (job !== undefined) job.paused = paused
      return job !== undefined
    })
  }

  readJobs({ lease, afterJobId, limit }: ReadJobsRequest): readonly LedgerJob[] {
    return [...this.#bookOf(lease).jobs.values()]
      .filter(({ jobId }) => afterJobId === undefined || jobId > afterJobId)
      .toSorted(byId)
      .slice(0, limit)
      .map(jobOf)
  }

  readRuns({ lease, jobId, limit }: ReadRunsRequest): LedgerReading {
    const isAsked = (row: { jobId: string }): boolean => jobId === undefined || row.jobId === jobId
    const skips = [...this.#bookOf(lease).skips.values()].flatMap((ofJob) => [...ofJob.values()])
    return {
      runs: this.#runsOf(lease)
        .filter(isAsked)
        .toSorted((a, b) => byStart(b, a))
        .slice(0, limit)
        .map(runOf),
      skips: skips
        .filter(isAsked)
        .toSorted((a, b) => byLastTick(b, a))
        .slice(0, limit),
    }
  }

  /** The refusal of whoever is not the last to whom the lease was granted. */
  supersededBy({ lease, token }: LedgerAuthor): Superseded | undefined {
    const granted = this.#tokenOf(lease)
    return granted === token ? undefined : { kind: 'superseded', token: granted }
  }

  /** The job as it stands after its registration. */
  registerJob(row: JobRow | undefined, registration: JobRegistration): JobRow {
    if (row?.schedule === registration.schedule) return row
    return { ...registration, runs: 0, paused: row?.paused ?? false, token: 0 }
  }

  claimRun({ lease, token }: LedgerAuthor, claim: RunClaim): ClaimOutcome {
    const book = this.#bookOf(lease)
    const { jobId, tickMs, attempt, runId, trigger, follows, ...rest } = claim
    const runs = within(book.runs, jobId)
    const known = runs.get(keyOf(claim))
    if (known !== undefined) {
      const isOurs = known.runId === runId && known.token === token
      return isOurs ? { kind: 'claimed' } : { kind: 'taken', by: known.runId }
    }
    const job = book.jobs.get(jobId)
    if (job === undefined) return { kind: 'unregistered' }
    if (trigger === 'tick' && attempt === 1) {
      if (tickMs <= job.cursorMs) return { kind: 'taken', by: undefined }
      job.cursorMs = tickMs
      job.runs++
    }
    if (follows !== undefined) {
      const attemptBefore = { tickMs, attempt: attempt - 1, runId: follows, jobId, trigger }
      const followed = runs.get(keyOf(attemptBefore))
      if (followed?.runId === follows) followed.retryAtMs = undefined
    }
    runs.set(keyOf(claim), {
      ...rest,
      jobId,
      tickMs,
      attempt,
      runId,
      trigger,
      token,
      outcome: 'running',
      finishedAtMs: undefined,
      error: undefined,
      abandonedBy: undefined,
      retryAtMs: undefined,
    })
    return { kind: 'claimed' }
  }

  endRun({ lease }: LedgerAuthor, end: RunEnd): EndOutcome {
    const run = this.#bookOf(lease).runs.get(end.jobId)?.get(keyOf(end))
    if (run?.runId !== end.runId) return { kind: 'unknown' }
    if (run.outcome !== 'running') {
      const isSame = run.outcome === end.outcome && run.finishedAtMs === end.finishedAtMs
      return isSame ? { kind: 'recorded' } : { kind: 'stands', outcome: run.outcome }
    }
    run.outcome = end.outcome
    run.finishedAtMs = end.finishedAtMs
    run.error = storedError(end.error)
    run.retryAtMs = end.retryAtMs
    return { kind: 'recorded' }
  }

  skipTicks({ lease, token }: LedgerAuthor, skip: TickSkip): SkipOutcome {
    const book = this.#bookOf(lease)
    const { jobId, tickMs, untilTickMs, count, reason } = skip
    const job = book.jobs.get(jobId)
    if (job === undefined) return { kind: 'unregistered' }
    const skips = within(book.skips, jobId)
    const known = skips.get(tickMs)
    if (known !== undefined || tickMs <= job.cursorMs) {
      const isOurs =
        known?.untilTickMs === untilTickMs &&
        known.count === count &&
        known.reason === reason &&
        known.token === token
      return { kind: isOurs ? 'recorded' : 'taken' }
    }
    skips.set(tickMs, { jobId, tickMs, untilTickMs, count, reason, token })
    job.cursorMs = untilTickMs
    return { kind: 'recorded' }
  }

  /** Whether a run may leave the history at all. */
  isPrunable({ outcome, abandonedBy }: LedgerRun, token: number): boolean {
    return outcome !== 'running' && abandonedBy !== token
  }

  #pruneByAge({ runs, skips }: Book, { token, nowMs, keepAgeMs }: PruneRequest): number {
    let removed = 0
    for (const ofJob of runs.values()) {
      for (const [key, run] of ofJob) {
        if (run.startedAtMs >= nowMs - keepAgeMs || removed === prunedRowsMax) continue
        if (this.isPrunable(run, token) && ofJob.delete(key)) removed++
      }
    }
    for (const ofJob of skips.values()) {
      for (const [key, skip] of ofJob) {
        if (skip.untilTickMs >= nowMs - keepAgeMs || removed === prunedRowsMax) continue
        if (ofJob.delete(key)) removed++
      }
    }
    return removed
  }

  #pruneByCount(
    book: Book,
    jobId: string,
    { token, keepRuns }: PruneRequest,
    rowsMax: number,
  ): number {
    const runs = within(book.runs, jobId)
    const skips = within(book.skips, jobId)
    const oldRuns = [...runs.values()]
      .toSorted((a, b) => byTick(b, a))
      .slice(keepRuns)
      .filter((run) => this.isPrunable(run, token) && run.retryAtMs === undefined)
      .slice(0, rowsMax)
    const oldSkips = [...skips.values()]
      .toSorted((a, b) => byLastTick(b, a))
      .slice(keepRuns)
      .slice(0, rowsMax - oldRuns.length)
    for (const run of oldRuns) runs.delete(keyOf(run))
    for (const { tickMs } of oldSkips) skips.delete(tickMs)
    return oldRuns.length + oldSkips.length
  }

  #runsOf(lease: string): RunRow[] {
    return [...this.#bookOf(lease).runs.values()].flatMap((ofJob) => [...ofJob.values()])
  }

  #bookOf(lease: string): Book {
    const book = this.#books.get(lease) ?? { jobs: new Map(), runs: new Map(), skips: new Map() }
    this.#books.set(lease, book)
    return book
  }
}

function jobOf({ token: _, ...job }: JobRow): LedgerJob {
  return job
}

function runOf({ rerun: _, ...run }: RunRow): LedgerRun {
  return run
}
