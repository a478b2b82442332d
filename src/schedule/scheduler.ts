import { checkName } from '../options/check.ts'
import type { Timer } from '../clock.ts'
import { defectsTo, detached, invariant, type TellDefect } from '../invariant.ts'
import { correlationId, newCorrelationId } from '../correlation.ts'
import { describeValue, TenureError } from '../errors.ts'
import type { LedgerRun } from '../store/ledger-store.ts'
import type { Bookkeeper } from './bookkeeper.ts'
import { Dispatcher } from './dispatcher.ts'
import { DueQueue } from './due-queue.ts'
import { existsError, notLeaderError, reservedError } from './job-errors.ts'
import { readJobOptions } from './job-options.ts'
import {
  afterTick,
  clocksOf,
  goOn,
  isExhausted,
  isFixedDelay,
  jobOf,
  registrationOf,
} from './job-standing.ts'
import {
  checkHandler,
  readSchedule,
  type Job,
  type JobRecord,
  type NextTicks,
  type RunRecord,
  type SkipRecord,
  type StoredJobSettings,
} from './job.ts'
import { Runner, type RunnerParts, type RunningTerm } from './runner.ts'
import { decideDue } from './overdue.ts'
import { delayOf, nextTick, ticksFrom, toWallMs, type Clocks } from './timing.ts'

/** A job of Tenure's own that runs elsewhere, and is shown and fired like any other. */
export interface SystemJob {
  readonly id: string
  record(): JobRecord
  fire(correlationId: string): Promise<RunRecord>
}

/** What a scheduler is made of. */
export interface SchedulerParts extends RunnerParts {
  /** Opens the books of a term; `undefined` where there is no ledger. */
  readonly openBooks?: (term: RunningTerm) => Bookkeeper | undefined
  /** A job was added, has another schedule, or was removed: its schedule before, and now. */
  readonly onJob?: (id: string, before: string | undefined, now: string | undefined) => void
  /** How much of the history is kept. */
  readonly keep: { readonly runs: number; readonly ageMs: number }
  /** The ledger is needed in this term. */
  readonly onNeed?: () => void
  /** Of the stored jobs, the last change that this instance knows of. @default 0 */
  readonly followedRevision?: () => number
}

/** How many of the next ticks one may ask for. */
const nextTicksMax = 1_000

/** For how long a job is remembered that no term has scheduled. */
const forgetAgeMs = 30 * 86_400_000

/** How often the history is looked through for what need not be kept. */
const pruneEveryMs = 60_000

/** The longest wait before the wall clock is looked at again: somebody may set it. */
const lookMsMax = 10_000

/**
 * Runs jobs when they are due, while its instance leads. One timer serves all jobs: those with an
 * interval wait on the monotonic clock, the others on the wall clock.
 *
 * Where there is a ledger, a term begins with what stands there: runs that were left unfinished are
 * told, jobs are entered, and their ticks go on from the last one that is accounted for.
 */
export class Scheduler {
  readonly #parts: SchedulerParts
  readonly #runner: Runner
  readonly #jobs = new Map<string, Job>()
  readonly #systemJobs = new Map<string, SystemJob>()
  readonly #queues = { monotonic: new DueQueue<Job>(), wall: new DueQueue<Job>() }
  readonly #dispatcher: Dispatcher
  #allPaused = false
  #term: RunningTerm | undefined
  /** The books of the term that leads. */
  #books: Bookkeeper | undefined
  #tookOver = false
  /** Runs whose next attempt is owed, of jobs that are not known yet. */
  #owed: readonly LedgerRun[] = []
  /** Over when all jobs so far are entered in the ledger. */
  #entering: Promise<unknown> = Promise.resolve()
  readonly #tellDefect: TellDefect
  #timer: Timer | undefined
  #pruneTimer: Timer | undefined

  constructor(parts: SchedulerParts) {
    this.#parts = parts
    this.#tellDefect = defectsTo(parts.log)
    this.#runner = new Runner(parts, (run, starts) => {
      const job = this.#jobs.get(run.jobId)
      if (job === undefined) return
      // Where several run at once, an older one has more to tell after a younger one has started.
      if (starts || job.lastRun === undefined || job.lastRun.id === run.id) job.lastRun = run
    })
    const hooks = {
      jobOf: (id: string) => this.#jobs.get(id),
      isPaused: (job: Job) => this.#isPaused(job),
      booksOf: (job: Job) => (job.ledger ? this.#books : undefined),
      onFree: (id: string, idle: boolean) => this.#free(id, idle),
    }
    this.#dispatcher = new Dispatcher({ ...parts, ...hooks }, this.#runner)
  }

  /** The last runs, the newest first. */
  get recentRuns(): readonly RunRecord[] {
    return this.#runner.recent
  }

  /** The last ticks that were not run, the newest first. */
  get recentSkips(): readonly SkipRecord[] {
    return this.#dispatcher.recentSkips
  }

  // ---- terms ----

  /** Ticks are run from here on, as long as the term leads. */
  begin(term: RunningTerm): void {
    this.#term = term
    this.#books = this.#parts.openBooks?.(term)
    this.#dispatcher.begin(term)
    for (const job of this.#jobs.values()) {
      if (!job.ledger || this.#books === undefined) this.#enqueue(job)
    }
    this.#setTimer()
    if (Array.from(this.#jobs.values()).some(({ ledger }) => ledger)) this.#needLedger()
  }

  /** No run starts from here on. What runs is left to its drain. */
  end(): void {
    this.#term = undefined
    this.#books = undefined
    this.#tookOver = false
    this.#timer?.cancel()
    this.#pruneTimer?.cancel()
    this.#dispatcher.end()
    this.#owed = []
    for (const job of this.#jobs.values()) {
      this.#dequeue(job)
      // Who leads next may be told of another one.
      if (job.stored) this.#jobs.delete(job.id)
      job.dueMs = Infinity
      job.aheadMs = undefined
    }
  }

  // ---- the ledger ----

  /** Begins with what the ledger says, once in a term, if it has a job that needs that. */
  #needLedger(): void {
    if (this.#books === undefined || this.#tookOver) return
    this.#tookOver = true
    this.#parts.onNeed?.()
    this.#entering = this.#takeOver(this.#books)
    detached(this.#entering, this.#tellDefect)
  }

  /** Begins a term with what the ledger says. */
  async #takeOver(books: Bookkeeper): Promise<void> {
    const findings = await books.takeOver()
    if (this.#books !== books) return
    if (books.isAbsent) {
      this.#books = undefined
      for (const job of this.#jobs.values()) if (job.dueMs === Infinity) this.#enqueue(job)
      return this.#setTimer()
    }
    for (const run of findings?.abandoned ?? []) this.#runner.abandoned(run)
    await this.#enter(
      books,
      Array.from(this.#jobs.values()).filter(({ ledger }) => ledger),
    )
    if (this.#books !== books) return
    this.#owed = findings?.owed ?? []
    this.#owe()
    this.#prune(books)
  }

  /** Enters jobs in the ledger; each is due from its last tick on that is accounted for there. */
  async #enter(books: Bookkeeper, jobs: readonly Job[]): Promise<void> {
    const { clock } = this.#parts
    const known = await books.register(jobs.map((job) => registrationOf(job, clock)))
    if (this.#books !== books) return
    for (const [index, entry] of (known ?? []).entries()) {
      const job = jobs[index]
      // One that was replaced meanwhile is entered by itself.
      if (job === undefined || this.#jobs.get(job.id) !== job) continue
      job.paused = entry.paused
      if (job.aheadMs === undefined) this.#enqueue(job, goOn(job, entry, clock))
    }
    this.#setTimer()
  }

  /** Has what is owed be tried again, of the jobs that are known; the others may come. */
  #owe(): void {
    const isKnown = ({ jobId }: LedgerRun): boolean => this.#jobs.has(jobId)
    const known = this.#owed.filter(isKnown)
    this.#owed = this.#owed.filter((run) => !isKnown(run))
    this.#dispatcher.owe(known)
  }

  #prune(books: Bookkeeper): void {
    const { keep, followedRevision = () => 0 } = this.#parts
    const pruned = books.prune({ ...keep, forgetAgeMs, followedRevision: followedRevision() })
    const again = pruned.then(() => {
      if (this.#books !== books) return
      this.#pruneTimer = this.#parts.clock.setTimer(pruneEveryMs, () => this.#prune(books))
    })
    detached(again, this.#tellDefect)
  }

  // ---- jobs ----

  /** Adds a job, or does what `onConflict` says about the one with the same id. */
  schedule(id: unknown, schedule: unknown, handler: unknown, options: unknown): void {
    const { clock } = this.#parts
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
    const { clock } = this.#parts
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
    const unentered = jobs.filter((job) => this.#place(job))
    this.#setTimer()
    if (unentered.length === 0 || this.#books === undefined) return
    // The first one is entered with what it finds.
    if (!this.#tookOver) return this.#needLedger()
    const entered = this.#enter(this.#books, unentered).then(() => this.#owe())
    this.#entering = Promise.all([this.#entering, entered])
    detached(this.#entering, this.#tellDefect)
  }

  /**
   * Puts a job in the place of the previous one: see "Changing a job" in `docs/scheduling.md`.
   * Whether it has to be entered in the ledger before it is due.
   */
  #place(job: Job): boolean {
    const previous = this.#jobs.get(job.id)
    const same = previous?.description === job.description
    if (previous !== undefined && !same) this.#dispatcher.drop(job.id, 'replaced')
    this.#jobs.set(job.id, job)
    if (!same && !job.stored) {
      const before = previous?.stored === false ? previous.description : undefined
      this.#parts.onJob?.(job.id, before, job.description)
    }
    job.paused = previous?.paused ?? false
    job.lastRun = previous?.lastRun
    // Deploys schedule the same jobs again and again: that must not put off their next tick.
    if (same) {
      const { anchorMs, lastTickMs, aheadMs, scheduledAtMs, runs } = previous
      const entered = job.ledger ? aheadMs : undefined
      Object.assign(job, { anchorMs, lastTickMs, aheadMs: entered, scheduledAtMs, runs })
    }
    if (previous !== undefined) this.#dequeue(previous)
    if (this.#term === undefined) return false
    if (job.ledger && this.#books !== undefined && job.aheadMs === undefined) return true
    if (same && previous.dueMs !== Infinity) {
      const { on, tickMs, dueMs, jitterMs } = previous
      const delayMs = jitterMs === job.jitterMs ? dueMs - tickMs : this.#delayOf(job, tickMs)
      Object.assign(job, { on, tickMs, dueMs: tickMs + delayMs })
      this.#wait(job)
    } else this.#enqueue(job)
    return false
  }

  /** Registers a job of Tenure's own; one with the same id is replaced. */
  putSystem(job: SystemJob): void {
    this.#systemJobs.set(job.id, job)
  }

  remove(id: string): void {
    const job = this.#known(id)
    this.#forget(job)
    if (job.stored) return
    this.#parts.onJob?.(id, job.description, undefined)
    // Scheduled again it is another job, which begins anew.
    const atMs = Math.round(this.#parts.clock.wallMs())
    const gone = { jobId: id, schedule: '(removed)', anchorMs: atMs, cursorMs: atMs }
    if (job.ledger) detached(this.#books?.register([gone]), this.#tellDefect)
  }

  #forget(job: Job): void {
    this.#dispatcher.drop(job.id, 'removed')
    this.#dequeue(job)
    this.#jobs.delete(job.id)
  }

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
    this.#pausedOrResumed(job)
    this.#setTimer()
  }

  /** Pauses all jobs, also those that are scheduled later; one that is paused by itself stays so. */
  setAllPaused(paused: boolean): void {
    this.#allPaused = paused
    for (const job of this.#jobs.values()) this.#pausedOrResumed(job)
    this.#setTimer()
  }

  /** The tick of a paused job stands: when it is resumed, that is overdue. */
  #pausedOrResumed(job: Job): void {
    if (this.#isPaused(job)) this.#dequeue(job)
    else this.#wait(job)
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
    const { timing, maxRuns = Infinity, runs } = job
    const atMs = ticksFrom(
      job,
      clocksOf(job, this.#parts.clock),
      Math.min(count, Math.max(0, maxRuns - runs)),
    )
    return { timeZone: timing.kind === 'cron' ? timing.timeZone : 'UTC', atMs }
  }

  /** Runs a job now, whatever its schedule says; resolves with the run when it has ended. */
  async runNow(id: string, data: unknown): Promise<RunRecord> {
    const correlation = correlationId() ?? newCorrelationId()
    const system = this.#systemJobs.get(id)
    const job = system === undefined ? this.#known(id) : undefined
    const term = this.#term
    if (term === undefined || !term.leads) throw notLeaderError(id)
    if (system !== undefined) return system.fire(correlation)
    if (job === undefined) throw reservedError(id)
    while (!this.#isEntered(job)) {
      const entering = this.#entering
      await entering
      // Nothing was entered, because the term is over.
      if (entering === this.#entering) break
    }
    // Without the books of its term there would be no claim.
    if (this.#term !== term || !term.leads) throw notLeaderError(id)
    const given = data === undefined ? job.data : data
    return this.#dispatcher.runNow(job, term, given, correlation)
  }

  // ---- ticks ----

  #setTimer(): void {
    this.#timer?.cancel()
    const { clock } = this.#parts
    const elapsed = this.#queues.monotonic.first
    const wall = this.#queues.wall.first
    if (this.#term === undefined) return
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

  /** One job is due, perhaps more than once since it was looked at. */
  #tick(job: Job, term: RunningTerm): void {
    const { on } = job
    const clock = clocksOf(job, this.#parts.clock)
    this.#dequeue(job)
    if (isExhausted(job)) return void (job.dueMs = Infinity)
    const { skipped, runMs } = decideDue(job, clock)
    // It is looked at again when there is a place.
    const waits = job.overdue === 'run-all' && !this.#dispatcher.hasPlace(job)
    if (waits && runMs !== undefined) return
    const lastMs = runMs ?? skipped?.toMs
    invariant(lastMs !== undefined, 'what is due is run or skipped')
    job.dueMs = Infinity
    if (on === 'wall') job.lastTickMs = lastMs
    if (skipped !== undefined) {
      const { fromMs, toMs, count } = skipped
      const [tickMs, untilTickMs] = [toWallMs(on, fromMs, clock), toWallMs(on, toMs, clock)]
      this.#dispatcher.miss(job, { tickMs, untilTickMs, count })
    }
    if (runMs !== undefined) this.#dispatcher.due(job, term, toWallMs(on, runMs, clock))
    // A handler may have removed or replaced its own job, or ended the term.
    if (this.#term === undefined || this.#jobs.get(job.id) !== job) return
    if (runMs === undefined && isFixedDelay(job)) job.anchorMs = clock.monotonicMs()
    this.#enqueue(job, afterTick(on, lastMs, clock))
  }

  /** A job has a place again. Where nothing of it goes on, a fixed delay is counted from here. */
  #free(id: string, idle: boolean): void {
    const { clock } = this.#parts
    const job = this.#jobs.get(id)
    if (job === undefined) return
    if (idle && job.timing.kind === 'every' && job.timing.afterFinish) {
      const { startAtMs } = job.timing
      if (startAtMs === undefined || startAtMs <= clock.wallMs()) job.anchorMs = clock.monotonicMs()
      if (this.#term !== undefined && this.#isEntered(job)) this.#enqueue(job)
    } else if (job.overdue === 'run-all') this.#wait(job)
    // Of its last run it has turned out that it may not start.
    const isDueAgain = job.maxRuns !== undefined && job.dueMs === Infinity && this.#isEntered(job)
    if (isDueAgain && this.#term !== undefined) this.#enqueue(job)
    this.#setTimer()
  }

  /** Finds the first tick after a moment, now unless it is given, and waits for it. */
  #enqueue(job: Job, from: Clocks = clocksOf(job, this.#parts.clock)): void {
    this.#dequeue(job)
    job.dueMs = Infinity
    if (isExhausted(job) || (isFixedDelay(job) && this.#dispatcher.isBusy(job.id))) return
    const next = nextTick(job, from)
    if (next === undefined) return
    const { on, tickMs, anchorMs } = next
    Object.assign(job, { on, tickMs, anchorMs, dueMs: tickMs + this.#delayOf(job, tickMs) })
    this.#wait(job)
  }

  /** Waits for the next tick of a job, if it has one and is not paused. */
  #wait(job: Job): void {
    if (this.#term === undefined || job.dueMs === Infinity || job.place !== -1) return
    if (!this.#isPaused(job)) this.#queues[job.on].add(job)
  }

  /** Whether the ledger knows the job in this term, where it has to. */
  #isEntered(job: Job): boolean {
    return !job.ledger || this.#books === undefined || job.aheadMs !== undefined
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
    const due = job.place !== -1
    return {
      id: job.id,
      system: false,
      schedule: job.description,
      paused,
      running: this.#runner.isRunning(job.id),
      lastRun: job.lastRun,
      nextTickAtMs: due ? toWallMs(job.on, job.dueMs, clocksOf(job, this.#parts.clock)) : undefined,
      retryAtMs: this.#dispatcher.retryAtMs(job.id),
    }
  }
}
