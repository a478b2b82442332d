import { checkName } from '../check.ts'
import type { Timer } from '../clock.ts'
import { correlationId, newCorrelationId } from '../correlation.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { CronTimes } from './cron.ts'
import { DueQueue } from './due-queue.ts'
import { nextOfInterval } from './interval.ts'
import {
  readJobOptions,
  readSchedule,
  type Handler,
  type Job,
  type JobRecord,
  type NextTicks,
  type RunRecord,
} from './job.ts'
import { Runner, type RunnerParts, type RunningTerm } from './runner.ts'

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
  readonly #byElapsedTime = new DueQueue<Job>()
  readonly #byWallClock = new DueQueue<Job>()
  #term: RunningTerm | undefined
  #timer: Timer | undefined

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#runner = new Runner(parts, (run) => {
      const job = this.#jobs.get(run.jobId)
      if (job !== undefined) job.lastRun = run
    })
  }

  /** The last runs, the newest first. */
  get recentRuns(): readonly RunRecord[] {
    return this.#runner.recent
  }

  // ---- terms ----

  /** Ticks are run from here on, as long as the term leads. */
  begin(term: RunningTerm): void {
    this.#term = term
    for (const job of this.#jobs.values()) this.#enqueue(job)
    this.#setTimer()
  }

  /** No run starts from here on. What runs is left to its drain. */
  end(): void {
    this.#term = undefined
    this.#timer?.cancel()
    for (const job of this.#jobs.values()) this.#dequeue(job)
  }

  // ---- jobs ----

  /** Adds a job, or does what `onConflict` says about the one with the same id. */
  schedule(id: unknown, schedule: unknown, handler: unknown, options: unknown): void {
    const { clock } = this.#parts
    const jobId = checkName(id, 'id', 'TENURE_ERR_JOB_ID')
    if (this.#systemJobs.has(jobId)) throw reservedError(jobId)
    const { onConflict, ...read } = readJobOptions(options)
    const { timing, description } = readSchedule(schedule, clock.wallMs())
    if (typeof handler !== 'function') {
      throw new TenureError(
        'TENURE_ERR_OPTION_TYPE',
        `Expected \`handler\` to be a function; got ${describeValue(handler)}.`,
      )
    }
    const previous = this.#jobs.get(jobId)
    if (previous !== undefined && onConflict === 'keep') return
    if (previous !== undefined && onConflict === 'error') throw existsError(jobId)
    if (previous !== undefined) this.#dequeue(previous)
    // Deploys schedule the same jobs again and again: that must not put off their next tick.
    const same = previous?.description === description
    const job: Job = {
      id: jobId,
      timing,
      description,
      handler: handler as Handler,
      ...read,
      anchorMs: same ? previous.anchorMs : clock.monotonicMs(),
      lastTickMs: same ? previous.lastTickMs : -Infinity,
      paused: previous?.paused ?? false,
      lastRun: previous?.lastRun,
      dueMs: 0,
      place: -1,
    }
    this.#jobs.set(jobId, job)
    if (this.#term === undefined) return
    this.#enqueue(job)
    this.#setTimer()
  }

  /** Registers a job of Tenure's own; one with the same id is replaced. */
  putSystem(job: SystemJob): void {
    this.#systemJobs.set(job.id, job)
  }

  remove(id: string): void {
    const job = this.#known(id)
    this.#dequeue(job)
    this.#jobs.delete(id)
  }

  setPaused(id: string, paused: boolean): void {
    this.#known(id).paused = paused
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
    const { nowMs, toWallMs } = this.#clockOf(job)
    const atMs: number[] = []
    let tickMs = nextTick(job, nowMs)
    while (tickMs !== undefined && atMs.length < count) {
      atMs.push(Math.round(tickMs + toWallMs))
      tickMs = nextTick(job, tickMs)
    }
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
    if (job === undefined || this.#runner.isRunning(id)) {
      throw new TenureError(
        'TENURE_ERR_JOB_RUNNING',
        `Expected that the job ${JSON.stringify(id)} is not running; it is, and its runs do not ` +
          'overlap.',
      )
    }
    const nowMs = this.#parts.clock.wallMs()
    const given = data === undefined ? job.data : data
    return this.#runner.run(job, term, {
      trigger: 'manual',
      scheduledForMs: nowMs,
      data: given,
      correlationId: correlation,
    })
  }

  // ---- ticks ----

  #setTimer(): void {
    this.#timer?.cancel()
    const { clock } = this.#parts
    const elapsed = this.#byElapsedTime.first
    const wall = this.#byWallClock.first
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
      { queue: this.#byElapsedTime, nowMs: clock.monotonicMs() },
      { queue: this.#byWallClock, nowMs: clock.wallMs() },
    ]
    for (const { queue, nowMs } of queues) {
      for (;;) {
        const job = queue.first
        if (job === undefined || job.dueMs > nowMs) break
        // Trust may run out between two jobs that are due together.
        if (!this.#term?.leads) return
        this.#tick(job, nowMs)
      }
    }
    this.#setTimer()
  }

  /** One job is due, perhaps more than once since it was looked at: the latest tick is run. */
  #tick(job: Job, nowMs: number): void {
    const { dueMs, missed } = latestTick(job, nowMs)
    const { clock, log } = this.#parts
    const dueAgoMs = nowMs - dueMs
    const scheduledForMs = Math.round(
      job.timing.kind === 'every' ? clock.wallMs() - dueAgoMs : dueMs,
    )
    if (job.timing.kind !== 'every') job.lastTickMs = dueMs
    this.#enqueue(job)
    if (job.paused) return
    const scheduledFor = new Date(scheduledForMs).toISOString()
    if (missed > 0) log('run_skipped', { jobId: job.id, reason: 'late', missed, scheduledFor })
    if (this.#runner.isRunning(job.id)) {
      return log('run_skipped', { jobId: job.id, reason: 'overlap', scheduledFor })
    }
    const term = this.#term
    if (term === undefined) return
    void this.#runner.run(job, term, {
      trigger: 'tick',
      scheduledForMs,
      data: job.data,
      correlationId: newCorrelationId(),
    })
  }

  #enqueue(job: Job): void {
    this.#dequeue(job)
    const nextMs = nextTick(job, this.#clockOf(job).nowMs)
    if (nextMs === undefined) return
    job.dueMs = nextMs
    if (job.timing.kind === 'every') this.#byElapsedTime.add(job)
    else this.#byWallClock.add(job)
  }

  /** The clock of a job's ticks, not before the last of them, and what it lacks to the wall clock. */
  #clockOf({ timing, lastTickMs }: Job): { nowMs: number; toWallMs: number } {
    const { clock } = this.#parts
    const [monotonicMs, wallMs] = [clock.monotonicMs(), clock.wallMs()]
    if (timing.kind === 'every') return { nowMs: monotonicMs, toWallMs: wallMs - monotonicMs }
    return { nowMs: Math.max(wallMs, lastTickMs), toWallMs: 0 }
  }

  #dequeue(job: Job): void {
    if (job.timing.kind === 'every') this.#byElapsedTime.remove(job)
    else this.#byWallClock.remove(job)
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

  #recordOf(job: Job): JobRecord {
    const due = job.place !== -1 && !job.paused
    const { toWallMs } = this.#clockOf(job)
    return {
      id: job.id,
      system: false,
      schedule: job.description,
      paused: job.paused,
      running: this.#runner.isRunning(job.id),
      lastRun: job.lastRun,
      nextTickAtMs: due ? Math.round(job.dueMs + toWallMs) : undefined,
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

/** The first tick after `nowMs`, on the clock of the job's timing. */
function nextTick({ timing, anchorMs }: Job, nowMs: number): number | undefined {
  switch (timing.kind) {
    case 'every':
      return nextOfInterval(anchorMs, timing.everyMs, nowMs)
    case 'cron':
      return timing.times.nextMs(nowMs)
    case 'at':
      return timing.atMs > nowMs ? timing.atMs : undefined
  }
}

/** How many ticks of a cron expression are counted one by one after a long block or a jump. */
const missedTicksMax = 1_000

/** The latest tick that is due, and how many before it were missed. */
function latestTick(job: Job, nowMs: number): { dueMs: number; missed: number } {
  const { timing } = job
  let { dueMs } = job
  let missed = 0
  if (timing.kind === 'every') {
    missed = Math.floor((nowMs - dueMs) / timing.everyMs)
    dueMs += missed * timing.everyMs
  } else if (timing.kind === 'cron') {
    while (missed < missedTicksMax) {
      const nextMs = timing.times.nextMs(dueMs)
      if (nextMs === undefined || nextMs > nowMs) break
      dueMs = nextMs
      missed++
    }
    if (missed === missedTicksMax) dueMs = latestBetween(timing.times, dueMs, nowMs)
  }
  return { dueMs, missed }
}

/** The latest tick up to `nowMs`, which is `tickMs` or one after it: found by halving. */
function latestBetween(times: CronTimes, tickMs: number, nowMs: number): number {
  let latestMs = tickMs
  let noneAfterMs = nowMs
  // Ticks are whole seconds.
  while (noneAfterMs - latestMs >= 1_000) {
    const middleMs = (latestMs + noneAfterMs) / 2
    const nextMs = times.nextMs(middleMs)
    if (nextMs !== undefined && nextMs <= nowMs) latestMs = nextMs
    else noneAfterMs = middleMs
  }
  return latestMs
}
