import { hostname } from 'node:os'

import { applicationOf, placeOfProcess, warnOfUnknownApplication } from './instance/application.ts'
import { checkFunction, checkKeys, checkName, checkProcessGroup } from './options/check.ts'
import { createSystemClock, type Clock, type Timer } from './clock.ts'
import { defectsTo, shieldedClock, type TellDefect } from './invariant.ts'
import { durationOr, type Duration } from './duration.ts'
import { messageOf } from './errors.ts'
import { Emitter } from './events.ts'
import { deathOf, recordOfError, type Report } from './heart/messages.ts'
import { runHeart, type RunHeart } from './heart/running-heart.ts'
import type { ExitingProcess } from './heart/exits.ts'
import { Supervisor } from './heart/supervisor.ts'
import { HeartbeatJob } from './instance/heartbeat-job.ts'
import { tellIgnoredParameters } from './instance/ignored-parameters.ts'
import { countInstance } from './instance/instances.ts'
import { JobsHash } from './instance/jobs-hash.ts'
import { Leadership } from './instance/leadership.ts'
import { LedgerClient } from './instance/ledger-client.ts'
import type { Term } from './instance/live-term.ts'
import { Log } from './log.ts'
import {
  checkReconfigurable,
  checkTtlOfStore,
  pickReconfigurable,
  resolveFixed,
  resolveRunning,
  resolveStore,
  SettingsInForce,
  type FixedSettings,
  type ReconfigurableOptions,
  type ResolvedStore,
  type Settings,
  type TenureOptions,
} from './options.ts'
import { StartStop } from './instance/start-stop.ts'
import { Patience } from './instance/patience.ts'
import type { HeartbeatRegistration } from './instance/register-heartbeat.ts'
import { LedgerWriter } from './schedule/ledger-writer.ts'
import type { JobRecord, NextTicks } from './schedule/job.ts'
import type { JobOptions } from './schedule/job-options.ts'
import { checkHandler, type Handler, type RunRecord } from './schedule/run.ts'
import type { Schedule } from './schedule/schedule.ts'
import type { RunningTerm } from './schedule/runner.ts'
import { Scheduler } from './schedule/scheduler.ts'
import { cannotStart, startCoolDownMs, StartFailures } from './schedule/start-failures.ts'
import { StoredJobs } from './schedule/stored-jobs.ts'
import {
  witnessStatusOf,
  type Health,
  type HeartbeatFault,
  type Role,
  type Status,
} from './instance/status.ts'
import { StoredSchedules, type StoredJob } from './instance/stored-schedules.ts'
import { StoreReader, type ResignRequestOutcome } from './instance/store-reader.ts'
import { takeStatus } from './instance/take-status.ts'
import { checkListener, type TenureEvents, type TenureListener } from './instance/tenure-events.ts'

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
  return new Tenure(options, systemParts(createSystemClock()))
}

/** What a Tenure has from the process around it. A simulator brings its own. */
export interface TenureParts {
  readonly clock: Clock
  readonly process: ExitingProcess
  readonly runHeart: RunHeart
  /** From 0 to below 1: for the jitter of jobs. */
  readonly random: () => number
  /** Is told of a defect instead of the log. */
  readonly tellDefect?: TellDefect
}

/** The parts of a Tenure of this process, with a clock that may be another than the machine's. */
export function systemParts(clock: Clock): TenureParts {
  return { clock, process, runHeart, random: Math.random }
}

/** One instance's part in a lease: made by {@link createTenure}. */
export class Tenure {
  readonly #parts: TenureParts
  /** What code of ours throws where nobody can catch it ends nothing of the application. */
  readonly #tellDefect: TellDefect = (error) =>
    (this.#parts.tellDefect ?? defectsTo((...line) => this.#log.write(...line)))(error)
  readonly #clock: Clock
  readonly #fixed: FixedSettings
  readonly #store: ResolvedStore
  readonly #settings: SettingsInForce
  readonly #reader: StoreReader
  readonly #log: Log
  readonly #emitter: Emitter<TenureEvents>
  readonly #scheduler: Scheduler
  readonly #heartbeat: HeartbeatJob
  readonly #leadership: Leadership
  readonly #whileLeaderEnds = new Set<() => void>()
  #heart: Supervisor | undefined
  #guardedGroup: number | 'starting' | undefined
  #ttlMsMin = 0
  /** Whether it was said that the application has no name: once is enough. */
  #warned = false
  #startedAtMs: number | undefined
  /** Why the heartbeat does not work, while it does not. */
  #fault: HeartbeatFault | undefined
  readonly #startStop = new StartStop()
  /** The end of a heart whose term could not be drained: it outlives `stop()`. */
  #lastHeart: Promise<void> | undefined
  #ready = Promise.withResolvers<void>()
  #ledger: LedgerClient | undefined
  readonly #jobsHash = new JobsHash()
  /** The highest fencing token that the store has told: what is acquired next is above it. */
  readonly #known: { token?: number } = {}
  readonly #storedSchedules: StoredSchedules
  readonly #storedJobs: StoredJobs
  #jobsTimer: Timer | undefined
  readonly #startFailures = new StartFailures({
    resign: (token, failures) => this.#resignUnableToStart(token, failures),
  })

  /** @internal Use {@link createTenure}. */
  constructor(options: TenureOptions, parts: TenureParts) {
    const clock = shieldedClock(parts.clock, this.#tellDefect)
    this.#parts = { ...parts, clock }
    this.#clock = clock
    this.#fixed = resolveFixed(options, process.env, () => applicationOf(placeOfProcess()))
    this.#store = resolveStore(options, process.env)
    this.#settings = new SettingsInForce(this.#fixed, pickReconfigurable(options), process.env)
    this.#reader = new StoreReader(this.#store, this.#fixed.lease, clock)
    const log = new Log(clock, this.#fixed.lease, options.logger)
    this.#log = log
    this.#emitter = new Emitter((event, error) =>
      log.write('listener_failed', { event, error: messageOf(error), err: error }),
    )
    this.#scheduler = new Scheduler({
      clock,
      random: parts.random,
      log: (event, fields) => log.write(event, fields),
      loggerWith: (fields) => log.loggerWith(fields),
      onRun: (event, run) => this.#emitter.emit(event, { run }),
      ledgerOf: (term) => this.#ledgerOf(term),
      onJob: (...change) => this.#tellJobs(...change),
      keep: this.#fixed.keep,
      followedRevision: () => this.#storedJobs.revision,
      onNeed: () => this.#storedJobs.needed(),
    })
    this.#storedJobs = new StoredJobs({
      clock,
      scheduler: this.#scheduler,
      lease: this.#fixed.lease,
      port: () => this.#ledger?.port,
      heartbeatMs: () => this.settings.heartbeatMs,
      onFault: (error, retryMs) => this.#ledgerFailed(error, retryMs),
      log: (event, fields) => log.write(event, fields),
    })
    this.#storedSchedules = new StoredSchedules({
      store: this.#store,
      lease: this.#fixed.lease,
      clock,
      timeoutMs: () => this.settings.attemptTimeoutMs,
      isOwn: (id) => this.#scheduler.isOwn(id),
      jobs: this.#storedJobs,
    })
    this.#leadership = new Leadership({
      clock,
      settings: () => this.settings,
      send: (command) => this.#heart?.send(command),
      log: (event, fields) => log.write(event, fields),
      onBegin: (term) => {
        this.#heartbeat.begin(clock.wallMs())
        this.#storedJobs.begin()
        this.#scheduler.begin(term)
        this.#emitter.emit('term:acquired', { term })
      },
      onSoftStop: () => {
        this.#storedJobs.end()
        this.#scheduler.end()
      },
      onEnd: (term, reason) => {
        this.#heartbeat.end(term.fencingToken)
        this.#emitter.emit('term:lost', { term, reason })
      },
      tellDefect: this.#tellDefect,
    })
    this.#heartbeat = new HeartbeatJob({
      clock,
      heartbeatMs: () => this.settings.heartbeatMs,
      leads: () => this.isLeader,
      beat: (correlationId) => this.#heart?.send({ kind: 'beat', correlationId }),
    })
  }

  // ---- leadership ----

  /**
   * May new work start here? True only while this instance leads, from the acquisition to the soft
   * stop. It asks the clock each time, and allocates nothing of its own, so that it is right also in the first
   * statement after the event loop was blocked or the process was frozen.
   */
  get isLeader(): boolean {
    const term = this.#leadership.term
    return term !== undefined && term.leads
  }

  /** The term of this instance, until it is over: see {@link Term}. */
  get term(): Term | undefined {
    return this.#leadership.term
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
    checkFunction(work, 'work')
    const remove = this.#leadership.whileLeader(work)
    return new Promise((resolve) => {
      this.#whileLeaderEnds.add(() => {
        remove()
        resolve()
      })
    })
  }

  /**
   * Adds a listener; returns the function that removes it. A listener never delays a heartbeat.
   *
   * @throws TenureError `TENURE_ERR_OPTION_TYPE` if there is no such event
   */
  on<Name extends keyof TenureEvents>(event: Name, listener: TenureListener<Name>): () => void {
    checkListener(event, listener)
    return this.#emitter.on(event, listener)
  }

  /** Adds a listener for the next event of its kind only; as {@link Tenure.on} otherwise. */
  once<Name extends keyof TenureEvents>(event: Name, listener: TenureListener<Name>): () => void {
    checkListener(event, listener)
    return this.#emitter.once(event, listener)
  }

  /** Removes a listener that `on` or `once` has added; one that is not there is no error. */
  off<Name extends keyof TenureEvents>(event: Name, listener: TenureListener<Name>): void {
    checkListener(event, listener)
    this.#emitter.off(event, listener)
  }

  /**
   * Gives leadership up: no new run starts, what runs may end within `drain`, and the lease is
   * released. For `coolDown` after that this instance is no candidate. Resolves when the term is
   * over; at once where this instance does not lead.
   *
   * @param options `coolDown`: default the ttl; `drain`: default the setting
   */
  async resign(options: { coolDown?: Duration; drain?: Duration } = {}): Promise<void> {
    checkKeys(options, 'options', ['coolDown', 'drain'])
    const { ttlMs, drainMs } = this.settings
    const coolDownMs = durationOr(ttlMs, options.coolDown, 'coolDown')
    this.#leadership.drainMs = durationOr(drainMs, options.drain, 'drain')
    this.#heart?.send({ kind: 'resign', coolDownMs })
    await this.#leadership.whenEnded()
  }

  /**
   * Asks the leader, whichever instance it is, to resign, and does not wait until it has. The wish
   * is bound to its present term: a leader that comes later is not concerned. Works without
   * `start()`.
   *
   * @param options `coolDown`: for how long the leader is no candidate then; default the ttl
   */
  requestResign(options: { coolDown?: Duration } = {}): Promise<ResignRequestOutcome> {
    checkKeys(options, 'options', ['coolDown'])
    const { ttlMs, attemptTimeoutMs, label } = this.settings
    const coolDownMs = durationOr(ttlMs, options.coolDown, 'coolDown')
    const by = label ?? `${hostname()}:${process.pid}`
    return this.#reader.requestResign({ by, coolDownMs }, attemptTimeoutMs)
  }

  /**
   * Raises the counter of fencing tokens: the next term has a token above `to`. For a store that was
   * restored from an older state, when resources have seen higher tokens since, and so refuse the
   * writes of its leaders. A leader with a lower token is asked to resign. Works without `start()`.
   *
   * @param options `by`: who does it, for the log of that leader
   */
  raiseToken(options: { to: number; by: string }): ReturnType<StoreReader['raiseToken']> {
    return this.#reader.raiseToken(options, this.settings.attemptTimeoutMs)
  }

  // ---- jobs ----

  /**
   * Schedules a job: `handler` is called on each tick, on the instance that leads. Every instance
   * schedules the same jobs, before or after `start()`.
   *
   * With the name of a handler, see {@link Tenure.handle}, the job is kept in the store: any instance
   * may store it at any time, whichever leads runs it, and it outlives every deploy. The leader
   * follows within a second. What it is given, such as `data`, has to be what JSON can hold.
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
  /** By the name of a handler: what data that expects nobody knows here. */
  schedule<Data>(
    id: string,
    schedule: Schedule,
    handler: string,
    options?: JobOptions<Data>,
  ): Promise<void>
  async schedule(
    id: string,
    schedule: Schedule,
    handler: ((run: never) => unknown) | string,
    options: object = {},
  ): Promise<void> {
    if (typeof handler !== 'string') return this.#scheduler.schedule(id, schedule, handler, options)
    return this.#storedSchedules.put({ id, schedule, handler, options })
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
   * await tenure.schedule('report:acme', { cron: '0 8 * * MON' }, 'send-report', { data })
   * ```
   */
  handle<Data = undefined>(name: string, handler: Handler<Data>): void {
    const known = checkName(name, 'name', 'TENURE_ERR_OPTION_TYPE')
    const call = checkHandler(handler)
    if (!this.#storedJobs.names.includes(known)) {
      // An instance that has not the leader's handlers has not the leader's jobs.
      this.#tellJobs(`handler ${known}`, undefined, 'handler')
    }
    this.#storedJobs.handle(known, call)
  }

  /**
   * Forgets a job: of this instance, if it was scheduled with a function; else the stored one, which
   * no instance runs any more. A run of it that goes on is left to end.
   *
   * @throws TenureError `TENURE_ERR_JOB_UNKNOWN`
   */
  async unschedule(id: string): Promise<void> {
    if (await this.#storedSchedules.remove(id)) return
    this.#scheduler.remove(id)
  }

  /** The jobs that are kept in the store, whoever has stored them, by when they were changed last. */
  storedJobs(): Promise<StoredJob[]> {
    return this.#storedSchedules.list()
  }

  /**
   * Lets the ticks of a job pass without a run, on whichever instance leads, until it is resumed:
   * that stands in the ledger. A leader that is another instance follows within a heartbeat interval,
   * or a second where it has handlers of stored jobs. A job with `ledger: false` is paused on this
   * instance only.
   *
   * @throws TenureError `TENURE_ERR_JOB_UNKNOWN`, or why the store does not answer: nothing is paused
   * then
   */
  pause(id: string): Promise<void> {
    return this.#setPaused(id, true)
  }

  /** Takes `pause` back: the job is run again, from its next tick on. What it missed is overdue. */
  resume(id: string): Promise<void> {
    return this.#setPaused(id, false)
  }

  async #setPaused(id: string, paused: boolean): Promise<void> {
    const isKnown =
      this.#scheduler.isPausedByLedger(id) && (await this.#storedSchedules.setPaused(id, paused))
    // A stored job is known to the leader only.
    if (!isKnown || this.#scheduler.isOwn(id)) this.#scheduler.setPaused(id, paused)
  }

  /**
   * Lets the ticks of all jobs pass without a run, on this instance, also of those that are scheduled
   * later. The heartbeat goes on.
   */
  async pauseAll(): Promise<void> {
    this.#scheduler.setAllPaused(true)
  }

  /** Takes `pauseAll` back. A job that was paused by itself stays paused. */
  async resumeAll(): Promise<void> {
    this.#scheduler.setAllPaused(false)
  }

  /**
   * Runs a job now, once, on this instance, which has to lead; also the heartbeat's, and one that is
   * paused. Resolves with the run when it has ended, however it ended, or is lost.
   *
   * @param data instead of the job's own
   * @throws TenureError `TENURE_ERR_NOT_LEADER`, `TENURE_ERR_JOB_UNKNOWN`, `TENURE_ERR_JOB_RUNNING`
   */
  runNow(id: string, data?: unknown): Promise<RunRecord> {
    return this.#scheduler.runNow(id, data)
  }

  /** All jobs with their last and next runs, the heartbeat's first. */
  jobs(): JobRecord[] {
    return this.#scheduler.records()
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
    return this.#scheduler.nextTicks(id, count)
  }

  /**
   * Puts the heartbeat among the jobs, in the place of itself if it stands there. `start()` calls
   * it; for an application that may or may not have a Tenure there is `registerHeartbeat(app)`.
   */
  registerHeartbeat(): HeartbeatRegistration {
    if (this.#startedAtMs === undefined) return 'pending'
    this.#scheduler.putSystem(this.#heartbeat)
    const intervalSeconds = this.settings.heartbeatMs / 1_000
    this.#log.write('scheduler_lock_heartbeat_scheduled', { intervalSeconds })
    return 'scheduled'
  }

  /**
   * Has a process group end with this process, however that ends, before its lease is released: for
   * those who run a command only while they lead. The witness sends it SIGKILL, so that a `kill -9`
   * of the supervisor leaves no orphan that goes on working beside the next leader. Where there is
   * no witness nobody does; the lease expires then.
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
    checkProcessGroup(group)
    this.#guardedGroup = group
    this.#heart?.guard(group)
  }

  // ---- settings and status ----

  /** The settings in force now: options over the environment (`TENURE_*`) over defaults. */
  get settings(): Settings {
    return this.#settings.current
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
    checkReconfigurable(changes)
    const options = { ...this.#settings.options, ...changes }
    checkTtlOfStore(resolveRunning(options, process.env).ttlMs, this.#ttlMsMin)
    this.#settings.options = options
    this.#heart?.reconfigure(options)
  }

  /**
   * Whether the heartbeat works, at once and without asking the store: for probes. That this instance
   * does not lead is no fault.
   */
  get health(): Health {
    return { role: this.#role(), fault: this.#fault }
  }

  /**
   * This instance, and the lease as it stands in the store. Works without `start()`, and answers
   * also where the store does not: see `storeError`.
   */
  status(): Promise<Status> {
    return takeStatus({
      clock: this.#clock,
      settings: this.settings,
      reader: this.#reader,
      scheduler: this.#scheduler,
      heartbeat: this.#heartbeat,
      log: this.#log,
      jobsHash: this.#jobsHash,
      own: () => ({
        role: this.#role(),
        term: this.term,
        fault: this.#fault,
        startedAtMs: this.#startedAtMs,
        witness: witnessStatusOf(this.#heart?.witness, this.#fixed),
      }),
    })
  }

  #role(): Role {
    if (this.#startedAtMs === undefined) return 'stopped'
    if (this.isLeader) return 'leader'
    if (this.#leadership.term !== undefined) return 'ending'
    return this.settings.eligible ? 'candidate' : 'observer'
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
    return this.#startStop.start((stopCalled) => this.#start(stopCalled))
  }

  /**
   * Stops: no new run starts, what runs may end within `drain` and is aborted then, the lease is
   * released, and nothing of this Tenure is left: no thread, timer or handle. Work that outlasts
   * even its abort keeps the lease from being released; then it expires, or the process ends.
   *
   * It takes no longer than `drain`, `stopGrace` and three attempts together. Calling it again, or
   * without `start()`, is fine; a `start()` that is called meanwhile starts after it. Of a term that ends already, because it was
   * resigned, what runs may end within the shorter of the two drains.
   */
  stop(options: { drain?: Duration } = {}): Promise<void> {
    checkKeys(options, 'options', ['drain'])
    const drainMs = durationOr(this.settings.drainMs, options.drain, 'drain')
    return this.#startStop.stop(() => this.#stop(drainMs))
  }

  async #start(stopCalled: Promise<void>): Promise<void> {
    let isStopCalled = false
    const stopped = stopCalled.then(() => void (isStopCalled = true))
    // The last term could not be drained, and has not ended yet.
    this.#heart?.keepAlive(true)
    await Promise.race([this.#lastHeart, stopped])
    if (isStopCalled) return this.#heart?.keepAlive(false)
    this.#ready = Promise.withResolvers()
    const uncount = countInstance(this.#fixed, this.#log)
    if (!this.#warned) warnOfUnknownApplication(this.#fixed, this.#log)
    this.#warned = true
    tellIgnoredParameters(this.#store, this.#log)
    const config = {
      store: this.#store,
      fixed: this.#fixed,
      options: this.#settings.options,
      jobsHash: this.#jobsHash.value,
    }
    const heart = new Supervisor(config, {
      ...this.#parts,
      stallLimitMs: () => this.settings.stallLimitMs,
      known: this.#known,
      report: (report) => this.#hear(report),
      // Timers of a machine that was suspended are late by that: its first pulse notices.
      onPulse: () => this.#leadership.look(),
      restarting: (error, retryMs) => {
        const { error: code, message } = error
        this.#log.write('heart_died', { error: code, message, retryMs })
        this.#fault = { sinceMs: this.#clock.wallMs(), error: code, message }
        this.#ledger?.heartDied()
        this.#leadership.look()
      },
      log: (event, fields) => this.#log.write(event, fields),
      tellDefect: this.#tellDefect,
    })
    this.#heart = heart
    this.#ledger = new LedgerClient((command) => heart.send(command))
    this.#lastHeart = heart.over.then(() => {
      uncount()
      this.#ledger?.close()
      this.#heart = undefined
      this.#lastHeart = undefined
    })
    heart.start()
    heart.guard(this.#guardedGroup)
    try {
      await Promise.race([this.#ready.promise, stopped])
    } catch (error) {
      await heart.stop(() => 0)
      await this.#lastHeart
      throw error
    }
    if (isStopCalled) return
    this.#startedAtMs = this.#clock.wallMs()
    this.registerHeartbeat()
  }

  /** Tells the heart of other jobs, once for all that are scheduled in one turn. */
  #tellJobs(...change: Parameters<JobsHash['changed']>): void {
    this.#jobsHash.changed(...change)
    if (this.#heart === undefined || this.#jobsTimer !== undefined) return
    this.#jobsTimer = this.#clock.setTimer(0, () => {
      this.#jobsTimer = undefined
      this.#heart?.tellJobs(this.#jobsHash.value)
    })
  }

  /** Writes the ledger in a term; what cannot be written at once is told. */
  #ledgerOf(term: RunningTerm): LedgerWriter | undefined {
    const port = this.#ledger?.port
    if (port === undefined) return undefined
    return new LedgerWriter({
      port,
      clock: this.#clock,
      lease: this.#fixed.lease,
      token: term.fencingToken,
      leads: () => term.leads,
      newTrial: () =>
        this.#startFailures.trialOf(
          term.fencingToken,
          () => term.leads && !this.#startStop.isStopping,
        ),
      onFault: (error, retryMs) => this.#ledgerFailed(error, retryMs),
    })
  }

  #ledgerFailed(error: unknown, retryMs: number): void {
    const { error: code, message } = recordOfError(error)
    this.#log.write('ledger_failed', { error: code, retryMs, message })
  }

  #resignUnableToStart(token: number, failures: number): void {
    const coolDownMs = startCoolDownMs
    this.#log.write('jobs_cannot_start', { token, failures, coolDownMs, message: cannotStart })
    this.#heart?.send({ kind: 'resign', coolDownMs })
  }

  async #stop(drainMs: number): Promise<void> {
    for (const end of this.#whileLeaderEnds) end()
    this.#whileLeaderEnds.clear()
    const endMs = this.#clock.monotonicMs() + this.#leadership.stopPatienceMs(drainMs)
    const heart = this.#heart
    if (heart !== undefined) {
      this.#leadership.drainMs = drainMs
      const stopped = heart.stop(() => this.#leadership.stopPatienceMs(drainMs))
      const undrained = this.#leadership.whenUndrained().then(() => heart.keepAlive(false))
      await Promise.race([stopped.then(() => this.#leadership.abandon()), undrained])
    }
    await this.#closeConnections(endMs)
    this.#startedAtMs = undefined
    this.#fault = undefined
  }

  /** Closes what looks at the store from outside; one that does not answer is not waited for. */
  async #closeConnections(endMs: number): Promise<void> {
    const closings = [this.#reader.close(), this.#storedSchedules.close()]
    const closed = Promise.allSettled(closings).then(() => {})
    await new Patience(this.#clock, Math.max(0, endMs - this.#clock.monotonicMs())).awaits(closed)
  }

  #hear(report: Report): void {
    switch (report.kind) {
      case 'ready':
        this.#ttlMsMin = report.ttlMsMin
        this.#fault = undefined
        return this.#ready.resolve()
      case 'died':
        return this.#ready.reject(deathOf(report.error))
      case 'acquired': {
        const cell = this.#heart?.cell
        return cell && this.#leadership.acquired(cell, report)
      }
      case 'heartbeat': {
        this.#heartbeat.heard(report)
        const { term } = this
        if (report.outcome === 'renewed') this.#startFailures.renewed()
        if (report.outcome === 'renewed' && term) this.#emitter.emit('term:renewed', { term })
        return
      }
      case 'store':
        this.#fault = report.fault && { sinceMs: report.atMs, ...report.fault }
        return
      case 'ending':
        return this.#leadership.ending(report)
      case 'ended':
        return this.#leadership.ended(report)
      case 'ledger':
        return this.#ledger?.hear(report.id, report.answer)
      case 'jobs-differ': {
        const { kind: _, ...difference } = report
        return this.#emitter.emit('jobs:differ', { difference })
      }
      case 'lines':
        this.#log.lines(report.lines)
        this.#heart?.send({ kind: 'lines-logged' })
        return
      case 'stopped':
    }
  }
}
