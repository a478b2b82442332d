import type { Timer } from '../clock.ts'
import { defectsTo, detached, type TellDefect } from '../invariant.ts'
import type { JobRegistration, LedgerRun } from '../store/ledger-store.ts'
import { Dispatcher } from './dispatcher.ts'
import { DueQueue } from './due-queue.ts'
import { notLeaderError } from './job-errors.ts'
import {
  afterTick,
  clocksOf,
  continueFrom,
  decideDue,
  isExhausted,
  isFixedDelay,
  plannedTickOf,
  registrationOf,
  type Job,
  type PlannedTick,
} from './job.ts'
import type { LedgerWriter } from './ledger-writer.ts'
import type { RunRecord, SkipRecord } from './run.ts'
import type { Runner, RunnerDeps, RunningTerm } from './runner.ts'
import { delayOf, nextTick, type Clocks } from './schedule.ts'
import type { Skips } from './skips.ts'
import type { Slots } from './slots.ts'

/** For how long a job is remembered that no term has registered. */
const forgetAgeMs = 30 * 86_400_000

/** How often the history is looked through for what need not be kept. */
const pruneEveryMs = 60_000

/** The longest wait before the wall clock is read again: it may be set. */
const lookMsMax = 10_000

/** What the scheduler of a term depends on. */
export interface TermSchedulerDeps extends RunnerDeps {
  readonly term: RunningTerm
  /** The jobs as they are now. */
  readonly jobs: ReadonlyMap<string, Job>
  readonly ledger: LedgerWriter | undefined
  readonly slots: Slots
  readonly runner: Runner
  readonly skips: Skips
  /** How much of the history is kept. */
  readonly history: { readonly runs: number; readonly ageMs: number }
  /** The ledger is needed in this term. */
  readonly onNeed?: (() => void) | undefined
  /** Of the stored jobs, the last change that this instance knows of. @default 0 */
  readonly followedRevision?: (() => number) | undefined
}

/**
 * Has the jobs run when they are due in one term. One timer serves all jobs: those with an interval
 * wait on the monotonic clock, the others on the wall clock. Made when the term begins, and thrown
 * away with it.
 *
 * If there is a ledger, the term begins with what is recorded there: runs that were left unfinished
 * are reported, jobs are registered, and their ticks continue from the last one that is accounted for.
 */
export class TermScheduler {
  readonly #deps: TermSchedulerDeps
  readonly #tellDefect: TellDefect
  readonly #queues = { monotonic: new DueQueue<PlannedTick>(), wall: new DueQueue<PlannedTick>() }
  readonly #dispatcher: Dispatcher
  #ledger: LedgerWriter | undefined
  #isOver = false
  #tookOver = false
  /** Attempts that an earlier term has left to be made, of jobs that are not known yet. */
  #pendingRetries: readonly LedgerRun[] = []
  /** Settles when all jobs so far are registered. */
  #registering: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined
  #pruneTimer: Timer | undefined

  constructor(deps: TermSchedulerDeps) {
    this.#deps = deps
    this.#tellDefect = defectsTo(deps.log)
    this.#ledger = deps.ledger
    const ledgerOf = (job: Job): LedgerWriter | undefined => (job.ledger ? this.#ledger : undefined)
    this.#dispatcher = new Dispatcher({ ...deps, ledgerOf })
  }

  /** May new work start? */
  get leads(): boolean {
    return this.#deps.term.leads
  }

  /** Runs ticks from here on, as long as the term leads. */
  start(): void {
    const jobs = Array.from(this.#deps.jobs.values())
    for (const job of jobs) {
      if (job.ledger && this.#ledger !== undefined) job.state = { kind: 'registering' }
      else this.#plan(job)
    }
    this.setTimer()
    if (jobs.some(({ ledger }) => ledger)) this.#takeOverOnce()
  }

  /** No run starts from here on. What runs is left to its drain. */
  end(): void {
    this.#isOver = true
    this.#ledger = undefined
    this.#timer?.cancel()
    this.#pruneTimer?.cancel()
    this.#dispatcher.end()
  }

  // ---- the ledger ----

  /** Begins with what the ledger says, once, if there is a job that needs that. */
  #takeOverOnce(): void {
    if (this.#ledger === undefined || this.#tookOver) return
    this.#tookOver = true
    this.#deps.onNeed?.()
    this.#registering = this.#takeOver(this.#ledger)
    detached(this.#registering, this.#tellDefect)
  }

  async #takeOver(ledger: LedgerWriter): Promise<void> {
    const { jobs, runner } = this.#deps
    const findings = await ledger.takeOver()
    if (this.#isOver) return
    if (ledger.isAbsent) {
      this.#ledger = undefined
      for (const job of jobs.values()) if (plannedTickOf(job) === undefined) this.#plan(job)
      return this.setTimer()
    }
    for (const run of findings?.abandoned ?? []) runner.abandoned(run)
    await this.#register(
      ledger,
      Array.from(jobs.values()).filter((job) => job.ledger),
    )
    if (this.#isOver) return
    this.#pendingRetries = findings?.pendingRetries ?? []
    this.#retryPending()
    this.#prune(ledger)
  }

  /** Registers jobs; each is due from its last tick on that is accounted for in the ledger. */
  async #register(ledger: LedgerWriter, jobs: readonly Job[]): Promise<void> {
    const { clock } = this.#deps
    const known = await ledger.register(jobs.map((job) => registrationOf(job, clock)))
    if (this.#ledger !== ledger) return
    for (const [index, entry] of (known ?? []).entries()) {
      const job = jobs[index]
      // One that was replaced meanwhile is registered by itself.
      if (job === undefined || this.#deps.jobs.get(job.id) !== job) continue
      job.paused = entry.paused
      if (job.state.kind === 'registering') this.#plan(job, continueFrom(job, entry, clock))
    }
    this.setTimer()
  }

  /** Has what is pending be tried again, of the jobs that are known; the others may come. */
  #retryPending(): void {
    const isKnown = ({ jobId }: LedgerRun): boolean => this.#deps.jobs.has(jobId)
    const known = this.#pendingRetries.filter(isKnown)
    this.#pendingRetries = this.#pendingRetries.filter((run) => !isKnown(run))
    this.#dispatcher.retry(known)
  }

  #prune(ledger: LedgerWriter): void {
    const { clock, history, followedRevision } = this.#deps
    const bounds = { ...history, forgetAgeMs, followedRevision: followedRevision?.() ?? 0 }
    const again = ledger.prune(bounds).then(() => {
      if (this.#isOver) return
      this.#pruneTimer = clock.setTimer(pruneEveryMs, () => this.#prune(ledger))
    })
    detached(again, this.#tellDefect)
  }

  // ---- jobs ----

  /** Puts a job in the place of the previous one. Whether it must be registered before it is due. */
  put(job: Job, previous: Job | undefined, same: boolean): boolean {
    const next = previous && plannedTickOf(previous)
    if (previous !== undefined) this.remove(previous)
    if (job.ledger && this.#ledger !== undefined && job.aheadMs === undefined) {
      job.state = { kind: 'registering' }
      return true
    }
    if (same && next !== undefined) {
      const { on, tickMs, dueMs } = next
      const delayMs =
        previous?.jitterMs === job.jitterMs ? dueMs - tickMs : this.#delayOf(job, tickMs)
      this.#hold({ job, on, tickMs, dueMs: tickMs + delayMs, place: undefined })
      this.resume(job)
    } else this.#plan(job)
    return false
  }

  /** Jobs were put, of which some must be registered. */
  register(jobs: readonly Job[]): void {
    this.setTimer()
    if (jobs.length === 0 || this.#ledger === undefined) return
    // The first one is registered with what the term begins with.
    if (!this.#tookOver) return this.#takeOverOnce()
    const registered = this.#register(this.#ledger, jobs).then(() => this.#retryPending())
    this.#registering = Promise.all([this.#registering, registered])
    detached(this.#registering, this.#tellDefect)
  }

  /** Overwrites what the ledger knows of a job that is not there any more. */
  registerRemoved(gone: JobRegistration): void {
    detached(this.#ledger?.register([gone]), this.#tellDefect)
  }

  /** Gives up what waits of a job: a queued tick, and retries. */
  drop(jobId: string, reason: SkipRecord['reason']): void {
    this.#dispatcher.drop(jobId, reason)
  }

  /** A job is due here no more. */
  remove(job: Job): void {
    const next = plannedTickOf(job)
    if (next !== undefined) this.#queues[next.on].remove(next)
  }

  /** The tick of a paused job is kept: when it is resumed, that is overdue. */
  pause(job: Job): void {
    const next = plannedTickOf(job)
    if (next !== undefined) this.#hold(next)
  }

  /** Waits for the next tick of a job, if it has one and is not paused. */
  resume(job: Job): void {
    const { state } = job
    if (state.kind !== 'held' || job.paused) return
    job.state = { kind: 'waiting', next: state.next }
    this.#queues[state.next.on].add(state.next)
  }

  retryAtMs(jobId: string): number | undefined {
    return this.#dispatcher.retryAtMs(jobId)
  }

  /** Runs a job now; resolves with the run when it has ended. @throws TenureError */
  async runNow(job: Job, data: unknown, correlationId: string): Promise<RunRecord> {
    while (job.state.kind === 'registering') {
      const registering = this.#registering
      await registering
      // Nothing was registered, because the term is over.
      if (registering === this.#registering) break
    }
    // Without the ledger of its term there would be no claim.
    if (this.#isOver || !this.#deps.term.leads) throw notLeaderError(job.id)
    return this.#dispatcher.runNow(job, data === undefined ? job.data : data, correlationId)
  }

  // ---- ticks ----

  /** Waits for the first tick that is due. */
  setTimer(): void {
    this.#timer?.cancel()
    if (this.#isOver) return
    const { clock } = this.#deps
    const { monotonic, wall } = this.#queues
    const delaysMs: number[] = []
    if (monotonic.first !== undefined) delaysMs.push(monotonic.first.dueMs - clock.monotonicMs())
    if (wall.first !== undefined) delaysMs.push(wall.first.dueMs - clock.wallMs(), lookMsMax)
    if (delaysMs.length === 0) return
    this.#timer = clock.setTimer(Math.max(0, Math.min(...delaysMs)), () => this.#runDue())
  }

  #runDue(): void {
    const { clock, term } = this.#deps
    const queues = [
      { queue: this.#queues.monotonic, nowMs: clock.monotonicMs() },
      { queue: this.#queues.wall, nowMs: clock.wallMs() },
    ]
    for (const { queue, nowMs } of queues) {
      for (;;) {
        const { first } = queue
        if (first === undefined || first.dueMs > nowMs) break
        // Trust may run out between two jobs that are due together.
        if (this.#isOver || !term.leads) return
        this.#tick(first)
      }
    }
    this.setTimer()
  }

  /** One job is due, perhaps more than once since it was looked at. */
  #tick(planned: PlannedTick): void {
    const { jobs, slots } = this.#deps
    const { job, on } = planned
    const clock = clocksOf(job, this.#deps.clock)
    this.#hold(planned)
    if (isExhausted(job)) return void (job.state = { kind: 'idle' })
    const { skipped, scheduledForMs, lastMs } = decideDue(planned, clock)
    // It is looked at again when there is a free slot.
    if (job.overdue === 'run-all' && !slots.isFree(job) && scheduledForMs !== undefined) return
    job.state = { kind: 'idle' }
    if (on === 'wall') job.lastTickMs = lastMs
    if (skipped !== undefined) this.#dispatcher.miss(job, skipped)
    if (scheduledForMs !== undefined) this.#dispatcher.due(job, scheduledForMs)
    // A handler may have removed or replaced its own job, or ended the term.
    if (this.#isOver || jobs.get(job.id) !== job) return
    if (scheduledForMs === undefined && isFixedDelay(job)) job.anchorMs = clock.monotonicMs()
    this.#plan(job, afterTick(on, lastMs, clock))
  }

  /** A slot of a job is free, and runs the tick that waits for it. Whether one waited. */
  startQueued(jobId: string): boolean {
    return this.#dispatcher.startQueued(jobId)
  }

  /** A slot of a job is free, and no tick waits for it. With `idle`, all of its slots are. */
  slotFreed(job: Job, idle: boolean): void {
    const isRegistered = job.state.kind !== 'registering'
    if (idle && isFixedDelay(job)) {
      if (isRegistered) this.#plan(job)
    } else if (job.overdue === 'run-all') this.resume(job)
    // Of its last run it has turned out that it may not start.
    const isDueAgain = job.maxRuns !== undefined && plannedTickOf(job) === undefined && isRegistered
    if (isDueAgain) this.#plan(job)
    this.setTimer()
  }

  /** Finds the first tick after a moment, now unless it is given, and waits for it. */
  #plan(job: Job, from: Clocks = clocksOf(job, this.#deps.clock)): void {
    this.remove(job)
    job.state = { kind: 'idle' }
    if (isExhausted(job) || (isFixedDelay(job) && this.#deps.slots.takenOf(job.id) > 0)) return
    const next = nextTick(job, from)
    if (next === undefined) return
    const { on, tickMs, anchorMs } = next
    job.anchorMs = anchorMs
    this.#hold({ job, on, tickMs, dueMs: tickMs + this.#delayOf(job, tickMs), place: undefined })
    this.resume(job)
  }

  /** Knows the next tick of a job, and does not wait for it. */
  #hold(next: PlannedTick): void {
    this.#queues[next.on].remove(next)
    next.job.state = { kind: 'held', next }
  }

  #delayOf({ timing, jitterMs }: Job, tickMs: number): number {
    return delayOf(timing, tickMs, jitterMs, this.#deps.random)
  }
}
