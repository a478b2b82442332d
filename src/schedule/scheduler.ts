import { checkName } from '../options/check.ts'
import { correlationId, newCorrelationId } from '../correlation.ts'
import { describeValue, TenureError } from '../errors.ts'
import {
  existsError,
  notLeaderError,
  reservedError,
  storedError,
  unknownError,
} from './job-errors.ts'
import { readJobOptions } from './job-options.ts'
import {
  clocksOf,
  countDelayFromNow,
  inherit,
  jobOf,
  standBy,
  type Job,
  type JobRecord,
  type NextTicks,
  type StoredJobSettings,
  type SystemJob,
} from './job.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import { checkHandler, type RunRecord, type SkipRecord } from './run.ts'
import { Runner, type RunningTerm } from './runner.ts'
import { isSameSchedule, readSchedule, ticksFrom, toWallMs } from './schedule.ts'
import { Skips } from './skips.ts'
import { Slots } from './slots.ts'
import { TermScheduler, type TermSchedulerDeps } from './term-scheduler.ts'

/** What a scheduler depends on. */
export interface SchedulerDeps extends Omit<
  TermSchedulerDeps,
  'term' | 'jobs' | 'ledger' | 'slots' | 'runner' | 'skips'
> {
  /** Where a term writes; `undefined` if there is no ledger. */
  readonly ledgerOf?: (term: RunningTerm) => LedgerWriter | undefined
  /** A job was added, has another schedule, or was removed: its schedule before, and now. */
  readonly onJob?: (id: string, before: string | undefined, now: string | undefined) => void
}

/** How many of the next ticks one may ask for. */
const nextTicksMax = 1_000

/**
 * The jobs of an instance, whether or not it leads. While it does, a {@link TermScheduler} has them
 * run when they are due.
 */
export class Scheduler {
  readonly #deps: SchedulerDeps
  readonly #runner: Runner
  readonly #skips: Skips
  readonly #slots = new Slots((id) => this.#slotFreed(id))
  readonly #jobs = new Map<string, Job>()
  readonly #systemJobs = new Map<string, SystemJob>()
  /** The term that leads. */
  #term: TermScheduler | undefined

  constructor(deps: SchedulerDeps) {
    this.#deps = deps
    this.#skips = new Skips(deps)
    this.#runner = new Runner(deps, (run, starts) => {
      const job = this.#jobs.get(run.jobId)
      if (job === undefined) return
      // If several run at once, an older one has more to report after a younger one has started.
      if (starts || job.lastRun === undefined || job.lastRun.id === run.id) job.lastRun = run
    })
  }

  /** The last runs, the newest first. */
  get recentRuns(): readonly RunRecord[] {
    return this.#runner.recent
  }

  /** The last ticks that were not run, the newest first. */
  get recentSkips(): readonly SkipRecord[] {
    return this.#skips.recent
  }

  // ---- terms ----

  /** Ticks are run from here on, as long as the term leads. */
  begin(term: RunningTerm): void {
    this.#term = new TermScheduler({
      ...this.#deps,
      term,
      jobs: this.#jobs,
      ledger: this.#deps.ledgerOf?.(term),
      slots: this.#slots,
      runner: this.#runner,
      skips: this.#skips,
    })
    this.#term.start()
  }

  /** No run starts from here on. What runs is left to its drain. */
  end(): void {
    const term = this.#term
    this.#term = undefined
    term?.end()
    for (const job of this.#jobs.values()) {
      standBy(job)
      // Another instance may change it before this one leads again.
      if (job.stored) this.#jobs.delete(job.id)
    }
  }

  /** A slot of a job is free. If all are, a fixed delay is counted from here. */
  #slotFreed(id: string): void {
    if (this.#term?.startQueued(id)) return
    const job = this.#jobs.get(id)
    if (job === undefined) return
    const idle = this.#slots.takenOf(id) === 0
    if (idle) countDelayFromNow(job, this.#deps.clock)
    this.#term?.slotFreed(job, idle)
  }

  // ---- jobs ----

  /** Adds a job, or does what `onConflict` says about the one with the same id. */
  schedule(id: unknown, schedule: unknown, handler: unknown, options: unknown): void {
    const { clock } = this.#deps
    const jobId = checkName(id, 'id', 'TENURE_ERR_JOB_ID')
    if (this.#systemJobs.has(jobId)) throw reservedError(jobId)
    const { timing, description } = readSchedule(schedule, clock.wallMs())
    const { settings, onConflict } = readJobOptions(options, timing)
    const call = checkHandler(handler)
    const previous = this.#jobs.get(jobId)
    if (previous?.stored === false && onConflict === 'keep') return
    if (previous?.stored === false && onConflict === 'error') throw existsError(jobId)
    const own = { ...settings, timing, description, handler: call, stored: false }
    this.#put([jobOf({ id: jobId, ...own, scheduledAtMs: clock.wallMs() }, clock)])
  }

  /** Adds jobs that are kept in the store, or puts them in the place of those that were. */
  putStored(jobs: readonly StoredJobSettings[]): void {
    const { clock } = this.#deps
    this.#put(jobs.map((job) => jobOf({ ...job, stored: true }, clock)))
  }

  /** A job is kept in the store no more. */
  removeStored(id: string): void {
    const job = this.#jobs.get(id)
    if (job?.stored) this.#forget(job)
  }

  /** Whether an id is taken here: by a job of the application's code, or of Tenure's own. */
  isOwn(id: string): boolean {
    return this.#systemJobs.has(id) || this.#jobs.get(id)?.stored === false
  }

  #put(jobs: readonly Job[]): void {
    const unregistered = jobs.filter((job) => this.#place(job))
    this.#term?.register(unregistered)
  }

  /**
   * Puts a job in the place of the previous one: see "Changing a job" in `docs/scheduling.md`.
   * Whether it must be registered in the ledger before it is due.
   */
  #place(job: Job): boolean {
    const previous = this.#jobs.get(job.id)
    const same = isSameSchedule(job, previous)
    if (previous !== undefined && !same) this.#term?.drop(job.id, 'replaced')
    this.#jobs.set(job.id, job)
    if (!same && !job.stored) {
      const before = previous?.stored === false ? previous.description : undefined
      this.#deps.onJob?.(job.id, before, job.description)
    }
    if (previous !== undefined) inherit(job, previous)
    return this.#term?.put(job, previous, same) ?? false
  }

  /** Registers a job of Tenure's own; one with the same id is replaced. */
  putSystem(job: SystemJob): void {
    this.#systemJobs.set(job.id, job)
  }

  remove(id: string): void {
    const job = this.#known(id)
    if (job.stored) throw storedError(id)
    this.#forget(job)
    this.#deps.onJob?.(id, job.description, undefined)
    // Scheduled again it is another job, which begins anew.
    const atMs = Math.round(this.#deps.clock.wallMs())
    const gone = { jobId: id, schedule: '(removed)', anchorMs: atMs, cursorMs: atMs }
    if (job.ledger) this.#term?.registerRemoved(gone)
  }

  #forget(job: Job): void {
    this.#term?.drop(job.id, 'removed')
    this.#term?.remove(job)
    this.#jobs.delete(job.id)
  }

  // ---- pausing ----

  /** Whether the ledger is to remember that a job is paused: all but those that do without it. */
  isPausedByLedger(id: string): boolean {
    const job = this.#jobs.get(id)
    return job === undefined ? !this.#systemJobs.has(id) : job.stored || job.ledger
  }

  /** What the ledger says about a job has changed. */
  follow(id: string, paused: boolean): void {
    const isKnown = this.#jobs.get(id)?.paused === !paused
    if (isKnown && this.isPausedByLedger(id)) this.setPaused(id, paused)
  }

  setPaused(id: string, paused: boolean): void {
    const job = this.#known(id)
    job.paused = paused
    if (paused) this.#term?.pause(job)
    else this.#term?.resume(job)
    this.#term?.setTimer()
  }

  // ---- runs by hand ----

  /** Runs a job now, whatever its schedule says; resolves with the run when it has ended. */
  async runNow(id: string, data: unknown): Promise<RunRecord> {
    const correlation = correlationId() ?? newCorrelationId()
    const system = this.#systemJobs.get(id)
    const job = system === undefined ? this.#known(id) : undefined
    const term = this.#term
    if (term === undefined || !term.leads) throw notLeaderError(id)
    if (system !== undefined) return system.fire(correlation)
    if (job === undefined) throw reservedError(id)
    return term.runNow(job, data, correlation)
  }

  // ---- looking things up ----

  records(): JobRecord[] {
    const system = [...this.#systemJobs.values()].map((job) => job.record())
    const own = [...this.#jobs.values()].map((job) => this.#recordOf(job))
    return [...system, ...own]
  }

  #recordOf(job: Job): JobRecord {
    const { state } = job
    const due = state.kind === 'waiting' ? state.next : undefined
    return {
      id: job.id,
      system: false,
      schedule: job.description,
      paused: job.paused,
      running: this.#runner.isRunning(job.id),
      lastRun: job.lastRun,
      nextTickAtMs: due && toWallMs(due.on, due.dueMs, clocksOf(job, this.#deps.clock)),
      retryAtMs: this.#term?.retryAtMs(job.id),
    }
  }

  /** The next ticks of a job from now on, whether or not this instance leads. */
  nextTicks(id: string, count: number): NextTicks {
    const job = this.#known(id)
    if (!Number.isSafeInteger(count) || count < 1 || count > nextTicksMax) {
      throw new TenureError(
        'TENURE_ERR_OPTION_TYPE',
        `Expected \`count\` to be a whole number from 1 to ${nextTicksMax}; got ` +
          `${describeValue(count)}.`,
      )
    }
    const { timing, maxRuns, runs } = job
    const countMax = maxRuns === undefined ? count : Math.max(0, maxRuns - runs)
    const atMs = ticksFrom(job, clocksOf(job, this.#deps.clock), Math.min(count, countMax))
    return { timeZone: timing.kind === 'cron' ? timing.timeZone : 'UTC', atMs }
  }

  #known(id: string): Job {
    if (this.#systemJobs.has(id)) throw reservedError(id)
    const job = this.#jobs.get(id)
    if (job === undefined) throw unknownError(id, this.#jobs.keys())
    return job
  }
}
