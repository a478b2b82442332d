import { checkName } from '../check.ts'
import type { Timer } from '../clock.ts'
import { correlationId, newCorrelationId } from '../correlation.ts'
import { describeValue, TenureError } from '../errors.ts'
import { Dispatcher } from './dispatcher.ts'
import { DueQueue } from './due-queue.ts'
import { readJobOptions } from './job-options.ts'
import {
  readSchedule,
  type Handler,
  type Job,
  type JobRecord,
  type NextTicks,
  type RunRecord,
} from './job.ts'
import { Runner, type RunnerParts, type RunningTerm } from './runner.ts'
import { delayOf, latestTick, nextTick, ticksFrom, toWallMs } from './timing.ts'

/** A job of Tenure's own that runs elsewhere, and is shown and fired like any other. */
export interface SystemJob {
  readonly id: string
  record(): JobRecord
  fire(correlationId: string): Promise<RunRecord>
}

/** How many of the next ticks one may ask for. */
const nextTicksMax = 1_000

/** The longest wait before the wall clock is looked at again: somebody may set it. */
const lookMsMax = 10_000

/**
 * Runs jobs when they are due, while its instance leads. One timer serves all jobs: those with an
 * interval wait on the monotonic clock, the others on the wall clock.
 */
export class Scheduler {
  readonly #parts: RunnerParts
  readonly #runner: Runner
  readonly #jobs = new Map<string, Job>()
  readonly #systemJobs = new Map<string, SystemJob>()
  readonly #queues = { monotonic: new DueQueue<Job>(), wall: new DueQueue<Job>() }
  readonly #dispatcher: Dispatcher
  #allPaused = false
  #term: RunningTerm | undefined
  #timer: Timer | undefined

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#runner = new Runner(parts, (run, starts) => {
      const job = this.#jobs.get(run.jobId)
      if (job === undefined) return
      // Where several run at once, an older one has more to tell after a younger one has started.
      if (starts || job.lastRun === undefined || job.lastRun.id === run.id) job.lastRun = run
    })
    const hooks = {
      jobOf: (id: string) => this.#jobs.get(id),
      isPaused: (job: Job) => this.#isPaused(job),
      onIdle: (id: string) => this.#idle(id),
    }
    this.#dispatcher = new Dispatcher({ ...parts, ...hooks }, this.#runner)
  }

  /** The last runs, the newest first. */
  get recentRuns(): readonly RunRecord[] {
    return this.#runner.recent
  }

  // ---- terms ----

  /** Ticks are run from here on, as long as the term leads. */
  begin(term: RunningTerm): void {
    this.#term = term
    this.#dispatcher.begin(term)
    for (const job of this.#jobs.values()) this.#enqueue(job)
    this.#setTimer()
  }

  /** No run starts from here on. What runs is left to its drain. */
  end(): void {
    this.#term = undefined
    this.#timer?.cancel()
    this.#dispatcher.end()
    for (const job of this.#jobs.values()) this.#dequeue(job)
  }

  // ---- jobs ----

  /** Adds a job, or does what `onConflict` says about the one with the same id. */
  schedule(id: unknown, schedule: unknown, handler: unknown, options: unknown): void {
    const { clock } = this.#parts
    const jobId = checkName(id, 'id', 'TENURE_ERR_JOB_ID')
    if (this.#systemJobs.has(jobId)) throw reservedError(jobId)
    const { timing, description } = readSchedule(schedule, clock.wallMs())
    const { settings, onConflict } = readJobOptions(options, timing)
    if (typeof handler !== 'function') {
      throw new TenureError(
        'TENURE_ERR_OPTION_TYPE',
        `Expected \`handler\` to be a function; got ${describeValue(handler)}.`,
      )
    }
    const previous = this.#jobs.get(jobId)
    if (previous !== undefined && onConflict === 'keep') return
    if (previous !== undefined && onConflict === 'error') throw existsError(jobId)
    const startAtMs = timing.kind === 'every' ? timing.startAtMs : undefined
    this.#put(
      {
        id: jobId,
        timing,
        description,
        handler: handler as Handler,
        ...settings,
        anchorMs: startAtMs === undefined ? clock.monotonicMs() : undefined,
        paused: previous?.paused ?? false,
        lastRun: previous?.lastRun,
        on: 'monotonic',
        tickMs: 0,
        lastTickMs: -Infinity,
        dueMs: 0,
        place: -1,
      },
      previous,
    )
  }

  /** Puts a job in the place of the previous one: see "Changing a job" in `docs/scheduling.md`. */
  #put(job: Job, previous: Job | undefined): void {
    const same = previous?.description === job.description
    if (previous !== undefined && !same) this.#dispatcher.drop(job.id, 'replaced')
    this.#jobs.set(job.id, job)
    // Deploys schedule the same jobs again and again: that must not put off their next tick.
    if (same) {
      const { anchorMs, lastTickMs } = previous
      Object.assign(job, { anchorMs, lastTickMs })
    }
    const isDue = previous !== undefined && previous.place !== -1
    if (previous !== undefined) this.#dequeue(previous)
    if (this.#term === undefined) return
    if (same && isDue) {
      const { on, tickMs, dueMs, jitterMs } = previous
      const delayMs = jitterMs === job.jitterMs ? dueMs - tickMs : this.#delayOf(job, tickMs)
      Object.assign(job, { on, tickMs, dueMs: tickMs + delayMs })
      this.#queues[on].add(job)
    } else this.#enqueue(job)
    this.#setTimer()
  }

  /** Registers a job of Tenure's own; one with the same id is replaced. */
  putSystem(job: SystemJob): void {
    this.#systemJobs.set(job.id, job)
  }

  remove(id: string): void {
    const job = this.#known(id)
    this.#dispatcher.drop(id, 'removed')
    this.#dequeue(job)
    this.#jobs.delete(id)
  }

  setPaused(id: string, paused: boolean): void {
    this.#known(id).paused = paused
  }

  /** Pauses all jobs, also those that are scheduled later; one that is paused by itself stays so. */
  setAllPaused(paused: boolean): void {
    this.#allPaused = paused
  }

  records(): JobRecord[] {
    const system = [...this.#systemJobs.values()].map((job) => job.record())
    const own = [...this.#jobs.values()].map((job) => this.#recordOf(job))
    return [...system, ...own]
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
    const { timing } = job
    const atMs = ticksFrom(job, this.#parts.clock, count)
    return { timeZone: timing.kind === 'cron' ? timing.timeZone : 'UTC', atMs }
  }

  /** Runs a job now, whatever its schedule says; resolves with the run when it has ended. */
  async runNow(id: string, data: unknown): Promise<RunRecord> {
    const correlation = correlationId() ?? newCorrelationId()
    const system = this.#systemJobs.get(id)
    const job = system === undefined ? this.#known(id) : undefined
    const term = this.#term
    if (term === undefined || !term.leads) {
      throw new TenureError(
        'TENURE_ERR_NOT_LEADER',
        `Expected to lead, to run the job ${JSON.stringify(id)} now; this instance does not.`,
      )
    }
    if (system !== undefined) return system.fire(correlation)
    if (job === undefined) throw reservedError(id)
    const given = data === undefined ? job.data : data
    return this.#dispatcher.runNow(job, term, given, correlation)
  }

  // ---- ticks ----

  #setTimer(): void {
    this.#timer?.cancel()
    const { clock } = this.#parts
    const elapsed = this.#queues.monotonic.first
    const wall = this.#queues.wall.first
    const delayMs = Math.min(
      elapsed === undefined ? Infinity : elapsed.dueMs - clock.monotonicMs(),
      wall === undefined ? Infinity : wall.dueMs - clock.wallMs(),
      wall === undefined ? Infinity : lookMsMax,
    )
    if (delayMs === Infinity) return
    this.#timer = clock.setTimer(Math.max(0, delayMs), () => this.#runDue())
  }

  #runDue(): void {
    const { clock } = this.#parts
    const queues = [
      { queue: this.#queues.monotonic, nowMs: clock.monotonicMs() },
      { queue: this.#queues.wall, nowMs: clock.wallMs() },
    ]
    for (const { queue, nowMs } of queues) {
      for (;;) {
        const job = queue.first
        if (job === undefined || job.dueMs > nowMs) break
        // Trust may run out between two jobs that are due together.
        const term = this.#term
        if (!term?.leads) return
        this.#tick(job, term)
      }
    }
    this.#setTimer()
  }

  /** One job is due, perhaps more than once since it was looked at: the latest tick is run. */
  #tick(job: Job, term: RunningTerm): void {
    const { log, clock } = this.#parts
    const { tickMs, missed } = latestTick(job, clock)
    const scheduledForMs = toWallMs(job.on, tickMs, clock)
    if (job.on === 'wall') job.lastTickMs = tickMs
    this.#dequeue(job)
    if (!this.#isPaused(job)) {
      const scheduledFor = new Date(scheduledForMs).toISOString()
      if (missed > 0) log('run_skipped', { jobId: job.id, reason: 'late', missed, scheduledFor })
      this.#dispatcher.due(job, term, scheduledForMs)
    }
    // A handler may have removed or replaced its own job, or ended the term.
    if (this.#term !== undefined && this.#jobs.get(job.id) === job) this.#enqueue(job)
  }

  /** Nothing of a job goes on any more: a fixed delay is counted from here. */
  #idle(id: string): void {
    const { clock } = this.#parts
    const job = this.#jobs.get(id)
    if (job?.timing.kind !== 'every' || !job.timing.afterFinish) return
    const { startAtMs } = job.timing
    if (startAtMs === undefined || startAtMs <= clock.wallMs()) job.anchorMs = clock.monotonicMs()
    if (this.#term === undefined) return
    this.#enqueue(job)
    this.#setTimer()
  }

  #enqueue(job: Job): void {
    this.#dequeue(job)
    const { timing } = job
    const waitsForEnd = timing.kind === 'every' && timing.afterFinish
    if (waitsForEnd && this.#dispatcher.isBusy(job.id)) return
    const next = nextTick(job, this.#parts.clock)
    if (next === undefined) return
    const { on, tickMs, anchorMs } = next
    Object.assign(job, { on, tickMs, anchorMs, dueMs: tickMs + this.#delayOf(job, tickMs) })
    this.#queues[on].add(job)
  }

  #delayOf({ timing, jitterMs }: Job, tickMs: number): number {
    return delayOf(timing, tickMs, jitterMs, this.#parts.random)
  }

  #dequeue(job: Job): void {
    this.#queues[job.on].remove(job)
  }

  // ---- looking things up ----

  #known(id: string): Job {
    if (this.#systemJobs.has(id)) throw reservedError(id)
    const job = this.#jobs.get(id)
    if (job !== undefined) return job
    throw new TenureError(
      'TENURE_ERR_JOB_UNKNOWN',
      `Expected one of the jobs [${[...this.#jobs.keys()].slice(0, 20).join(', ')}]; got ` +
        `${JSON.stringify(id)}.`,
    )
  }

  #isPaused(job: Job): boolean {
    return this.#allPaused || job.paused
  }

  #recordOf(job: Job): JobRecord {
    const paused = this.#isPaused(job)
    const due = job.place !== -1 && !paused
    return {
      id: job.id,
      system: false,
      schedule: job.description,
      paused,
      running: this.#runner.isRunning(job.id),
      lastRun: job.lastRun,
      nextTickAtMs: due ? toWallMs(job.on, job.dueMs, this.#parts.clock) : undefined,
      retryAtMs: this.#dispatcher.retryAtMs(job.id),
    }
  }
}

function reservedError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_SYSTEM',
    `Expected a job of the application; ${JSON.stringify(id)} is Tenure's own.`,
  )
}

function existsError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_EXISTS',
    `Expected no job with the id ${JSON.stringify(id)}; there is one, and \`onConflict\` is 'error'.`,
  )
}
