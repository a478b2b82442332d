import { setLongTimer, type Timer } from '../clock.ts'
import { newCorrelationId } from '../correlation.ts'
import { defectsTo, detached } from '../invariant.ts'
import { invariant } from '../invariant.ts'
import type { LedgerRun, RunEnd } from '../store/ledger-store.ts'
import { notBegunError, runningError } from './job-errors.ts'
import { isRerun, retryDelayMs } from './job-options.ts'
import type { Job } from './job.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import {
  attemptOf,
  claimOf,
  endOf,
  endOfUnbegun,
  firstAttempt,
  nextAttempt,
  skippedTickOf,
  tickSkipOf,
  type Attempt,
  type RunRecord,
  type SkippedTicks,
  type SkipRecord,
} from './run.ts'
import type { Runner, RunnerDeps, RunningTerm } from './runner.ts'
import { isSameSchedule } from './schedule.ts'
import type { Skips } from './skips.ts'
import type { Slots } from './slots.ts'

type SkipReason = SkipRecord['reason']

/** An attempt that is made after a delay. */
interface PendingRetry {
  readonly attempt: Attempt
  /** On the monotonic clock. */
  readonly atMs: number
  readonly timer: Timer
}

/** What waits of a job. */
interface Waiting {
  readonly retries: Set<PendingRetry>
  /** The tick that waits for a free slot: at most one does. */
  queued: Attempt | undefined
  /** Ticks after that one that are skipped: the ledger records a job's ticks in their order. */
  readonly skipped: SkippedTicks[]
}

/** What the dispatcher of a term depends on. */
export interface DispatcherDeps extends Pick<RunnerDeps, 'clock' | 'log'> {
  readonly term: RunningTerm
  /** The jobs as they are now. */
  readonly jobs: ReadonlyMap<string, Job>
  readonly slots: Slots
  readonly runner: Runner
  readonly skips: Skips
  /** Where the ticks of a job are claimed and recorded; `undefined` if they are not. */
  readonly ledgerOf: (job: Job) => LedgerWriter | undefined
}

/**
 * Takes the ticks that are due in one term, and decides by `overlap` and `retry` when each is run;
 * drawn in README.md. A tick keeps its slot from its first attempt to the end of its last, so that
 * attempts of two ticks do not mix. Each attempt of a job in the ledger is claimed there before it
 * runs, and its end is recorded.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps
  readonly #waiting = new Map<string, Waiting>()
  #isOver = false

  constructor(deps: DispatcherDeps) {
    this.#deps = deps
  }

  /** No run starts from here on, and nothing waits for that. What runs is left to its drain. */
  end(): void {
    this.#isOver = true
    for (const jobId of this.#deps.slots.jobIds) this.drop(jobId, 'term-ended')
  }

  /** Gives up what waits of a job: a queued tick, and retries. */
  drop(jobId: string, reason: SkipReason): void {
    const waiting = this.#waiting.get(jobId)
    if (waiting === undefined) return
    this.#waiting.delete(jobId)
    const { queued, retries, skipped } = waiting
    if (queued !== undefined) this.#skip(queued, reason)
    skipped.length = 0
    for (const { timer, attempt } of retries) {
      timer.cancel()
      this.#skip(attempt, reason)
      this.#deps.slots.release(jobId)
    }
  }

  /** When a tick of the job is tried again, by the wall clock. */
  retryAtMs(jobId: string): number | undefined {
    const { clock } = this.#deps
    const retries = Array.from(this.#waiting.get(jobId)?.retries ?? [], ({ atMs }) => atMs)
    if (retries.length === 0) return undefined
    return Math.round(clock.wallMs() + Math.min(...retries) - clock.monotonicMs())
  }

  // ---- ticks ----

  /** Runs a tick that is due while the term leads, or has it wait, or skips it. */
  due(job: Job, scheduledForMs: number): void {
    const { slots } = this.#deps
    const tick = firstAttempt(job.id, 'tick', scheduledForMs, newCorrelationId())
    if (slots.isFree(job)) {
      slots.take(job.id)
      return this.#attempt(job, tick)
    }
    if (!job.queues) return this.#skip(tick, whyFull(job))
    const waiting = this.#waitingOf(job.id)
    const { queued } = waiting
    // Of two that wait the latest is as good as both.
    if (queued !== undefined) this.#skip(queued, 'queue')
    waiting.queued = tick
    this.#recordSkipped(waiting, job)
  }

  /** Skips ticks that were missed. */
  miss(job: Job, missed: SkippedTicks): void {
    this.#deps.skips.add({ jobId: job.id, reason: 'overdue', ...missed, attempt: 1 })
    const waiting = this.#waiting.get(job.id)
    if (waiting?.queued === undefined) this.#recordMissed(job, missed)
    else waiting.skipped.push(missed)
  }

  /** Tries again what earlier terms have left to be tried again. */
  retry(runs: readonly LedgerRun[]): void {
    const { clock, jobs, slots } = this.#deps
    for (const run of runs) {
      const job = jobs.get(run.jobId)
      if (this.#isOver || job === undefined || run.retryAtMs === undefined) continue
      const attempt = nextAttempt(attemptOf(run))
      // Another's wall clock said when: however far ahead that was, the wait has a bound.
      const longestMs = run.outcome === 'abandoned' ? 0 : job.retry.backoffMaxMs
      const leftMs = run.retryAtMs - clock.wallMs()
      const delayMs = Math.max(0, Math.min(leftMs, longestMs))
      if (slots.isFree(job)) {
        slots.take(job.id)
        this.#retryIn(delayMs, attempt)
      } else this.#tellSkip(attempt, whyFull(job))
    }
  }

  /**
   * Runs a job now, once; resolves when the run has ended, or is lost.
   *
   * @throws TenureError `TENURE_ERR_JOB_RUNNING`, `TENURE_ERR_NOT_LEADER`
   */
  async runNow(job: Job, data: unknown, correlationId: string): Promise<RunRecord> {
    const { clock, slots } = this.#deps
    if (!slots.isFree(job)) throw runningError(job)
    const scheduledForMs = Math.round(clock.wallMs())
    slots.take(job.id)
    const attempt = firstAttempt(job.id, 'manual', scheduledForMs, correlationId)
    const run = await this.#start(job, attempt, data)
    if (run === undefined) throw notBegunError(job.id)
    return run
  }

  /** A slot of a job is free: runs the tick that waits for it. Whether one waited. */
  startQueued(jobId: string): boolean {
    const { jobs, slots } = this.#deps
    const waiting = this.#waiting.get(jobId)
    if (waiting?.queued === undefined) return false
    const { queued } = waiting
    const job = jobs.get(jobId)
    if (job !== undefined && slots.isFree(job)) {
      waiting.queued = undefined
      slots.take(jobId)
      this.#attemptLate(queued)
      this.#recordSkipped(waiting, job)
      this.#tidy(jobId)
    }
    return true
  }

  // ---- runs ----

  /** Here the run of a tick begins, which has its slot: each of its attempts. */
  #attempt(job: Job, attempt: Attempt): void {
    // Before it is claimed: another tick may be due meanwhile.
    if (attempt.attempt === 1) job.runs++
    detached(this.#start(job, attempt, job.data), defectsTo(this.#deps.log))
  }

  /** Runs a tick that has waited, and has its slot, if it still may run. */
  #attemptLate(attempt: Attempt): void {
    const { jobs, slots, term } = this.#deps
    const { jobId } = attempt
    const job = jobs.get(jobId)
    invariant(job !== undefined, 'what waits of a job goes with it')
    const { paused } = job
    // The job may have been replaced by one with fewer slots since this one was taken.
    const fits = slots.takenOf(jobId) <= job.slots
    if (term.leads && !paused && fits) return this.#attempt(job, attempt)
    this.#skip(attempt, paused ? 'paused' : fits ? 'term-ended' : whyFull(job))
    slots.release(jobId)
  }

  /** Starts a run that has its slot, once it is claimed; `undefined` if it may not start. */
  async #start(job: Job, attempt: Attempt, data: unknown): Promise<RunRecord | undefined> {
    const { term, ledgerOf } = this.#deps
    const ledger = ledgerOf(job)
    if (ledger === undefined) return this.#run(job, attempt, data, undefined)
    const { promise: decided, resolve: decide } = Promise.withResolvers<void>()
    // The lease is not released while a claim may still be written.
    term.work.add({ name: job.id, abort() {} }, decided)
    let run: Promise<RunRecord> | undefined
    try {
      const refusal = await this.#claim(job, attempt, ledger)
      run = this.#claimed(job, attempt, data, ledger, refusal)
    } finally {
      decide()
    }
    return run
  }

  /** Claims a run; the reason why it may not start, or `undefined`. */
  async #claim(job: Job, attempt: Attempt, ledger: LedgerWriter): Promise<SkipReason | undefined> {
    const nowMs = this.#deps.clock.wallMs()
    const outcome = await ledger.claim(claimOf(attempt, isRerun(job, attempt), nowMs))
    if (outcome === undefined) return 'term-ended'
    return outcome.kind === 'claimed' ? undefined : outcome.kind
  }

  /** A run was claimed, or was not for a reason. Starts it, if it still may. */
  #claimed(
    job: Job,
    attempt: Attempt,
    data: unknown,
    ledger: LedgerWriter,
    refusal: SkipReason | undefined,
  ): Promise<RunRecord> | undefined {
    const { clock, jobs, slots } = this.#deps
    const { trigger } = attempt
    // Its job may have been scheduled again meanwhile, or removed.
    const now = jobs.get(job.id)
    const why = this.#whyNot(job, now) ?? refusal
    if (why === undefined) {
      invariant(now !== undefined, 'a job that may run is there')
      return this.#run(now, attempt, trigger === 'tick' ? now.data : data, ledger)
    }
    this.#tellSkip(attempt, why)
    if (refusal === undefined) {
      this.#recordEnd(ledger, endOfUnbegun(attempt, why, clock.wallMs()))
    }
    // The ledger has not counted it either.
    else if (why === refusal && trigger === 'tick' && attempt.attempt === 1 && now) now.runs--
    slots.release(job.id)
    return undefined
  }

  #whyNot(job: Job, now: Job | undefined): SkipReason | undefined {
    if (this.#isOver || !this.#deps.term.leads) return 'term-ended'
    if (now === undefined) return 'removed'
    return isSameSchedule(now, job) ? undefined : 'replaced'
  }

  #run(
    job: Job,
    attempt: Attempt,
    data: unknown,
    ledger: LedgerWriter | undefined,
  ): Promise<RunRecord> {
    const { runner, term } = this.#deps
    return runner.start(job, term, attempt, data, (run) => this.#ended(ledger, run))
  }

  /** Here a run ends, whatever its outcome: its tick is tried again, or its slot is free. */
  #ended(ledger: LedgerWriter | undefined, run: RunRecord): void {
    const { clock, jobs, slots, term } = this.#deps
    const job = jobs.get(run.jobId)
    const delayMs = job && retryDelayMs(run, job.retry)
    if (ledger !== undefined) this.#recordEnd(ledger, endOf(run, delayMs, clock.wallMs()))
    if (delayMs === undefined || this.#isOver || !term.leads) return slots.release(run.jobId)
    this.#retryIn(delayMs, nextAttempt(run))
  }

  /** Makes an attempt after a delay; it has its slot. */
  #retryIn(delayMs: number, attempt: Attempt): void {
    const { clock, log, term } = this.#deps
    const { jobId, correlationId } = attempt
    const { retries } = this.#waitingOf(jobId)
    const retry: PendingRetry = {
      attempt,
      atMs: clock.monotonicMs() + delayMs,
      timer: setLongTimer(clock, delayMs, () => {
        retries.delete(retry)
        this.#tidy(jobId)
        this.#attemptLate(attempt)
      }),
    }
    retries.add(retry)
    const token = term.fencingToken
    log('run_retry', { jobId, correlationId, token, attempt: attempt.attempt, retryMs: delayMs })
  }

  // ---- what waits ----

  #waitingOf(jobId: string): Waiting {
    let waiting = this.#waiting.get(jobId)
    if (waiting === undefined) {
      waiting = { retries: new Set(), queued: undefined, skipped: [] }
      this.#waiting.set(jobId, waiting)
    }
    return waiting
  }

  #tidy(jobId: string): void {
    const waiting = this.#waiting.get(jobId)
    if (waiting?.queued === undefined && waiting?.retries.size === 0) this.#waiting.delete(jobId)
  }

  // ---- what is recorded ----

  #recordEnd(ledger: LedgerWriter, end: RunEnd): void {
    // The lease is not released before it is known how its runs have ended.
    this.#deps.term.work.add({ name: 'the ledger', abort() {} }, ledger.recordEnd(end))
  }

  #recordMissed(job: Job, missed: SkippedTicks): void {
    void this.#deps.ledgerOf(job)?.recordSkip(tickSkipOf(job.id, missed, 'overdue'))
  }

  #recordSkipped(waiting: Waiting, job: Job): void {
    for (const missed of waiting.skipped.splice(0)) this.#recordMissed(job, missed)
  }

  /** Here a tick ends that was not run. What a term leaves the next one decides about. */
  #skip(attempt: Attempt, reason: SkipReason): void {
    this.#tellSkip(attempt, reason)
    const job = this.#deps.jobs.get(attempt.jobId)
    if (attempt.attempt > 1 || job === undefined || !isFinal(reason)) return
    const skip = tickSkipOf(job.id, skippedTickOf(attempt), reason)
    void this.#deps.ledgerOf(job)?.recordSkip(skip)
  }

  #tellSkip(attempt: Attempt, reason: SkipReason): void {
    const { jobId, attempt: number } = attempt
    this.#deps.skips.add({ jobId, reason, ...skippedTickOf(attempt), attempt: number })
  }
}

/** Why a tick has no free slot. */
function whyFull({ slots }: Job): 'overlap' | 'limit' {
  return slots > 1 ? 'limit' : 'overlap'
}

/** Whether a tick that waited, or had no free slot, is skipped for good, whoever leads next. */
function isFinal(reason: SkipReason): reason is 'overlap' | 'queue' | 'limit' | 'paused' {
  return ['overlap', 'queue', 'limit', 'paused'].includes(reason)
}
