import { createSystemClock, type Clock, type Timer } from '../clock.ts'
import { durationOr, type Duration } from '../duration.ts'
import { messageOf } from '../errors.ts'
import type { ExitingProcess } from '../heart/exits.ts'
import { deathOf, type ErrorRecord } from '../heart/error-record.ts'
import type { Report } from '../heart/messages.ts'
import { runHeart, type RunHeart } from '../heart/running-heart.ts'
import { Supervisor } from '../heart/supervisor.ts'
import { defectsTo, shieldedClock, type TellDefect } from '../invariant.ts'
import { Log } from '../log.ts'
import {
  resolveFixed,
  resolveRunning,
  resolveStore,
  type FixedSettings,
  type ReconfigurableOptions,
  type ResolvedStore,
  type Settings,
  type TenureOptions,
} from '../options.ts'
import { checkKeys, checkProcessGroup } from '../options/check.ts'
import { checkTtlOfStore } from '../options/relations.ts'
import {
  checkReconfigurable,
  pickReconfigurable,
  SettingsInForce,
} from '../options/settings-in-force.ts'
import { applicationOf, placeOfProcess } from './application.ts'
import { Deadline } from './deadline.ts'
import { HeartbeatJob } from './heartbeat-job.ts'
import { Jobs } from './jobs.ts'
import { Leadership } from './leadership.ts'
import { LedgerClient } from './ledger-client.ts'
import type { LiveTerm } from './live-term.ts'
import type { HeartbeatRegistration } from './register-heartbeat.ts'
import { StartStop } from './start-stop.ts'
import { countInstance, tellIgnoredParameters, warnOfUnknownApplication } from './start-warnings.ts'
import {
  witnessStatusOf,
  type Health,
  type HeartbeatFault,
  type Role,
  type Status,
} from './status.ts'
import { StoreReader } from './store-reader.ts'
import { takeStatus } from './take-status.ts'
import { TenureEmitter } from './tenure-events.ts'

/** What an instance has from the process around it. A simulator brings its own. */
export interface InstanceDeps {
  readonly clock: Clock
  readonly process: ExitingProcess
  readonly runHeart: RunHeart
  /** From 0 to below 1: for the jitter of jobs. */
  readonly random: () => number
  /** Is told of a defect instead of the log. */
  readonly tellDefect?: TellDefect
}

/** The dependencies of an instance of this process, with a clock that may be another than the machine's. */
export function systemDeps(clock: Clock = createSystemClock()): InstanceDeps {
  return { clock, process, runHeart, random: Math.random }
}

/**
 * One instance's part in a lease: starts and stops its heart, hears what that reports, and hands it
 * to the leadership, the jobs and the application's listeners.
 */
export class Instance {
  readonly events: TenureEmitter
  readonly jobs: Jobs
  readonly leadership: Leadership
  readonly reader: StoreReader
  readonly #deps: InstanceDeps
  /** What code of ours throws where nobody can catch it ends nothing of the application. */
  readonly #tellDefect: TellDefect = (error) =>
    (this.#deps.tellDefect ?? defectsTo((...line) => this.#log.write(...line)))(error)
  readonly #clock: Clock
  readonly #fixed: FixedSettings
  readonly #store: ResolvedStore
  readonly #settings: SettingsInForce
  readonly #log: Log
  readonly #heartbeat: HeartbeatJob
  readonly #startStop = new StartStop()
  /** From a start to the end of what it began, which may come after a stop. */
  #heart: Supervisor | undefined
  /** The end of a heart whose term could not be drained: it outlives `stop()`. */
  #lastHeart: Promise<void> | undefined
  #ready = Promise.withResolvers<void>()
  #ledger: LedgerClient | undefined
  #guardedGroup: number | 'starting' | undefined
  #hashTimer: Timer | undefined
  #ttlMsMin = 0
  /** Whether it was said that the application has no name: once is enough. */
  #warned = false
  #startedAtMs: number | undefined
  /** Why the heartbeat does not work, while it does not. */
  #fault: HeartbeatFault | undefined
  /** The highest fencing token that the store has told: what is acquired next is above it. */
  readonly #known: { token?: number } = {}

  constructor(options: TenureOptions, deps: InstanceDeps) {
    const clock = shieldedClock(deps.clock, this.#tellDefect)
    this.#deps = { ...deps, clock }
    this.#clock = clock
    const fixed = resolveFixed(options, process.env, () => applicationOf(placeOfProcess()))
    const store = resolveStore(options, process.env)
    const settings = (): Settings => this.settings
    this.#fixed = fixed
    this.#store = store
    this.#settings = new SettingsInForce(fixed, pickReconfigurable(options), process.env)
    this.reader = new StoreReader(store, clock, settings)
    const log = new Log(clock, fixed.lease, options.logger)
    this.#log = log
    this.events = new TenureEmitter((event, error) =>
      log.write('listener_failed', { event, error: messageOf(error), err: error }),
    )
    this.jobs = new Jobs({
      clock,
      random: deps.random,
      log,
      store,
      fixed,
      settings,
      isStopping: () => this.#startStop.isStopping,
      resign: (coolDownMs) => this.#heart?.send({ kind: 'resign', coolDownMs }),
      onHash: () => this.#tellHash(),
      onRun: (event, run) => this.events.emit(event, { run }),
    })
    this.leadership = this.#newLeadership()
    this.#heartbeat = new HeartbeatJob({
      clock,
      heartbeatMs: () => this.settings.heartbeatMs,
      leads: () => this.leadership.leads,
      beat: (correlationId) => this.#heart?.send({ kind: 'beat', correlationId }),
    })
  }

  #newLeadership(): Leadership {
    return new Leadership({
      clock: this.#clock,
      settings: () => this.settings,
      send: (command) => this.#heart?.send(command),
      log: (event, fields) => this.#log.write(event, fields),
      onBegin: (term: LiveTerm) => {
        this.#heartbeat.begin(this.#clock.wallMs())
        this.jobs.begin(term)
        this.events.emit('term:acquired', { term })
      },
      onSoftStop: () => this.jobs.end(),
      onEnd: (term, reason) => {
        this.#heartbeat.end(term.fencingToken)
        this.events.emit('term:lost', { term, reason })
      },
      tellDefect: this.#tellDefect,
    })
  }

  // ---- settings and status ----

  get settings(): Settings {
    return this.#settings.current
  }

  reconfigure(changes: ReconfigurableOptions): void {
    checkReconfigurable(changes)
    const options = { ...this.#settings.options, ...changes }
    checkTtlOfStore(resolveRunning(options, process.env).ttlMs, this.#ttlMsMin)
    this.#settings.options = options
    this.#heart?.reconfigure(options)
  }

  get health(): Health {
    return { role: this.#role, fault: this.#fault }
  }

  get #role(): Role {
    if (this.#startedAtMs === undefined) return 'stopped'
    if (this.leadership.leads) return 'leader'
    if (this.leadership.term !== undefined) return 'ending'
    return this.settings.eligible ? 'candidate' : 'observer'
  }

  status(): Promise<Status> {
    return takeStatus({
      clock: this.#clock,
      settings: this.settings,
      reader: this.reader,
      jobs: this.jobs,
      heartbeat: this.#heartbeat,
      log: this.#log,
      own: () => ({
        role: this.#role,
        term: this.leadership.term,
        fault: this.#fault,
        startedAtMs: this.#startedAtMs,
        witness: witnessStatusOf(this.#heart?.witness, this.#fixed),
      }),
    })
  }

  registerHeartbeat(): HeartbeatRegistration {
    if (this.#startedAtMs === undefined) return 'pending'
    this.jobs.scheduler.putSystem(this.#heartbeat)
    const intervalSeconds = this.settings.heartbeatMs / 1_000
    this.#log.write('scheduler_lock_heartbeat_scheduled', { intervalSeconds })
    return 'scheduled'
  }

  guardProcessGroup(group: number | 'starting' | undefined): void {
    checkProcessGroup(group)
    this.#guardedGroup = group
    this.#heart?.guard(group)
  }

  // ---- start ----

  start(): Promise<void> {
    return this.#startStop.start((stopCalled) => this.#start(stopCalled))
  }

  async #start(stopCalled: Promise<void>): Promise<void> {
    let isStopCalled = false
    const stopped = stopCalled.then(() => void (isStopCalled = true))
    // The last term could not be drained, and has not ended yet.
    this.#heart?.keepAlive(true)
    await Promise.race([this.#lastHeart, stopped])
    if (isStopCalled) return this.#heart?.keepAlive(false)
    this.#ready = Promise.withResolvers()
    const heart = this.#startHeart()
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

  #startHeart(): Supervisor {
    const uncount = countInstance(this.#fixed, this.#log)
    if (!this.#warned) warnOfUnknownApplication(this.#fixed, this.#log)
    this.#warned = true
    tellIgnoredParameters(this.#store, this.#log)
    const heart = this.#newHeart()
    this.#heart = heart
    const ledger = new LedgerClient((command) => heart.send(command))
    this.#ledger = ledger
    this.jobs.ledger = ledger
    this.#lastHeart = heart.over.then(() => {
      uncount()
      ledger.close()
      this.#heart = undefined
      this.#lastHeart = undefined
    })
    heart.start()
    heart.guard(this.#guardedGroup)
    return heart
  }

  #newHeart(): Supervisor {
    const config = {
      store: this.#store,
      fixed: this.#fixed,
      options: this.#settings.options,
      jobsHash: this.jobs.hash,
    }
    return new Supervisor(config, {
      ...this.#deps,
      settings: () => this.settings,
      known: this.#known,
      report: (report) => this.#hear(report),
      // Timers of a machine that was suspended are late by that: its first pulse notices.
      onPulse: () => this.leadership.look(),
      restarting: (error, retryMs) => this.#heartDied(error, retryMs),
      log: (event, fields) => this.#log.write(event, fields),
      tellDefect: this.#tellDefect,
    })
  }

  /** Tells the heart of another hash, once for all jobs that are scheduled in one turn. */
  #tellHash(): void {
    if (this.#heart === undefined || this.#hashTimer !== undefined) return
    this.#hashTimer = this.#clock.setTimer(0, () => {
      this.#hashTimer = undefined
      this.#heart?.tellJobs(this.jobs.hash)
    })
  }

  // ---- stop ----

  stop(options: { drain?: Duration }): Promise<void> {
    checkKeys(options, 'options', ['drain'])
    const drainMs = durationOr(this.settings.drainMs, options.drain, 'drain')
    return this.#startStop.stop(() => this.#stop(drainMs))
  }

  async #stop(drainMs: number): Promise<void> {
    this.leadership.forgetWhileLeader()
    const endMs = this.#clock.monotonicMs() + this.leadership.stopLimitMs(drainMs)
    const heart = this.#heart
    if (heart !== undefined) {
      this.leadership.drainMs = drainMs
      const stopped = heart.stop(() => this.leadership.stopLimitMs(drainMs))
      const undrained = this.leadership.whenUndrained().then(() => heart.keepAlive(false))
      await Promise.race([stopped.then(() => this.leadership.abandon()), undrained])
    }
    await this.#closeConnections(endMs)
    this.#startedAtMs = undefined
    this.#fault = undefined
  }

  /** Closes what looks at the store from outside; one that does not answer is not waited for. */
  async #closeConnections(endMs: number): Promise<void> {
    const closings = [this.reader.close(), this.jobs.stored.close()]
    const closed = Promise.allSettled(closings).then(() => {})
    await new Deadline(this.#clock, Math.max(0, endMs - this.#clock.monotonicMs())).awaits(closed)
  }

  // ---- what the heart reports ----

  #heartDied({ error, message }: ErrorRecord, retryMs: number): void {
    this.#log.write('heart_died', { error, message, retryMs })
    this.#fault = { sinceMs: this.#clock.wallMs(), error, message }
    this.#ledger?.heartDied()
    this.leadership.heartDied()
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
        return cell && this.leadership.acquired(cell, report)
      }
      case 'heartbeat':
        return this.#heardHeartbeat(report)
      case 'store':
        this.#fault = report.fault && { sinceMs: report.atMs, ...report.fault }
        return
      case 'ending':
        return this.leadership.ending(report)
      case 'ended':
        return this.leadership.ended(report)
      case 'ledger':
        return this.#ledger?.hear(report.id, report.answer)
      case 'jobs-differ': {
        const { kind: _, ...difference } = report
        return this.events.emit('jobs:differ', { difference })
      }
      case 'lines':
        this.#log.lines(report.lines)
        this.#heart?.send({ kind: 'lines-logged' })
        return
      case 'stopped':
    }
  }

  #heardHeartbeat(report: Report & { kind: 'heartbeat' }): void {
    this.#heartbeat.heard(report)
    if (report.outcome !== 'renewed') return
    this.jobs.renewed()
    const { term } = this.leadership
    if (term !== undefined) this.events.emit('term:renewed', { term })
  }
}
