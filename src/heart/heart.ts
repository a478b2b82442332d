import { limitTime, type Timer } from '../clock.ts'
import { newCorrelationId, withCorrelationId } from '../correlation.ts'
import { detached } from '../invariant.ts'
import { formatDuration } from '../duration.ts'
import { TenureError } from '../errors.ts'
import type { LogEventName } from '../events.ts'
import type { Attempt, ElectorEvent, ElectorSettings, Settlement } from '../lease/elector-port.ts'
import { Elector } from '../lease/elector.ts'
import { checkTtlOfStore, SettingsInForce } from '../options.ts'
import type { AcquireReply, LeaseStore, ReleaseReply, RenewReply } from '../store/lease-store.ts'
import type { Cell } from './cell.ts'
import { faultOf, linesOf } from './elector-lines.ts'
import { LedgerDesk } from './ledger-desk.ts'
import { LineBuffer } from './line-buffer.ts'
import { JobsComparison, type JobsDifference } from './jobs-comparison.ts'
import { checkCommand } from './message-checks.ts'
import {
  recordOfError,
  type Command,
  type Environment,
  type HeartConfig,
  type Report,
} from './messages.ts'
import { OtherApplication } from './other-application.ts'
import { PushNotice } from './push-notice.ts'
import { StallGate, stallTickMs } from './stall-gate.ts'
import type { Surroundings } from './surroundings.ts'
import { heldLine, WitnessPipe } from './witness-pipe.ts'

/** What a heart is made of. */
export interface HeartParts extends Surroundings {
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
 * class runs in the worker thread and, with `host: 'main'`, in the main thread.
 */
export class Heart {
  readonly #parts: HeartParts
  readonly #elector: Elector
  readonly #lines: LineBuffer
  readonly #settings: SettingsInForce
  readonly #controllers = new Map<Attempt, AbortController>()
  readonly #pushNotice: PushNotice
  readonly #witness = new WitnessPipe()
  readonly #ledger: LedgerDesk
  readonly #jobs: JobsComparison
  readonly #otherApplication: OtherApplication
  #store: LeaseStore | undefined
  #unwatch: (() => void) | undefined
  #wakeTimer: Timer | undefined
  #gateTimer: Timer | undefined
  #lookTimer: Timer | undefined
  #stalled = false
  #storeFails = false
  #holder: string | undefined
  #over = false
  readonly #closed = Promise.withResolvers<void>()

  constructor(parts: HeartParts) {
    this.#parts = parts
    this.#lines = new LineBuffer((lines) => parts.report({ kind: 'lines', lines }))
    this.#pushNotice = new PushNotice(parts.clock, (fields) =>
      this.#log('store_push_unavailable', fields),
    )
    this.#witness.open(parts.config.witnessFd)
    const { fixed, options, store, jobsHash } = parts.config
    this.#ledger = new LedgerDesk({
      open: () => parts.openLedger(store),
      clock: parts.clock,
      timeoutMs: () => this.#settings.current.attemptTimeoutMs,
      superseded: (token, by) => this.#input(() => this.#elector.superseded(token, by)),
      answer: (id, answer) => parts.report({ kind: 'ledger', id, answer }),
    })
    this.#settings = new SettingsInForce(fixed, options, parts.environment, (error) =>
      this.#log('settings_invalid', { ...faultOf(error) }),
    )
    const comparison = {
      clock: parts.clock,
      application: fixed.application ?? '',
      heartbeatMs: () => this.#settings.current.heartbeatMs,
      lookAgain: (afterMs: number) => this.#lookAgain(afterMs),
      differ: (difference: JobsDifference) => this.#differ(difference),
    }
    this.#jobs = new JobsComparison(comparison, jobsHash)
    this.#otherApplication = new OtherApplication({
      clock: parts.clock,
      application: fixed.application,
    })
    this.#elector = new Elector({
      clock: parts.clock,
      trust: parts.cell,
      knownToken: parts.config.knownToken,
      settings: () => this.#electorSettings(),
      newHolder: parts.newHolder,
      newCorrelationId,
      random: parts.random,
      attempt: (attempt) => this.#attempt(attempt),
      abandon: (attempt) => this.#controllers.get(attempt)?.abort(abandonedError()),
      report: (event) => this.#reportEvent(event),
      learned: (token) => parts.report({ kind: 'token-known', token }),
    })
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
      const store = await this.#parts.openStore(this.#parts.config.store)
      if (this.#over) return void closeQuietly(store)
      this.#store = store
      checkTtlOfStore(this.#settings.current.ttlMs, store.ttlMsMin)
      await ledger
      if (this.#over) return
      if (store.checkStart !== undefined && this.#parts.config.isRestart !== true) {
        await store.checkStart()
        if (this.#over) return
      }
      this.#parts.report({ kind: 'ready', ttlMsMin: store.ttlMsMin })
    } catch (error) {
      return this.#die(error)
    }
    this.#input(() => {
      this.#unwatch = this.#store?.watch(this.#parts.config.fixed.lease, {
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
      if (this.#parts.watchesMainThread) this.#watchMainThread()
      this.#elector.start()
    })
  }

  /** Opens the ledger; who leads is not to hang on one of somebody's own that takes its time. */
  async #openLedger(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const { attemptTimeoutMs } = this.#settings.current
    const timer = this.#parts.clock.setTimer(attemptTimeoutMs, resolve)
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
          if (command.fd === undefined) this.#parts.report({ kind: 'witness-let-go' })
          return
        case 'ledger':
          return this.#ledger.call(command.id, command.call)
        case 'lines-logged':
          return this.#lines.logged()
        case 'environment':
          return replaceAll(this.#parts.environment, command.variables)
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
    const delayMs = wakeMs - this.#parts.clock.monotonicMs()
    this.#wakeTimer = this.#parts.clock.setTimer(delayMs, () =>
      this.#input(() => this.#elector.wake()),
    )
  }

  #attempt(attempt: Attempt): void {
    const call = (): void => detached(this.#call(attempt), (error) => this.#die(error))
    if (attempt.verb === 'renew') withCorrelationId(attempt.correlationId, call)
    else call()
  }

  /** One firing: a unit of work on the store that ends within its timeout, or is cancelled. */
  async #call(attempt: Attempt): Promise<void> {
    if (attempt.verb === 'acquire') {
      this.#parts.cell.holding = true
      this.#tellWitness(attempt, undefined)
    }
    const controller = new AbortController()
    this.#controllers.set(attempt, controller)
    const timeout = timeoutError(attempt)
    const timer = this.#parts.clock.setTimer(attempt.timeoutMs, () => controller.abort(timeout))
    limitTime(controller.signal, this.#parts.clock, attempt.timeoutMs)
    let settlement: Settlement
    try {
      const reply = await settledOrAborted(this.#invoke(attempt, controller.signal), controller)
      settlement = { kind: 'replied', reply }
    } catch (error) {
      settlement = { kind: 'failed', failure: error === timeout ? 'timeout' : 'error', error }
    }
    timer.cancel()
    this.#controllers.delete(attempt)
    this.#judgeStore(settlement)
    if (attempt.verb === 'acquire' && settlement.kind === 'replied') {
      const reply = settlement.reply as AcquireReply
      if (reply.kind === 'acquired') this.#tellWitness(attempt, reply.token)
    }
    this.#input(() => this.#elector.settled(attempt, settlement))
  }

  async #invoke(
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<AcquireReply | RenewReply | ReleaseReply | void> {
    const store = this.#store
    if (store === undefined) throw closedError()
    switch (attempt.verb) {
      case 'acquire':
        return store.tryAcquire(attempt.request, signal)
      case 'renew':
        return store.tryRenew(attempt.request, signal)
      case 'release':
        return store.tryRelease(attempt.request, signal)
      case 'note':
        return store.tryNoteEnd(attempt.request.lease, attempt.request.ended, signal)
    }
  }

  /** Tells when the store has stopped to answer, and when it answers again. */
  #judgeStore(settlement: Settlement): void {
    const failed = settlement.kind === 'failed'
    if (this.#over || failed === this.#storeFails) return
    this.#storeFails = failed
    const fault = failed ? faultOf(settlement.error) : undefined
    this.#parts.report({ kind: 'store', atMs: this.#parts.clock.wallMs(), fault })
  }

  /**
   * Tells the witness what may be held from here on: before an acquisition is sent that it may be
   * made, and after it the token. While the outcome is unknown, or a late copy of the acquisition
   * may still be granted, it stays at the first.
   */
  #tellWitness({ request }: AcquireAttempt, token: number | undefined): void {
    const { holder, ttlMs } = request
    this.#witness.tell(heldLine({ holder, token, ttlMs }))
  }

  /** An exit need not wait, and the witness has nothing to release. */
  #holdsNothing(): void {
    this.#parts.cell.holding = false
    this.#witness.tell(heldLine(undefined))
  }

  // ---- the main thread's life ----

  #watchMainThread(): void {
    const { cell, clock } = this.#parts
    const gate = new StallGate(cell.pulse, clock.monotonicMs())
    const tick = (): void => {
      const { stallLimitMs } = this.#settings.current
      const tickMs = stallTickMs(stallLimitMs)
      this.#input(() => this.#judge(gate.tick(cell.pulse, clock.monotonicMs(), tickMs), tickMs))
      if (!this.#over) this.#gateTimer = clock.setTimer(tickMs, tick)
    }
    tick()
  }

  #judge(stalledMs: number, tickMs: number): void {
    const { stallLimitMs, heartbeatMs, onStall, eligible } = this.#settings.current
    // A candidate whose main thread misses a heartbeat interval would not serve well as leader.
    this.#elector.setResponsive(stalledMs < Math.max(heartbeatMs, 4 * tickMs))
    // The environment may have changed, which an instance that never asks for the lease would miss.
    this.#elector.setEligible(eligible)
    if (stalledMs < stallLimitMs) {
      if (this.#stalled && stalledMs === 0) {
        this.#stalled = false
        const message = 'The main thread runs again; this instance is a candidate.'
        this.#log('main_thread_revived', { message })
      }
      return
    }
    if (this.#stalled) return
    this.#stalled = true
    const message =
      'The main thread is blocked: the lease is not renewed any more, so that another instance ' +
      'can take over when it has expired.'
    this.#log('main_thread_stalled', { stalledMs, stallLimitMs, message })
    this.#elector.stall()
    if (onStall === 'kill') this.#parts.kill(message)
  }

  // ---- the leader's jobs ----

  /** Asks for the lease again, whose record shows the leader's jobs, until that was answered. */
  #lookAgain(afterMs: number): void {
    this.#lookTimer?.cancel()
    this.#lookTimer = this.#parts.clock.setTimer(afterMs, () => {
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
    this.#parts.report({ kind: 'jobs-differ', ...difference })
  }

  // ---- settings, logs, the end ----

  #electorSettings(): ElectorSettings {
    const { application = '', ...settings } = this.#settings.current
    return { ...settings, application, jobsHash: this.#jobs.own }
  }

  #reportEvent(event: ElectorEvent): void {
    const { cell, clock, report } = this.#parts
    if (event.kind === 'acquired') this.#holder = event.holder
    const lines = linesOf(event, { holder: this.#holder })
    if (event.kind === 'held') lines.push(...this.#otherApplication.held(event.record))
    if (event.kind === 'acquired') lines.push(...this.#otherApplication.acquired())
    for (const line of lines) this.#log(line.event, line.fields)
    const atMs = clock.wallMs()
    switch (event.kind) {
      case 'held':
        if (!event.unsettled) this.#holdsNothing()
        return this.#jobs.held(event.record)
      case 'acquired':
        this.#jobs.leads()
        return report({ kind: 'acquired', token: event.token, holder: event.holder })
      case 'renewed': {
        const { correlationId, token, latencyMs } = event
        this.#witness.flush()
        return report({
          kind: 'heartbeat',
          outcome: 'renewed',
          correlationId,
          token,
          atMs,
          latencyMs,
        })
      }
      case 'renew-refused':
      case 'renew-failed': {
        const { correlationId, token } = event
        const outcome = event.kind === 'renew-refused' ? 'refused' : event.failure
        return report({ kind: 'heartbeat', outcome, correlationId, token, atMs, latencyMs: 0 })
      }
      case 'ending':
        return report({ kind: 'ending', token: event.token, reason: event.reason })
      case 'ended': {
        this.#holdsNothing()
        const { token, reason, released } = event
        return report({ kind: 'ended', token, reason, released })
      }
      case 'stopped':
        this.#close()
        cell.exited()
        return report({ kind: 'stopped' })
      default:
    }
  }

  #log(event: LogEventName, fields: Readonly<Record<string, unknown>>): void {
    const timeMs = this.#parts.clock.wallMs()
    this.#lines.add({ event, timeMs, fields: { lease: this.#parts.config.fixed.lease, ...fields } })
  }

  #die(error: unknown): void {
    if (this.#over) return
    this.#parts.cell.close()
    this.#close()
    this.#parts.report({ kind: 'died', error: recordOfError(error) })
  }

  #close(): void {
    if (this.#over) return
    this.#over = true
    this.#witness.open(undefined)
    this.#wakeTimer?.cancel()
    this.#gateTimer?.cancel()
    this.#lookTimer?.cancel()
    for (const controller of this.#controllers.values()) controller.abort(abandonedError())
    void this.#closeStores().then(() => this.#closed.resolve())
  }

  /** Waits no longer than for an attempt; what a store of somebody's own throws ends nothing. */
  async #closeStores(): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const { attemptTimeoutMs } = this.#settings.current
    const timer = this.#parts.clock.setTimer(attemptTimeoutMs, resolve)
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

/** Gives an environment these variables, and no others. */
function replaceAll(environment: Record<string, string | undefined>, by: Environment): void {
  for (const name of Object.keys(environment)) if (!(name in by)) delete environment[name]
  for (const [name, value] of Object.entries(by)) {
    if (environment[name] !== value) environment[name] = value
  }
}

type AcquireAttempt = Extract<Attempt, { verb: 'acquire' }>

/** Settles as the call does, but no later than the abort, also where a store ignores its signal. */
function settledOrAborted<Result>(
  call: Promise<Result>,
  { signal }: AbortController,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    call.then(resolve, reject)
  })
}

function timeoutError(attempt: Attempt): TenureError {
  return new TenureError(
    'TENURE_ERR_ATTEMPT_TIMEOUT',
    `Expected the attempt to ${attempt.verb} to end within ${formatDuration(attempt.timeoutMs)}; ` +
      'it did not, and was cancelled. The store may be slow or unreachable.',
  )
}

function abandonedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'The attempt was abandoned.')
}

function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
}
