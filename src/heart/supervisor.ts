import type { Clock, Timer } from '../clock.ts'
import { shielded, type TellDefect } from '../invariant.ts'
import { codeOf, TenureError } from '../errors.ts'
import type { LogEventName } from '../events.ts'
import type { ReconfigurableOptions } from '../options.ts'
import type { Cell } from './cell.ts'
import { exitsOf, type ExitingProcess, type OnExit } from './exits.ts'
import { checkReport } from './message-checks.ts'
import { recordOfError, type ErrorRecord } from './error-record.ts'
import type { Command, Environment, HeartConfig, Report } from './messages.ts'
import { environmentForThread } from './node-flags.ts'
import { killWaitMs, type RunHeart, type RunningHeart } from './running-heart.ts'
import { stallTickMs } from './stall-gate.ts'
import type { GuardedGroup } from './witness-pipe.ts'
import { Witness } from './witness.ts'

/** A heart that died is started again after this time, doubled each time up to the second one. */
const restartMs = { first: 100, longest: 5_000 }

/** What a supervisor is made of. */
export interface SupervisorDeps {
  readonly process: ExitingProcess
  readonly runHeart: RunHeart
  readonly clock: Clock
  readonly settings: () => { readonly stallLimitMs: number; readonly ttlMs: number }
  /** The highest fencing token that the store has told, over all hearts of this process. */
  readonly known?: { token?: number }
  readonly report: (report: Report) => void
  /** The main thread shows life, which it does a few times a second. */
  readonly onPulse: () => void
  /** The heart has died with this error, and will be started again after so long. */
  readonly restarting: (error: ErrorRecord, retryMs: number) => void
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  readonly tellDefect: TellDefect
}

/**
 * Supervises the heart from the main thread: starts it, in a worker thread or beside the
 * application, starts it again when it dies, and, for one in a thread, shows the main thread's life
 * and lets it release at an exit. The witness, which releases where nothing of this can, outlives
 * every heart.
 */
export class Supervisor {
  readonly #deps: SupervisorDeps
  readonly #witness: Witness | undefined
  #config: HeartConfig
  #heart: RunningHeart | undefined
  /** Whether the heart still hears what it is told. */
  #hears = false
  #keepsAlive = true
  #stopping = false
  /** How long a stop may take, by the settings; asked for again when they change meanwhile. */
  #deadlineMs: (() => number) | undefined
  #deadlineMsMax = 0
  #guarded: GuardedGroup | undefined
  #wasReady = false
  /** Whether the store may keep a lease of this process: the witness is there to release it. */
  #mayHold = false
  #restarts = 0
  #restartTimer: Timer | undefined
  #killTimer: Timer | undefined
  #pulseTimer: Timer | undefined
  readonly #over = Promise.withResolvers<void>()
  readonly #onExit: OnExit = (code) => this.#exit(code)
  /** The environment as the heart's thread has it. */
  #environment: Environment = {}

  constructor(config: HeartConfig, deps: SupervisorDeps) {
    this.#config = config
    this.#deps = deps
    const { fixed, store } = config
    if (fixed.witness === false) return
    this.#witness = new Witness({
      mode: fixed.witness,
      lease: fixed.lease,
      store,
      clock: deps.clock,
      log: deps.log,
      tellDefect: deps.tellDefect,
      changed: (fd) => {
        if (this.#hears) this.send({ kind: 'witness', fd })
        else if (fd === undefined) this.#witness?.letGo()
      },
    })
  }

  /** Has a process group end with this process, before its lease is released. */
  guard(group: GuardedGroup | undefined): void {
    this.#guarded = group
    this.#witness?.guard(group)
  }

  /** The process that releases the lease when this one dies; `undefined` if there shall be none. */
  get witness(): Witness | undefined {
    return this.#witness
  }

  /** The state of the heart that runs now, or ran last. */
  get cell(): Cell | undefined {
    return this.#heart?.cell
  }

  /** Resolves when it was stopped and nothing of it is left. */
  get over(): Promise<void> {
    return this.#over.promise
  }

  start(): void {
    const { process, clock } = this.#deps
    if (this.#isThread) exitsOf(process, clock).add(this.#onExit)
    this.#witness?.start()
    this.#run()
    this.#pulse()
  }

  /** Tells the heart something; `false` if it has died, and will never hear of it. */
  send(command: Command): boolean {
    this.#heart?.send(command)
    return this.#hears
  }

  reconfigure(options: ReconfigurableOptions): void {
    this.#config = { ...this.#config, options }
    this.send({ kind: 'reconfigure', options })
    this.#askDeadline()
  }

  /** The hash over the jobs of this instance is another one. */
  tellJobs(hash: string | undefined): void {
    this.#config = { ...this.#config, jobsHash: hash }
    this.send({ kind: 'jobs', hash })
  }

  /** Whether the heart keeps the process alive; it does until it is told otherwise. */
  keepAlive(keeps: boolean): void {
    this.#keepsAlive = keeps
    this.#heart?.keepAlive(keeps)
  }

  /**
   * Stops the heart: a leader's term has to be drained meanwhile. Resolves when nothing of it is
   * left; one that does not stop within `deadlineMs` is ended without a word, and is not waited for
   * if even that takes long, because a disk hangs.
   *
   * @param deadlineMs by what is known now: settings may change while the heart stops
   */
  async stop(deadlineMs: () => number): Promise<void> {
    this.#stopping = true
    this.#restartTimer?.cancel()
    const heart = this.#heart
    if (heart !== undefined) {
      heart.send({ kind: 'stop' })
      this.#deadlineMs = deadlineMs
      this.#askDeadline()
      const ended = Promise.withResolvers<void>()
      this.#killLater(heart, this.#deps.clock.monotonicMs(), ended.resolve)
      await Promise.race([heart.over, ended.promise])
      this.#killTimer?.cancel()
    }
    await this.#witness?.stop(this.#mayHold ? this.#deps.settings().ttlMs : 0)
    this.#pulseTimer?.cancel()
    const { process, clock } = this.#deps
    exitsOf(process, clock).remove(this.#onExit)
    this.#over.resolve()
  }

  /** What was begun under longer times may take as long as those allow. */
  #askDeadline(): void {
    this.#deadlineMsMax = Math.max(this.#deadlineMsMax, this.#deadlineMs?.() ?? 0)
  }

  #killLater(heart: RunningHeart, sinceMs: number, ended: () => void): void {
    const { clock } = this.#deps
    const leftMs = (): number => sinceMs + this.#deadlineMsMax - clock.monotonicMs()
    this.#killTimer = clock.setTimer(leftMs(), () => {
      this.#askDeadline()
      if (leftMs() > 0) return this.#killLater(heart, sinceMs, ended)
      heart.kill()
      this.#killTimer = clock.setTimer(killWaitMs, () => {
        heart.keepAlive(false)
        ended()
      })
    })
  }

  get #isThread(): boolean {
    return this.#config.fixed.heartbeatIn === 'thread'
  }

  #run(): void {
    const { clock, runHeart } = this.#deps
    const knownToken = this.#deps.known?.token
    const isRestart = this.#wasReady
    const config = { ...this.#config, knownToken, witnessFd: this.#witness?.fd, isRestart }
    let heart: RunningHeart
    try {
      heart = runHeart(config, clock, (report) => this.#hear(heart, report))
    } catch (error) {
      // The system may have no thread left now, and have one later.
      return this.#heard({ kind: 'died', error: recordOfError(error) })
    }
    this.#heart = heart
    this.#hears = true
    this.#environment = environmentForThread()
    heart.keepAlive(this.#keepsAlive)
  }

  /** Whatever a report does to this thread ends the heart, and not the application. */
  #hear(heart: RunningHeart, report: Report): void {
    try {
      checkReport(report)
      this.#heard(report)
    } catch (error) {
      const died = (): void => {
        heart.kill()
        this.#heard({ kind: 'died', error: recordOfError(error) })
      }
      shielded(died, this.#deps.tellDefect)()
    }
  }

  #heard(report: Report): void {
    if (report.kind === 'ready') {
      this.#wasReady = true
      this.#mayHold = true
      this.#restarts = 0
    }
    if (report.kind === 'token-known') {
      if (this.#deps.known !== undefined) this.#deps.known.token = report.token
      return
    }
    if (report.kind === 'witness-let-go') return this.#witness?.letGo()
    if (report.kind === 'stopped') this.#mayHold = report.mayHold
    if (report.kind === 'died' || report.kind === 'stopped') {
      this.#hears = false
      this.#witness?.letGo()
    }
    // What does not work at the start is a mistake; what worked once may work again.
    if (report.kind === 'died' && this.#wasReady) this.#died(report.error)
    else if (report.kind === 'stopped' && !this.#stopping) this.#died(recordOfError(unwantedStop()))
    else this.#deps.report(report)
  }

  /** The heart is started again, as a candidate; trust in its term runs out meanwhile. */
  #died(error: ErrorRecord): void {
    if (this.#stopping) return
    const retryMs = Math.min(restartMs.first * 2 ** this.#restarts++, restartMs.longest)
    this.#restartTimer?.cancel()
    this.#restartTimer = this.#deps.clock.setTimer(retryMs, () => this.#run())
    this.#deps.restarting(error, retryMs)
  }

  #pulse(): void {
    const pulseMs = stallTickMs(this.#deps.settings().stallLimitMs)
    this.#pulseTimer = this.#deps.clock.setTimer(pulseMs, () => this.#pulse())
    this.#heart?.cell.beat()
    this.#tellEnvironment()
    this.#deps.onPulse()
  }

  /** The settings are resolved at each firing, by the environment as it is then. */
  #tellEnvironment(): void {
    if (!this.#isThread || !this.#hears) return
    const variables = environmentForThread()
    if (isSame(variables, this.#environment)) return
    this.#environment = variables
    this.send({ kind: 'environment', variables })
  }

  /**
   * The exit handshake: JavaScript still runs, though no event loop will turn again in this thread.
   * The heart has its own, and releases what it holds while this thread waits.
   */
  #exit(code: number): Cell | undefined {
    const heart = this.#heart
    if (heart === undefined || !heart.cell.holding) return undefined
    // What outlives this process is ended by the witness, which then releases: or the lease expires.
    if (this.#guarded !== undefined && groupMayLive(this.#guarded)) return undefined
    heart.send({ kind: 'exit', reason: code === 0 ? 'stopped' : 'crashed' })
    return heart.cell
  }
}

/** Of a heart that was told of an exit which was none: others emit the event of the process as well. */
function unwantedStop(): TenureError {
  return new TenureError(
    'TENURE_ERR_HEART_DIED',
    'The heart has stopped, and the process lives on.',
  )
}

function isSame(one: Environment, other: Environment): boolean {
  const names = Object.keys(one)
  return (
    names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
  )
}

/** Whether a process of the group may live. */
function groupMayLive(group: GuardedGroup): boolean {
  if (group === 'starting') return true
  try {
    process.kill(-group, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}
