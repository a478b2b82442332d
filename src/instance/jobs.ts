import type { Clock } from '../clock.ts'
import { recordOfError } from '../heart/error-record.ts'
import type { Log } from '../log.ts'
import type { FixedSettings, ResolvedStore, Settings } from '../options.ts'
import { checkName } from '../options/check.ts'
import { LedgerWriter } from '../schedule/ledger-writer.ts'
import { checkHandler, type Handler, type RunRecord } from '../schedule/run.ts'
import type { RunEventName, RunningTerm } from '../schedule/runner.ts'
import { Scheduler } from '../schedule/scheduler.ts'
import { cannotStart, startCoolDownMs, StartFailures } from '../schedule/start-failures.ts'
import { StoredJobs } from '../schedule/stored-jobs.ts'
import { JobsHash } from './jobs-hash.ts'
import type { LedgerClient } from './ledger-client.ts'
import { StoredSchedulesClient } from './stored-schedules.ts'

/** What the jobs of an instance are made of. */
export interface JobsDeps {
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly store: ResolvedStore
  readonly fixed: FixedSettings
  readonly settings: () => Settings
  /** Whether a stop is under way: the term ends anyway. */
  readonly isStopping: () => boolean
  /** Gives the term up: jobs cannot start here. */
  readonly resign: (coolDownMs: number) => void
  /** The hash over the jobs is another one. */
  readonly onHash: () => void
  readonly onRun: (event: RunEventName, run: RunRecord) => void
}

/**
 * The jobs of an instance: the scheduler with the jobs of the application's code, the stored jobs
 * that it follows while it leads, and the ledger that both are recorded in.
 */
export class Jobs {
  readonly scheduler: Scheduler
  readonly stored: StoredSchedulesClient
  readonly #deps: JobsDeps
  readonly #storedJobs: StoredJobs
  readonly #hash = new JobsHash()
  readonly #startFailures: StartFailures
  /** The ledger as the heart that runs now reaches it; `undefined` before the first start. */
  #ledger: LedgerClient | undefined

  constructor(deps: JobsDeps) {
    const { clock, random, log, store, fixed, settings } = deps
    this.#deps = deps
    this.#startFailures = new StartFailures({
      resign: (token, failures) => this.#resignUnableToStart(token, failures),
    })
    this.scheduler = new Scheduler({
      clock,
      random,
      log: (event, fields) => log.write(event, fields),
      loggerWith: (fields) => log.loggerWith(fields),
      onRun: deps.onRun,
      ledgerOf: (term) => this.#ledgerOf(term),
      onJob: (...change) => this.#hashChanged(...change),
      history: fixed.history,
      followedRevision: () => this.#storedJobs.revision,
      onNeed: () => this.#storedJobs.needed(),
    })
    this.#storedJobs = new StoredJobs({
      clock,
      scheduler: this.scheduler,
      lease: fixed.lease,
      port: () => this.#ledger?.port,
      heartbeatMs: () => settings().heartbeatMs,
      onFault: (error, retryMs) => this.#ledgerFailed(error, retryMs),
      log: (event, fields) => log.write(event, fields),
    })
    this.stored = new StoredSchedulesClient({
      store,
      lease: fixed.lease,
      clock,
      timeoutMs: () => settings().attemptTimeoutMs,
      isOwn: (id) => this.scheduler.isOwn(id),
      jobs: this.#storedJobs,
    })
  }

  /** The hash over the jobs of the application's code; `undefined` while there are none. */
  get hash(): string | undefined {
    return this.#hash.value
  }

  set ledger(ledger: LedgerClient) {
    this.#ledger = ledger
  }

  // ---- the term ----

  begin(term: RunningTerm): void {
    this.#storedJobs.begin()
    this.scheduler.begin(term)
  }

  end(): void {
    this.#storedJobs.end()
    this.scheduler.end()
  }

  /** The lease was renewed. */
  renewed(): void {
    this.#startFailures.renewed()
  }

  // ---- what the application wants ----

  /** Gives the handler of stored jobs. @throws TenureError */
  handle(name: string, handler: unknown): void {
    const known = checkName(name, 'name', 'TENURE_ERR_OPTION_TYPE')
    const call: Handler = checkHandler(handler)
    if (!this.#storedJobs.names.includes(known)) {
      // An instance that has not the leader's handlers has not the leader's jobs.
      this.#hashChanged(`handler ${known}`, undefined, 'handler')
    }
    this.#storedJobs.handle(known, call)
  }

  /** Pauses a job or resumes it: in the ledger, or here if it has no ledger. @throws TenureError */
  async setPaused(id: string, paused: boolean): Promise<void> {
    const isKnown = this.scheduler.isPausedByLedger(id) && (await this.stored.setPaused(id, paused))
    // A stored job is known to the leader only.
    if (!isKnown || this.scheduler.isOwn(id)) this.scheduler.setPaused(id, paused)
  }

  // ---- the ledger, and the leader's jobs ----

  /** Writes the ledger in a term; what cannot be written at once is told. */
  #ledgerOf(term: RunningTerm): LedgerWriter | undefined {
    const port = this.#ledger?.port
    if (port === undefined) return undefined
    const { clock, fixed, isStopping } = this.#deps
    const token = term.fencingToken
    return new LedgerWriter({
      port,
      clock,
      lease: fixed.lease,
      token,
      leads: () => term.leads,
      newTrial: () => this.#startFailures.trialOf(token, () => term.leads && !isStopping()),
      onFault: (error, retryMs) => this.#ledgerFailed(error, retryMs),
    })
  }

  #ledgerFailed(error: unknown, retryMs: number): void {
    const { error: code, message } = recordOfError(error)
    this.#deps.log.write('ledger_failed', { error: code, retryMs, message })
  }

  #resignUnableToStart(token: number, failures: number): void {
    const coolDownMs = startCoolDownMs
    const fields = { token, failures, coolDownMs, message: cannotStart }
    this.#deps.log.write('jobs_cannot_start', fields)
    this.#deps.resign(coolDownMs)
  }

  #hashChanged(...change: Parameters<JobsHash['changed']>): void {
    this.#hash.changed(...change)
    this.#deps.onHash()
  }
}
