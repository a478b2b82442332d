import type { Duration } from './duration.ts'
import { Instance, systemDeps, type InstanceDeps } from './instance/instance.ts'
import type { Term } from './instance/live-term.ts'
import type { HeartbeatRegistration } from './instance/register-heartbeat.ts'
import type { Health, Status } from './instance/status.ts'
import type { StoredSchedules } from './instance/stored-schedules.ts'
import type { RaiseTokenOutcome, ResignRequestOutcome } from './instance/store-reader.ts'
import type { TenureEventName, TenureListener } from './instance/tenure-events.ts'
import type { ReconfigurableOptions, Settings, TenureOptions } from './options.ts'
import type { JobOptions } from './schedule/job-options.ts'
import type { JobRecord, NextTicks } from './schedule/job.ts'
import type { Handler, RunRecord } from './schedule/run.ts'
import type { Schedule } from './schedule/schedule.ts'

/**
 * Makes a Tenure: at most one of all instances that share its lease leads at any time, and runs
 * the scheduled jobs.
 *
 * At most one, as long as clock *rates* differ by less than 1 % and the store keeps what it has
 * acknowledged; no wall clock of an application's machine matters. Beyond that bound, such as for a
 * process that is frozen between a check and a write, only the fencing token protects a resource,
 * and only if the resource checks it.
 *
 * Nothing is opened, started or listened to before `start()`.
 *
 * @throws TenureError with a code that names what is wrong about the options
 *
 * @example
 * ```ts
 * import { createTenure } from 'tenure'
 *
 * const tenure = createTenure({ store: 'sqlite:./tenure.db' })
 * await tenure.schedule('nightly', { cron: '0 3 * * *', timeZone: 'Europe/Berlin' }, async (run) => {
 *   run.log.info({ token: run.fencingToken }, 'the nightly job runs on this instance only')
 * })
 * await tenure.start()
 * ```
 */
export function createTenure(options: TenureOptions = { store: undefined }): Tenure {
  return new Tenure(options)
}

/** One instance's part in a lease: made by {@link createTenure}. */
export class Tenure {
  readonly #instance: Instance

  /** @internal Use {@link createTenure}. */
  constructor(options: TenureOptions, deps: InstanceDeps = systemDeps()) {
    this.#instance = new Instance(options, deps)
  }

  // ---- leadership ----

  /**
   * May new work start here? True only while this instance leads, from the acquisition to the soft
   * stop. It asks the clock each time, and allocates nothing of its own, so that it is right also in
   * the first statement after the event loop was blocked or the process was frozen.
   */
  get isLeader(): boolean {
    return this.#instance.leadership.leads
  }

  /** The term of this instance, until it is over: see {@link Term}. */
  get term(): Term | undefined {
    return this.#instance.leadership.term
  }

  /**
   * Calls `work` once in each term of this instance, with the term, whose signal is aborted when it
   * ends. Resolves when the Tenure is stopped. What `work` throws is logged, and it is called again
   * in the next term.
   *
   * @example
   * ```ts
   * void tenure.whileLeader(async (term) => {
   *   for await (const message of queue.listen({ signal: term.signal })) await handle(message)
   * })
   * ```
   */
  whileLeader(work: (term: Term) => unknown): Promise<void> {
    return this.#instance.leadership.whileLeader(work)
  }

  /**
   * Adds a listener; returns the function that removes it. A listener never delays a heartbeat.
   *
   * @throws TenureError `TENURE_ERR_OPTION_TYPE` if there is no such event
   */
  on<Name extends TenureEventName>(event: Name, listener: TenureListener<Name>): () => void {
    return this.#instance.events.add(event, listener, false)
  }

  /** Adds a listener for the next event of its kind only; as {@link Tenure.on} otherwise. */
  once<Name extends TenureEventName>(event: Name, listener: TenureListener<Name>): () => void {
    return this.#instance.events.add(event, listener, true)
  }

  /** Removes a listener that `on` or `once` has added; one that is not there is no error. */
  off<Name extends TenureEventName>(event: Name, listener: TenureListener<Name>): void {
    this.#instance.events.remove(event, listener)
  }

  /**
   * Gives leadership up: no new run starts, what runs may end within `drain`, and the lease is
   * released. For `coolDown` after that this instance is no candidate. Resolves when the term is
   * over; at once if this instance does not lead.
   *
   * @param options `coolDown`: default the ttl; `drain`: default the setting
   */
  resign(options: { coolDown?: Duration; drain?: Duration } = {}): Promise<void> {
    return this.#instance.leadership.resign(options)
  }

  /**
   * Asks the leader, whichever instance it is, to resign, and does not wait until it has. The request
   * is bound to its present term: a later leader is not concerned. Works without `start()`.
   *
   * @param options `coolDown`: for how long the leader is no candidate then; default the ttl
   */
  requestResign(options: { coolDown?: Duration } = {}): Promise<ResignRequestOutcome> {
    return this.#instance.reader.requestResign(options)
  }

  /**
   * Raises the counter of fencing tokens: the next term has a token above `to`. For a store that was
   * restored from an older state, when resources have seen higher tokens since, and so refuse the
   * writes of its leaders. A leader with a lower token is asked to resign. Works without `start()`.
   *
   * @param options `by`: who does it, for the log of that leader
   */
  raiseToken(options: { to: number; by: string }): Promise<RaiseTokenOutcome> {
    return this.#instance.reader.raiseToken(options)
  }

  // ---- jobs ----

  /**
   * Schedules a job: `handler` is called on each tick, on the instance that leads. Every instance
   * schedules the same jobs, before or after `start()`.
   *
   * @param id stable and unique; a job with the same id is replaced, or what `onConflict` says
   * @throws TenureError naming what is wrong with the id, the schedule, the handler or an option
   *
   * @example
   * ```ts
   * await tenure.schedule('purge', { every: '30s' }, async (run) => {
   *   await purgeExpiredSessions({ signal: run.signal })
   * }, { timeout: '20s' })
   * ```
   */
  schedule<Data>(
    id: string,
    schedule: Schedule,
    handler: Handler<Data>,
    options: JobOptions<Data> & { readonly data: Data },
  ): Promise<void>
  /** Without `data`: a handler that expects some does not compile. */
  schedule<Data = undefined>(
    id: string,
    schedule: Schedule,
    handler: Handler<Data>,
    ...options: undefined extends Data
      ? [options?: JobOptions<Data>]
      : [options: JobOptions<Data> & { readonly data: Data }]
  ): Promise<void>
  async schedule(id: string, schedule: Schedule, handler: unknown, options = {}): Promise<void> {
    this.#instance.jobs.scheduler.schedule(id, schedule, handler, options)
  }

  /**
   * Forgets a job that was scheduled with a function, on this instance; a run in progress is left to
   * end. A stored job is removed by {@link StoredSchedules.unschedule}.
   *
   * @throws TenureError `TENURE_ERR_JOB_UNKNOWN`
   */
  async unschedule(id: string): Promise<void> {
    this.#instance.jobs.scheduler.remove(id)
  }

  /**
   * Gives the handler of jobs that are stored while the application runs, which call it by its name.
   * Every instance gives the same ones, before or after `start()`.
   *
   * @throws TenureError `TENURE_ERR_OPTION_TYPE`
   *
   * @example
   * ```ts
   * tenure.handle<{ customer: string }>('send-report', async (run) => {
   *   await sendReport(run.data.customer, { signal: run.signal })
   * })
   * // Later, on any instance, when a user asks for it:
   * const data = { customer: 'acme' }
   * await tenure.stored.schedule('report:acme', { cron: '0 8 * * MON' }, 'send-report', { data })
   * ```
   */
  handle<Data = undefined>(name: string, handler: Handler<Data>): void {
    this.#instance.jobs.handle(name, handler)
  }

  /** The jobs that are kept in the store: see {@link StoredSchedules}. */
  get stored(): StoredSchedules {
    return this.#instance.jobs.stored
  }

  /**
   * Lets the ticks of a job pass without a run, on whichever instance leads, until it is resumed: the
   * ledger records that. A leader that is another instance follows within a heartbeat interval, or a
   * second if it has handlers of stored jobs. A job with `ledger: false` is paused on this instance
   * only.
   *
   * @throws TenureError `TENURE_ERR_JOB_UNKNOWN`, or why the store does not answer: nothing is paused
   * then
   */
  pause(id: string): Promise<void> {
    return this.#instance.jobs.setPaused(id, true)
  }

  /** Takes `pause` back: the job is run again, from its next tick on. What it missed is overdue. */
  resume(id: string): Promise<void> {
    return this.#instance.jobs.setPaused(id, false)
  }

  /**
   * Runs a job now, once, on this instance, which has to lead; also the heartbeat's, and one that is
   * paused. Resolves with the run when it has ended, however it ended, or is lost.
   *
   * @param data instead of the job's own
   * @throws TenureError `TENURE_ERR_NOT_LEADER`, `TENURE_ERR_JOB_UNKNOWN`, `TENURE_ERR_JOB_RUNNING`
   */
  runNow(id: string, data?: unknown): Promise<RunRecord> {
    return this.#instance.jobs.scheduler.runNow(id, data)
  }

  /** All jobs with their last and next runs, the heartbeat's first. */
  jobs(): JobRecord[] {
    return this.#instance.jobs.scheduler.records()
  }

  /**
   * The next ticks of a job, by its schedule alone: whether or not this instance leads, or has been
   * started.
   *
   * @param count how many, from 1 to 1000
   * @throws TenureError `TENURE_ERR_JOB_UNKNOWN`, `TENURE_ERR_OPTION_TYPE`
   *
   * @example
   * ```ts
   * for (const ms of tenure.nextTicks('nightly', 3).atMs) console.log(new Date(ms))
   * ```
   */
  nextTicks(id: string, count: number = 5): NextTicks {
    return this.#instance.jobs.scheduler.nextTicks(id, count)
  }

  /**
   * Puts the heartbeat among the jobs, in the place of itself if it is there. `start()` calls it; for
   * an application that may or may not have a Tenure there is `registerHeartbeat(app)`.
   */
  registerHeartbeat(): HeartbeatRegistration {
    return this.#instance.registerHeartbeat()
  }

  /**
   * Has a process group end with this process, however that ends, before its lease is released: for
   * those who run a command only while they lead. The witness sends it SIGKILL, so that a `kill -9`
   * of the supervisor leaves no orphan working beside the next leader. Without a witness nothing
   * ends the group; the lease expires then.
   *
   * @param group `'starting'` before a command is started, `undefined` when nothing of it is left
   * (ids are used again), and in between the id of a group of its own, as `spawn` makes it with
   * `detached`: the command's process id
   * @throws TenureError `TENURE_ERR_OPTION_TYPE`
   *
   * @example
   * ```ts
   * tenure.guardProcessGroup('starting')
   * const command = spawn('./backup.sh', { detached: true })
   * tenure.guardProcessGroup(command.pid)
   * command.once('exit', () => tenure.guardProcessGroup(undefined))
   * ```
   */
  guardProcessGroup(group: number | 'starting' | undefined): void {
    this.#instance.guardProcessGroup(group)
  }

  // ---- settings and status ----

  /** The settings in force now: options over the environment (`TENURE_*`) over defaults. */
  get settings(): Settings {
    return this.#instance.settings
  }

  /**
   * Changes settings while running; the next firing of the heartbeat uses them.
   *
   * @throws TenureError `TENURE_ERR_RECONFIGURE` for a setting that is fixed, and the errors of
   * `createTenure` for a value that is wrong; nothing is changed then
   *
   * @example
   * ```ts
   * tenure.reconfigure({ ttl: '30s', heartbeat: '10s' })
   * ```
   */
  reconfigure(changes: ReconfigurableOptions): void {
    this.#instance.reconfigure(changes)
  }

  /**
   * Whether the heartbeat works, at once and without asking the store: for probes. That this instance
   * does not lead is no fault.
   */
  get health(): Health {
    return this.#instance.health
  }

  /**
   * This instance, and the lease as it is in the store. Works without `start()`, and answers also
   * if the store does not: see `storeError`.
   */
  status(): Promise<Status> {
    return this.#instance.status()
  }

  // ---- start and stop ----

  /**
   * Becomes a candidate, unless it is not `eligible`. Resolves when the heartbeat runs, not when
   * this instance leads; and when a `stop()` that is called meanwhile has its way. A store that cannot
   * be reached is no error here: it is logged, and tried again. One that failed may be called again.
   *
   * @throws TenureError if waiting would not help, such as for a store module that is missing
   */
  start(): Promise<void> {
    return this.#instance.start()
  }

  /**
   * Stops: no new run starts, what runs may end within `drain` and is aborted then, the lease is
   * released, and nothing of this Tenure is left: no thread, timer or handle. Work that outlasts
   * even its abort keeps the lease from being released; then it expires, or the process ends.
   *
   * It takes no longer than `drain`, `stopGrace` and three attempts together. Calling it again, or
   * without `start()`, is fine; a `start()` that is called meanwhile starts after it. If the term ends
   * already, because it was resigned, what runs may end within the shorter of the two drains.
   */
  stop(options: { drain?: Duration } = {}): Promise<void> {
    return this.#instance.stop(options)
  }
}
