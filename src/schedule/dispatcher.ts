import { setLongTimer, type Timer } from '../clock.ts'
import { newCorrelationId } from '../correlation.ts'
import { TenureError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { Job, RunRecord } from './job.ts'
import { retryDelayMs } from './retry.ts'
import type { HowRun, Runner, RunnerParts, RunningTerm } from './runner.ts'

/**
 * Why a tick, or the retry of one, was not run:
 *
 * - `late`: later ticks were due as well when it was looked at
 * - `overlap`: no place was free, and it was not, or no longer, its turn to wait for one
 * - `paused`, `removed`, `replaced`: that is what its job was while it waited
 * - `term-ended`: its term leads no more
 */
export type SkipReason = 'late' | 'overlap' | 'paused' | 'removed' | 'replaced' | 'term-ended'

/** A tick that is due, up to the end of its last attempt. */
export interface Tick {
  readonly jobId: string
  readonly scheduledForMs: number
  /** Common to all its attempts. */
  readonly correlationId: string
}

/** A tick that is tried again after a delay. */
interface WaitingRetry {
  readonly tick: Tick
  readonly attempt: number
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
}

/** What a dispatcher asks the scheduler, and tells it. */
export interface DispatcherParts extends RunnerParts {
  readonly jobOf: (id: string) => Job | undefined
  readonly isPaused: (job: Job) => boolean
  /** Nothing of a job goes on any more. */
  readonly onIdle: (id: string) => void
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
 */
export class Dispatcher {
  readonly #parts: DispatcherParts
  readonly #runner: Runner
  readonly #lanes = new Map<string, Lane>()
  #term: RunningTerm | undefined

  constructor(parts: DispatcherParts, runner: Runner) {
    this.#parts = parts
    this.#runner = runner
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
    if (this.#hasPlace(job)) return this.#attempt(this.#take(job.id), job, term, tick, 1)
    const lane = this.#laneOf(job.id)
    // Of two that wait the latest is as good as both.
    const other = job.queues ? lane.queued : tick
    if (job.queues) lane.queued = tick
    if (other !== undefined) this.#skip(other, 'overlap')
  }

  /**
   * Runs a job now, once; resolves when the run has ended, or is lost.
   *
   * @throws TenureError `TENURE_ERR_JOB_RUNNING`
   */
  runNow(job: Job, term: RunningTerm, data: unknown, correlationId: string): Promise<RunRecord> {
    if (!this.#hasPlace(job)) {
      throw new TenureError(
        'TENURE_ERR_JOB_RUNNING',
        `Expected that the job ${JSON.stringify(job.id)} has fewer than ${job.places} runs going ` +
          'on or to be tried again; it has that many. See `overlap`.',
      )
    }
    const scheduledForMs = this.#parts.clock.wallMs()
    return this.#run(this.#take(job.id), job, term, {
      trigger: 'manual',
      scheduledForMs,
      attempt: 1,
      data,
      correlationId,
    })
  }

  /** Here the run of a tick begins, which has its place: each of its attempts. */
  #attempt(lane: Lane, job: Job, term: RunningTerm, tick: Tick, attempt: number): void {
    const { scheduledForMs, correlationId } = tick
    const how = { trigger: 'tick', scheduledForMs, attempt, data: job.data, correlationId } as const
    void this.#run(lane, job, term, how)
  }

  /** Runs a tick that has waited, and has its place, if it still may run. */
  #attemptLate(lane: Lane, tick: Tick, attempt: number): void {
    const { jobOf, isPaused } = this.#parts
    const job = jobOf(tick.jobId)
    invariant(job !== undefined, 'what waits of a job goes with it')
    const term = this.#term
    const paused = isPaused(job)
    // The job may have been replaced by one with fewer places since this one was taken.
    const fits = lane.taken <= job.places
    if (term?.leads && !paused && fits) return this.#attempt(lane, job, term, tick, attempt)
    this.#skip(tick, paused ? 'paused' : fits ? 'term-ended' : 'overlap', attempt)
    this.#leave(tick.jobId, lane)
  }

  #run(lane: Lane, job: Job, term: RunningTerm, how: HowRun): Promise<RunRecord> {
    return this.#runner.start(job, term, how, (run) => this.#ended(lane, run))
  }

  /** Here a run ends, whatever its outcome: its tick is tried again, or its place is free. */
  #ended(lane: Lane, run: RunRecord): void {
    const { clock, log, jobOf } = this.#parts
    const { jobId, correlationId, fencingToken: token, scheduledForMs } = run
    const job = jobOf(jobId)
    const delayMs = job && retryDelayMs(run, job.retry)
    const term = this.#term
    if (delayMs === undefined || term?.fencingToken !== token || !term.leads) {
      return this.#leave(jobId, lane)
    }
    const attempt = run.attempt + 1
    const retry: WaitingRetry = {
      tick: { jobId, scheduledForMs, correlationId },
      attempt,
      atMs: clock.monotonicMs() + delayMs,
      timer: setLongTimer(clock, delayMs, () => {
        lane.retries.delete(retry)
        this.#attemptLate(lane, retry.tick, attempt)
      }),
    }
    lane.retries.add(retry)
    log('run_retry', { jobId, correlationId, token, attempt, retryMs: delayMs })
  }

  /** Gives a place back, and has the tick that waits for one run. */
  #leave(jobId: string, lane: Lane): void {
    const { jobOf, onIdle } = this.#parts
    lane.taken--
    const job = jobOf(jobId)
    const { queued } = lane
    if (queued !== undefined && job !== undefined && this.#hasPlace(job)) {
      lane.queued = undefined
      return this.#attemptLate(this.#take(jobId), queued, 1)
    }
    if (lane.taken > 0 || queued !== undefined) return
    this.#lanes.delete(jobId)
    onIdle(jobId)
  }

  // ---- places ----

  #laneOf(jobId: string): Lane {
    let lane = this.#lanes.get(jobId)
    if (lane === undefined) {
      this.#lanes.set(jobId, (lane = { taken: 0, retries: new Set(), queued: undefined }))
    }
    return lane
  }

  #take(jobId: string): Lane {
    const lane = this.#laneOf(jobId)
    lane.taken++
    return lane
  }

  #hasPlace({ id, places }: Job): boolean {
    return (this.#lanes.get(id)?.taken ?? 0) < places
  }

  /** Here a tick ends that was not run. */
  #skip({ jobId, scheduledForMs }: Tick, reason: SkipReason, attempt = 1): void {
    const scheduledFor = new Date(scheduledForMs).toISOString()
    this.#parts.log('run_skipped', { jobId, reason, scheduledFor, attempt })
  }
}
