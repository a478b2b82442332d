import type { Timer } from '../clock.ts'
import { newCorrelationId, withCorrelationId } from '../correlation.ts'
import { detached } from '../invariant.ts'
import type { LogEventName } from '../events.ts'
import type { Attempt, ElectorEvent, ElectorSettings, Settlement } from '../lease/elector-port.ts'
import { Elector } from '../lease/elector.ts'
import { checkTtlOfStore } from '../options/relations.ts'
import { SettingsInForce } from '../options/settings-in-force.ts'
import type { AcquireReply, LeaseStore } from '../store/lease-store.ts'
import type { Cell } from './cell.ts'
import { faultOf, linesOf, reportOf } from './elector-lines.ts'
import { LedgerDesk } from './ledger-desk.ts'
import { LineBuffer } from './line-buffer.ts'
import { MainThreadWatch, type MainThreadWatchDeps } from './main-thread-watch.ts'
import { JobsComparison, type JobsDifference } from './jobs-comparison.ts'
import { checkCommand } from './message-checks.ts'
import { recordOfError } from './error-record.ts'
import { setEnvironment, type Command, type HeartConfig, type Report } from './messages.ts'
import { OtherApplication } from './other-application.ts'
import { PushNotice } from './push-notice.ts'
import { StoreCalls } from './store-calls.ts'
import type { Surroundings } from './surroundings.ts'
import { heldLine, WitnessPipe } from './witness-pipe.ts'

/** What a heart is made of. */
export interface HeartDeps extends Surroundings {
  readonly config: HeartConfig
  readonly cell: Cell
  /** Whether the heart runs beside the main thread, and so can see it stall. */
  readonly watchesMainThread: boolean
  readonly report: (report: Report) => void
  /** Ends the process at once, while its main thread is blocked and can handle no signal. */
  readonly kill: (lastWords: string) => void
}

/**
 * Renews the lease: drives an elector with a real store, real timers and real randomness. The same
 * class runs in the worker thread and, with `heartbeatIn: 'main'`, in the main thread.
 */
export class Heart {
  readonly #deps: HeartDeps
  readonly #elector: Elector
  readonly #lines: LineBuffer
  readonly #settings: SettingsInForce
  readonly #calls: StoreCalls
  readonly #pushNotice: PushNotice
  readonly #witness = new WitnessPipe()
  readonly #ledger: LedgerDesk
  readonly #jobs: JobsComparison
  readonly #mainThread: MainThreadWatch | undefined
  readonly #otherApplication: OtherApplication
  #store: LeaseStore | undefined
  #unwatch: (() => void) | undefined
  #wakeTimer: Timer | undefined
  #lookTimer: Timer | undefined
  #storeFails = false
  #holder: string | undefined
  /** The term that was released last with no answer: the store may still keep its lease. */
  #unreleased: string | undefined
  /** Whether the witness has something to release. */
  #mayHold = false
  #over = false
  readonly #closed = Promise.withResolvers<void>()

  constructor(deps: HeartDeps) {
    this.#deps = deps
    this.#lines = new LineBuffer((lines) => deps.report({ kind: 'lines', lines }))
    this.#pushNotice = new PushNotice(deps.clock, (fields) =>
      this.#log('store_push_unavailable', fields),
    )
    this.#witness.open(deps.config.witnessFd)
    const { fixed, options, store, jobsHash } = deps.config
    this.#ledger = new LedgerDesk({
      open: () => deps.openLedger(store),
      clock: deps.clock,
      timeoutMs: () => this.#settings.current.attemptTimeoutMs,
      superseded: (token, by) => this.#input(() => this.#elector.superseded(token, by)),
      answer: (id, answer) => deps.report({ kind: 'ledger', id, answer }),
    })
    this.#settings = new SettingsInForce(fixed, options, deps.environment, (error) =>
      this.#log('settings_invalid', { ...faultOf(error) }),
    )
    const comparison = {
      clock: deps.clock,
      application: fixed.application ?? '',
      heartbeatMs: () => this.#settings.current.heartbeatMs,
      lookAgain: (afterMs: number) => this.#lookAgain(afterMs),
      differ: (difference: JobsDifference) => this.#differ(difference),
    }
    this.#jobs = new JobsComparison(comparison, jobsHash)
    this.#otherApplication = new OtherApplication({
      clock: deps.clock,
      application: fixed.application,
    })
    this.#calls = new StoreCalls(deps.clock, () => this.#store)
    this.#elector = new Elector({
      clock: deps.clock,
      trust: deps.cell,
      knownToken: deps.config.knownToken,
      settings: () => this.#electorSettings(),
      newHolder: deps.newHolder,
      newCorrelationId,
      random: deps.random,
      attempt: (attempt) => this.#attempt(attempt),
      abandon: (attempt) => this.#calls.abandon(attempt),
      report: (event) => this.#reportEvent(event),
      learned: (token) => deps.report({ kind: 'token-known', token }),
    })
    const watch: MainThreadWatchDeps = {
      clock: deps.clock,
      cell: deps.cell,
      settings: () => this.#settings.current,
      elector: this.#elector,
      input: (give) => this.#input(give),
      log: (event, fields) => this.#log(event, fields),
      kill: deps.kill,
    }
    if (deps.watchesMainThread) this.#mainThread = new MainThreadWatch(watch)
  }

  /** Resolves when the heart is over, and its store is closed or has had its time for that. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /**
   * Opens the store and the ledger, so that what a leader will need is loaded from here on, and
   * becomes a candidate. Never rejects: what fails is reported.
   */
  async start(): Promise<void> {
    try {
      const ledger = this.#openLedger()
      const store = await this.#deps.openStore(this.#deps.config.store)
      if (this.#over) return void closeQuietly(store)
      this.#store = store
      checkTtlOfStore(this.#settings.current.ttlMs, store.ttlMsMin)
      await ledger
      if (this.#over) return
      if (store.checkStart !== undefined && this.#deps.config.isRestart !== true) {
        await store.checkStart()
        if (this.#over) return
      }
      this.#deps.report({ kind: 'ready', ttlMsMin: store.ttlMsMin })
    } catch (error) {
      return this.#die(error)
    }
    this.#input(() => {
      this.#unwatch = this.#store?.watch(this.#deps.config.fixed.lease, {
        changed: () => this.#input(() => this.#elector.push()),
        renewed: (renewal) => this.#input(() => this.#elector.pushRenewed(renewal)),
        works: (pushes = 'changes') => this.#input(() => this.#elector.setPushes(pushes)),
        failed: (error) => {
          this.#pushNotice.failed(error)
          this.#input(() => this.#elector.setPushes('none'))
        },
        noticed: ({ event, message }) => this.#log(event, { message }),
      })
      this.#elector.setEligible(this.#settings.current.eligible)
      this.#mainThread?.start()
      this.#elector.start()
    })
  }

  /** Opens the ledger; who leads is not to hang on one of somebody's own that takes its time. */
  async #openLedger(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const { attemptTimeoutMs } = this.#settings.current
    const timer = this.#deps.clock.setTimer(attemptTimeoutMs, resolve)
    await Promise.race([this.#ledger.open(), late])
    timer.cancel()
  }

  command(command: Command): void {
    this.#input(() => {
      checkCommand(command)
      switch (command.kind) {
        case 'reconfigure':
          this.#settings.options = command.options
          return this.#elector.setEligible(this.#settings.current.eligible)
        case 'resign':
          return this.#elector.resign(command.coolDownMs)
        case 'jobs':
          this.#jobs.own = command.hash
          return
        case 'soft-stop-seen':
          return this.#elector.wake()
        case 'drained':
          return this.#elector.drained(command.token, command.complete)
        case 'beat':
          return void this.#elector.beat(command.correlationId)
        case 'stop':
          return this.#elector.stop()
        case 'exit':
          return this.#elector.exit(command.reason)
        case 'witness':
          this.#witness.open(command.fd)
          if (command.fd === undefined) this.#deps.report({ kind: 'witness-let-go' })
          return
        case 'ledger':
          return this.#ledger.call(command.id, command.call)
        case 'lines-logged':
          return this.#lines.logged()
        case 'environment':
          return setEnvironment(this.#deps.environment, command.variables)
      }
    })
  }

  /** Ends at once and without a word; what is held expires. */
  kill(): void {
    this.#close()
  }

  // ---- inputs of the elector ----

  /** Gives the elector an input, and sets the timer for what it wants next. */
  #input(give: () => void): void {
    if (this.#over) return
    try {
      give()
    } catch (error) {
      return this.#die(error)
    }
    this.#wakeTimer?.cancel()
    const wakeMs = this.#elector.nextWakeMs
    if (this.#over || wakeMs === undefined) return
    const delayMs = wakeMs - this.#deps.clock.monotonicMs()
    this.#wakeTimer = this.#deps.clock.setTimer(delayMs, () =>
      this.#input(() => this.#elector.wake()),
    )
  }

  #attempt(attempt: Attempt): void {
    if (attempt.verb === 'acquire') {
      this.#deps.cell.holding = true
      this.#tellWitness(attempt, undefined)
    }
    const call = (): void =>
      detached(
        this.#calls.call(attempt, (settlement) => this.#settled(attempt, settlement)),
        (error) => this.#die(error),
      )
    if (attempt.verb === 'renew') withCorrelationId(attempt.correlationId, call)
    else call()
  }

  #settled(attempt: Attempt, settlement: Settlement): void {
    this.#judgeStore(settlement)
    if (attempt.verb === 'acquire' && settlement.kind === 'replied') {
      const reply = settlement.reply as AcquireReply
      if (reply.kind === 'acquired') this.#tellWitness(attempt, reply.token)
    }
    this.#input(() => this.#elector.settled(attempt, settlement))
  }

  /** Tells when the store has stopped to answer, and when it answers again. */
  #judgeStore(settlement: Settlement): void {
    const failed = settlement.kind === 'failed'
    if (this.#over || failed === this.#storeFails) return
    this.#storeFails = failed
    const fault = failed ? faultOf(settlement.error) : undefined
    this.#deps.report({ kind: 'store', atMs: this.#deps.clock.wallMs(), fault })
  }

  /**
   * Tells the witness what may be held from here on: before an acquisition is sent that it may be
   * made, and after it the token. While the outcome is unknown, or a late copy of the acquisition
   * may still be granted, it stays at the first.
   */
  #tellWitness({ request }: AcquireAttempt, token: number | undefined): void {
    const { holder, ttlMs } = request
    this.#mayHold = true
    this.#witness.tell(heldLine({ holder, token, ttlMs }))
  }

  /** An exit need not wait, and the witness has nothing to release. */
  #holdsNothing(): void {
    this.#deps.cell.holding = false
    this.#mayHold = false
    this.#witness.tell(heldLine(undefined))
  }

  // ---- the leader's jobs ----

  /** Asks for the lease again, whose record shows the leader's jobs, until that was answered. */
  #lookAgain(afterMs: number): void {
    this.#lookTimer?.cancel()
    this.#lookTimer = this.#deps.clock.setTimer(afterMs, () => {
      if (this.#over || !this.#jobs.suspects) return
      this.#input(() => this.#elector.push())
      this.#lookAgain(afterMs)
    })
  }

  #differ(difference: JobsDifference): void {
    const message =
      'The leader has other jobs, or other schedules: which are run depends on who leads. That is so ' +
      'while a new version is rolled out; else look for what differs between the instances.'
    this.#log('jobs_differ', { ...difference, message })
    this.#deps.report({ kind: 'jobs-differ', ...difference })
  }

  // ---- settings, logs, the end ----

  #electorSettings(): ElectorSettings {
    const { application = '', ...settings } = this.#settings.current
    return { ...settings, application, jobsHash: this.#jobs.own }
  }

  #reportEvent(event: ElectorEvent): void {
    const { cell, clock, report } = this.#deps
    if (event.kind === 'acquired') this.#holder = event.holder
    if (event.kind === 'release-failed') this.#unreleased = event.holder
    const lines = linesOf(event, { holder: this.#holder })
    if (event.kind === 'held') lines.push(...this.#otherApplication.held(event.record))
    if (event.kind === 'acquired') lines.push(...this.#otherApplication.acquired())
    for (const line of lines) this.#log(line.event, line.fields)
    const atMs = clock.wallMs()
    switch (event.kind) {
      case 'held':
        if (!event.unsettled && event.record.holder !== this.#unreleased) this.#holdsNothing()
        return this.#jobs.held(event.record)
      case 'acquired':
        this.#jobs.leads()
        break
      case 'renewed':
        this.#witness.flush()
        break
      case 'ended':
        // An exit need not wait for what has failed; the witness tries again when the process has gone.
        if (event.released || event.holder !== this.#unreleased) this.#holdsNothing()
        else cell.holding = false
        break
      case 'stopped':
        this.#close()
        cell.exited()
        return report({ kind: 'stopped', mayHold: this.#mayHold })
      default:
    }
    const told = reportOf(event, atMs)
    if (told !== undefined) report(told)
  }

  #log(event: LogEventName, fields: Readonly<Record<string, unknown>>): void {
    const timeMs = this.#deps.clock.wallMs()
    this.#lines.add({ event, timeMs, fields: { lease: this.#deps.config.fixed.lease, ...fields } })
  }

  #die(error: unknown): void {
    if (this.#over) return
    this.#deps.cell.close()
    this.#close()
    this.#deps.report({ kind: 'died', error: recordOfError(error) })
  }

  #close(): void {
    if (this.#over) return
    this.#over = true
    this.#witness.open(undefined)
    this.#wakeTimer?.cancel()
    this.#mainThread?.stop()
    this.#lookTimer?.cancel()
    this.#calls.abandonAll()
    void this.#closeStores().then(() => this.#closed.resolve())
  }

  /** Waits no longer than for an attempt; what a store of somebody's own throws ends nothing. */
  async #closeStores(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const { attemptTimeoutMs } = this.#settings.current
    const timer = this.#deps.clock.setTimer(attemptTimeoutMs, resolve)
    try {
      this.#unwatch?.()
    } catch {
      // The store is closed all the same.
    }
    await Promise.race([Promise.all([this.#ledger.close(), closeQuietly(this.#store)]), late])
    timer.cancel()
  }
}

/** Closes a store; one of somebody's own may throw instead of rejecting. Never rejects. */
async function closeQuietly(store: LeaseStore | undefined): Promise<void> {
  try {
    await store?.close()
  } catch {
    // Nothing more is wanted of it.
  }
}

type AcquireAttempt = Extract<Attempt, { verb: 'acquire' }>
