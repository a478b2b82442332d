import { setLongTimer, type Timer } from '../clock.ts'
import { defectsTo, detached, invariant } from '../invariant.ts'
import { newCorrelationId } from '../correlation.ts'
import { TenureError } from '../errors.ts'
import type { LedgerRun, RunEnd, TickSkip } from '../store/ledger-store.ts'
import type { Bookkeeper } from './bookkeeper.ts'
import type { Job, RunRecord, SkipRecord } from './job.ts'
import { retryDelayMs } from './retry.ts'
import { claimOf, endOf, endOfUnbegun } from './run-records.ts'
import type { HowRun, Runner, RunnerParts, RunningTerm } from './runner.ts'
import { Skips } from './skips.ts'

type SkipReason = SkipRecord['reason']

/** A tick that is due, up to the end of its last attempt. */
export interface Tick {
  readonly jobId: string
  readonly scheduledForMs: number
  /** Common to all its attempts. */
  readonly correlationId: string
}

/** Ticks that are skipped, by the wall clock: one, or all from one to another. */
export type MissedTicks = Pick<TickSkip, 'tickMs' | 'untilTickMs' | 'count'>

/** A tick that is tried again after a delay. */
interface WaitingRetry {
  readonly tick: Tick
  readonly attempt: number
  /** The run whose next attempt this is. */
  readonly follows: string
  readonly atMs: number
  readonly timer: Timer
}

/** What goes on of a job, also of one that was replaced or removed meanwhile. */
interface Lane {
  /** How many runs, and ticks between two attempts, have a place. */
  taken: number
  readonly retries: Set<WaitingRetry>
  /** The tick that waits for a place: at most one does. */
  queued: Tick | undefined
  /** Ticks after that one that are skipped: what the ledger is told of a job has their order. */
  readonly held: MissedTicks[]
}

/** What a dispatcher asks the scheduler, and tells it. */
export interface DispatcherParts extends RunnerParts {
  readonly jobOf: (id: string) => Job | undefined
  readonly isPaused: (job: Job) => boolean
  /** The books that a job stands in, in the term that leads; `undefined` for one without them. */
  readonly booksOf: (job: Job) => Bookkeeper | undefined
  /** A job has a place again. With `idle`, nothing of it goes on any more. */
  readonly onFree: (id: string, idle: boolean) => void
}

/**
 * Takes the ticks that are due, and decides by `overlap` and `retry` when each is run. A tick keeps
 * its place from its first attempt to the end of its last, so that attempts of two ticks do not
 * mix.
 *
 * ```
 *              ┌── a place is free ──────────────► running ── ended ──► place is free
 *   tick due ──┼── `queue` ──► queued ─ free ────►    │ ▲                    │
 *              └── else ─────► skipped        failed  ▼ │ after the backoff  ▼
 *                                                 waiting to be tried    the queued one runs
 * ```
 *
 * Each attempt of a job that stands in the ledger is claimed there before it runs, and its end is
 * recorded.
 */
export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #runner: Runner
  readonly #lanes = new Map<string, Lane>()
  #term: RunningTerm | undefined
  readonly #skips: Skips

  constructor(parts: DispatcherParts, runner: Runner) {
    this.#parts = parts
    this.#runner = runner
    this.#skips = new Skips(parts)
  }

  /** The last ticks that were not run, the newest first. */
  get recentSkips(): readonly SkipRecord[] {
    return this.#skips.recent
  }

  // ---- terms and jobs ----

  /** Runs may start from here on, as long as the term leads. */
  begin(term: RunningTerm): void {
    this.#term = term
  }

  /** No run starts from here on, and nothing waits for that. What runs is left to its drain. */
  end(): void {
    this.#term = undefined
    for (const id of Array.from(this.#lanes.keys())) this.drop(id, 'term-ended')
  }

  /** Gives up what waits of a job: a queued tick, and retries. */
  drop(jobId: string, reason: SkipReason): void {
    const lane = this.#lanes.get(jobId)
    if (lane === undefined) return
    const { queued } = lane
    lane.queued = undefined
    if (queued !== undefined) this.#skip(queued, reason)
    lane.held.length = 0
    for (const retry of Array.from(lane.retries)) {
      retry.timer.cancel()
      lane.retries.delete(retry)
      this.#skip(retry.tick, reason, retry.attempt)
      this.#leave(jobId, lane)
    }
  }

  /** Whether a run of the job goes on, or something of it waits. */
  isBusy(jobId: string): boolean {
    return this.#lanes.has(jobId)
  }

  /** When a tick of the job is tried again, by the wall clock. */
  retryAtMs(jobId: string): number | undefined {
    const { clock } = this.#parts
    const retries = Array.from(this.#lanes.get(jobId)?.retries ?? [], ({ atMs }) => atMs)
    if (retries.length === 0) return undefined
    return Math.round(clock.wallMs() + Math.min(...retries) - clock.monotonicMs())
  }

  // ---- ticks and runs ----

  /** Runs a tick that is due in a term that leads, or has it wait, or skips it. */
  due(job: Job, term: RunningTerm, scheduledForMs: number): void {
    const tick: Tick = { jobId: job.id, scheduledForMs, correlationId: newCorrelationId() }
    if (this.hasPlace(job)) return this.#attempt(this.#take(job.id), job, term, tick, 1)
    const lane = this.#laneOf(job.id)
    // Of two that wait the latest is as good as both.
    const other = job.queues ? lane.queued : tick
    if (other !== undefined) this.#skip(other, job.queues ? 'queue' : whyFull(job))
    if (!job.queues) return
    lane.queued = tick
    this.#recordHeld(lane, job)
  }

  /** Skips ticks that were missed. */
  miss(job: Job, missed: MissedTicks): void {
    const { tickMs: scheduledForMs, untilTickMs: untilMs, count } = missed
    this.#skips.tell({
      jobId: job.id,
      reason: 'overdue',
      scheduledForMs,
      untilMs,
      count,
      attempt: 1,
    })
    const lane = this.#lanes.get(job.id)
    if (lane?.queued === undefined) this.#recordMissed(job, missed)
    else lane.held.push(missed)
  }

  /** Tries again what earlier terms have left to be tried again. */
  owe(runs: readonly LedgerRun[]): void {
    const term = this.#term
    for (const run of runs) {
      const job = this.#parts.jobOf(run.jobId)
      if (term === undefined || job === undefined || run.retryAtMs === undefined) continue
      const { jobId, tickMs: scheduledForMs, correlationId } = run
      const tick: Tick = { jobId, scheduledForMs, correlationId }
      // Another's wall clock said when: however far ahead that was, the wait has a bound.
      const longestMs = run.outcome === 'abandoned' ? 0 : job.retry.backoffMaxMs
      const leftMs = run.retryAtMs - this.#parts.clock.wallMs()
      const delayMs = Math.max(0, Math.min(leftMs, longestMs))
      if (this.hasPlace(job)) this.#retry(this.#take(jobId), tick, run, delayMs)
      else this.#tellSkip(tick, whyFull(job), run.attempt + 1)
    }
  }

  /**
   * Runs a job now, once; resolves when the run has ended, or is lost.
   *
   * @throws TenureError `TENURE_ERR_JOB_RUNNING`
   */
  async runNow(
    job: Job,
    term: RunningTerm,
    data: unknown,
    correlationId: string,
  ): Promise<RunRecord> {
    if (!this.hasPlace(job)) {
      throw new TenureError(
        'TENURE_ERR_JOB_RUNNING',
        `Expected that the job ${JSON.stringify(job.id)} has fewer than ${job.places} runs going ` +
          'on or to be tried again; it has that many. See `overlap`.',
      )
    }
    const scheduledForMs = Math.round(this.#parts.clock.wallMs())
    const how = { trigger: 'manual', scheduledForMs, attempt: 1, data, correlationId } as const
    const runId = newCorrelationId()
    const run = await this.#start(this.#take(job.id), job, term, { ...how, runId }, undefined)
    if (run !== undefined) return run
    throw new TenureError(
      'TENURE_ERR_NOT_LEADER',
      `Expected to lead until the run of ${JSON.stringify(job.id)} had begun; the term ended, or ` +
        'the job was removed.',
    )
  }

  /** Here the run of a tick begins, which has its place: each of its attempts. */
  #attempt(
    lane: Lane,
    job: Job,
    term: RunningTerm,
    tick: Tick,
    attempt: number,
    follows?: string,
  ): void {
    const { scheduledForMs, correlationId } = tick
    const how = { trigger: 'tick', scheduledForMs, attempt, data: job.data, correlationId } as const
    // Before it is claimed: another tick may be due meanwhile.
    if (attempt === 1) job.runs++
    const started = this.#start(lane, job, term, { ...how, runId: newCorrelationId() }, follows)
    detached(started, defectsTo(this.#parts.log))
  }

  /** Starts a run that has its place, once it is claimed; `undefined` if it may not start. */
  async #start(
    lane: Lane,
    job: Job,
    term: RunningTerm,
    how: HowRun,
    follows: string | undefined,
  ): Promise<RunRecord | undefined> {
    const books = this.#parts.booksOf(job)
    if (books === undefined) return this.#run(lane, job, term, how, undefined)
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    // The lease is not released while a claim may still be written.
    term.work.add({ name: job.id, abort() {} }, begun)
    let run: Promise<RunRecord> | undefined
    try {
      const reason = await this.#claim(books, job, how, follows)
      run = this.#claimed(lane, job, term, how, books, reason)
    } finally {
      begin()
    }
    return run
  }

  /** A run was claimed, or was not for a reason. Starts it, if it still may. */
  #claimed(
    lane: Lane,
    job: Job,
    term: RunningTerm,
    how: HowRun,
    books: Bookkeeper,
    reason: SkipReason | undefined,
  ): Promise<RunRecord> | undefined {
    // Its job may have been scheduled again meanwhile, or removed.
    const now = this.#parts.jobOf(job.id)
    const why = this.#whyNot(job, now, term) ?? reason
    if (why === undefined) {
      invariant(now !== undefined, 'a job that may run is there')
      const data = how.trigger === 'tick' ? now.data : how.data
      return this.#run(lane, now, term, { ...how, data }, books)
    }
    const { scheduledForMs, correlationId, attempt, trigger } = how
    this.#tellSkip({ jobId: job.id, scheduledForMs, correlationId }, why, attempt)
    if (reason === undefined) {
      this.#recordEnd(books, term, endOfUnbegun(job, how, why, this.#parts.clock.wallMs()))
    }
    // The ledger has not counted it either.
    else if (why === reason && trigger === 'tick' && attempt === 1 && now) now.runs--
    this.#leave(job.id, lane)
    return undefined
  }

  /** Claims a run; the reason why it may not start, or `undefined`. */
  async #claim(
    books: Bookkeeper,
    job: Job,
    how: HowRun,
    follows: string | undefined,
  ): Promise<SkipReason | undefined> {
    const outcome = await books.claim(claimOf(job, how, follows, this.#parts.clock.wallMs()))
    if (outcome === undefined) return 'term-ended'
    return outcome.kind === 'claimed' ? undefined : outcome.kind
  }

  #whyNot(job: Job, now: Job | undefined, term: RunningTerm): SkipReason | undefined {
    if (this.#term !== term || !term.leads) return 'term-ended'
    if (now === undefined) return 'removed'
    return now.description === job.description ? undefined : 'replaced'
  }

  /** Runs a tick that has waited, and has its place, if it still may run. */
  #attemptLate(lane: Lane, tick: Tick, attempt: number, follows?: string): void {
    const { jobOf, isPaused } = this.#parts
    const job = jobOf(tick.jobId)
    invariant(job !== undefined, 'what waits of a job goes with it')
    const term = this.#term
    const paused = isPaused(job)
    // The job may have been replaced by one with fewer places since this one was taken.
    const fits = lane.taken <= job.places
    if (term?.leads && !paused && fits) {
      return this.#attempt(lane, job, term, tick, attempt, follows)
    }
    this.#skip(tick, paused ? 'paused' : fits ? 'term-ended' : whyFull(job), attempt)
    this.#leave(tick.jobId, lane)
  }

  #run(
    lane: Lane,
    job: Job,
    term: RunningTerm,
    how: HowRun,
    books: Bookkeeper | undefined,
  ): Promise<RunRecord> {
    return this.#runner.start(job, term, how, (run) => this.#ended(lane, term, books, run))
  }

  /** Here a run ends, whatever its outcome: its tick is tried again, or its place is free. */
  #ended(lane: Lane, begunIn: RunningTerm, books: Bookkeeper | undefined, run: RunRecord): void {
    const { jobOf } = this.#parts
    const { jobId, correlationId, fencingToken: token, scheduledForMs } = run
    const job = jobOf(jobId)
    const delayMs = job && retryDelayMs(run, job.retry)
    if (books !== undefined) {
      this.#recordEnd(books, begunIn, endOf(run, delayMs, this.#parts.clock.wallMs()))
    }
    const term = this.#term
    if (delayMs === undefined || term?.fencingToken !== token || !term.leads) {
      return this.#leave(jobId, lane)
    }
    const tick: Tick = { jobId, scheduledForMs, correlationId }
    this.#retry(lane, tick, { attempt: run.attempt, runId: run.id }, delayMs)
  }

  /** Tries a tick again after a delay; it has its place. */
  #retry(
    lane: Lane,
    tick: Tick,
    last: { readonly attempt: number; readonly runId: string },
    delayMs: number,
  ): void {
    const { clock, log } = this.#parts
    const { jobId, correlationId } = tick
    const attempt = last.attempt + 1
    const retry: WaitingRetry = {
      tick,
      attempt,
      follows: last.runId,
      atMs: clock.monotonicMs() + delayMs,
      timer: setLongTimer(clock, delayMs, () => {
        lane.retries.delete(retry)
        this.#attemptLate(lane, tick, attempt, retry.follows)
      }),
    }
    lane.retries.add(retry)
    const token = this.#term?.fencingToken
    log('run_retry', { jobId, correlationId, token, attempt, retryMs: delayMs })
  }

  /** Gives a place back, and has the tick that waits for one run. */
  #leave(jobId: string, lane: Lane): void {
    const { jobOf, onFree } = this.#parts
    lane.taken--
    const job = jobOf(jobId)
    const { queued } = lane
    if (queued !== undefined && job !== undefined && this.hasPlace(job)) {
      lane.queued = undefined
      this.#attemptLate(this.#take(jobId), queued, 1)
      return this.#recordHeld(lane, job)
    }
    if (queued !== undefined) return
    const idle = lane.taken === 0
    if (idle) this.#lanes.delete(jobId)
    onFree(jobId, idle)
  }

  // ---- the ledger ----

  #recordEnd(books: Bookkeeper, term: RunningTerm, end: RunEnd): void {
    // The lease is not released before it is known how its runs have ended.
    term.work.add({ name: 'the ledger', abort() {} }, books.ended(end))
  }

  #recordMissed(job: Job, missed: MissedTicks): void {
    void this.#parts.booksOf(job)?.skipped({ jobId: job.id, ...missed, reason: 'overdue' })
  }

  #recordHeld(lane: Lane, job: Job): void {
    for (const missed of lane.held.splice(0)) this.#recordMissed(job, missed)
  }

  // ---- places ----

  #laneOf(jobId: string): Lane {
    let lane = this.#lanes.get(jobId)
    if (lane === undefined) {
      lane = { taken: 0, retries: new Set(), queued: undefined, held: [] }
      this.#lanes.set(jobId, lane)
    }
    return lane
  }

  #take(jobId: string): Lane {
    const lane = this.#laneOf(jobId)
    lane.taken++
    return lane
  }

  hasPlace({ id, places }: Job): boolean {
    return (this.#lanes.get(id)?.taken ?? 0) < places
  }

  /** Here a tick ends that was not run. Of what a term leaves the next one decides. */
  #skip(tick: Tick, reason: SkipReason, attempt = 1): void {
    this.#tellSkip(tick, reason, attempt)
    const { jobId, scheduledForMs: tickMs } = tick
    const job = this.#parts.jobOf(jobId)
    if (attempt > 1 || job === undefined) return
    if (!isFinal(reason)) return
    void this.#parts.booksOf(job)?.skipped({ jobId, tickMs, untilTickMs: tickMs, count: 1, reason })
  }

  #tellSkip({ jobId, scheduledForMs }: Tick, reason: SkipReason, attempt: number): void {
    const untilMs = scheduledForMs
    this.#skips.tell({ jobId, reason, scheduledForMs, untilMs, count: 1, attempt })
  }
}

/** Why a tick has no place. */
function whyFull({ places }: Job): 'overlap' | 'limit' {
  return places > 1 ? 'limit' : 'overlap'
}

/** Whether a tick that waited, or had no place, is skipped for good, whoever leads next. */
function isFinal(reason: SkipReason): reason is 'overlap' | 'queue' | 'limit' | 'paused' {
  return ['overlap', 'queue', 'limit', 'paused'].includes(reason)
}
