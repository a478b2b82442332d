import { checkName } from '../options/check.ts'
import { setLongTimer, type Clock, type Timer } from '../clock.ts'
import { withCorrelationId } from '../correlation.ts'
import { formatDuration } from '../duration.ts'
import { describeValue, messageOf, TenureError } from '../errors.ts'
import type { LogEventName, RunLogger } from '../events.ts'
import type { Fence } from '../fencing/fence-client.ts'
import type { LedgerRun } from '../store/ledger-store.ts'
import type { Job } from './job.ts'
import {
  abandonedRunOf,
  type Attempt,
  type Handler,
  type Run,
  type RunOutcome,
  type RunProgress,
  type RunRecord,
} from './run.ts'
import type { Work } from './work.ts'

/** The events of a run. */
export type RunEventName = 'run:started' | 'run:lost' | 'run:finished' | 'run:abandoned'

/** What a runner, and the scheduler around it, depends on. */
export interface RunnerDeps {
  readonly clock: Clock
  /** From 0 to below 1. */
  readonly random: () => number
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  /** The logger of a run, with these fields on each line. */
  readonly loggerWith: (fields: Readonly<Record<string, unknown>>) => RunLogger
  readonly onRun: (event: RunEventName, run: RunRecord) => void
}

/** The term in which runs are started: asked anew before each. */
export interface RunningTerm {
  readonly fencingToken: number
  readonly fence: Fence
  readonly leads: boolean
  readonly work: Work
}

interface End {
  readonly failed: boolean
  readonly error: unknown
}

/** A run in progress, with what may still happen to it. */
interface RunInProgress {
  readonly job: Job
  readonly fields: Readonly<Record<string, unknown>>
  readonly startedMs: number
  readonly controller: AbortController
  record: RunRecord
  timer: Timer | undefined
  timedOut: boolean
  readonly reported: PromiseWithResolvers<RunRecord>
  readonly onEnd: (run: RunRecord) => void
}

/** How many finished runs are remembered. */
const recentRunsMax = 50

/** Runs handlers: with a signal, a timeout, a correlation id and a record of each run. */
export class Runner {
  readonly #deps: RunnerDeps
  readonly #onRecord: (run: RunRecord, starts: boolean) => void
  /** How many runs are in progress, by job: also of one that was replaced or removed meanwhile. */
  readonly #running = new Map<string, number>()
  #recent: RunRecord[] = []

  /** @param onRecord is given each run as it starts, and again whenever more is known of it */
  constructor(deps: RunnerDeps, onRecord: (run: RunRecord, starts: boolean) => void) {
    this.#deps = deps
    this.#onRecord = onRecord
  }

  /** The last runs that have ended or were called lost, the newest first. */
  get recent(): readonly RunRecord[] {
    return this.#recent
  }

  isRunning(jobId: string): boolean {
    return this.#running.has(jobId)
  }

  /**
   * Runs a job once: its handler is called. Resolves when the run has ended or is called lost, and
   * never rejects: whatever the handler does, the scheduler continues.
   *
   * @param onEnd is called when the run has really ended, also after it was called lost
   */
  start(
    job: Job,
    term: RunningTerm,
    attempt: Attempt,
    data: unknown,
    onEnd: (run: RunRecord) => void,
  ): Promise<RunRecord> {
    const running = this.#begin(job, term, attempt, onEnd)
    const { controller, record, fields } = running
    const { correlationId } = record
    const run: Run = {
      id: record.id,
      jobId: job.id,
      data,
      scheduledFor: new Date(record.scheduledForMs),
      attempt: record.attempt,
      fencingToken: record.fencingToken,
      signal: controller.signal,
      correlationId,
      log: this.#deps.loggerWith(fields),
      fence: term.fence,
      progress: (fraction, note) => this.#progress(running, readProgress(fraction, note)),
    }
    const settled = withCorrelationId(correlationId, () => settle(job.handler, run))
    // Over when its end is reported: what that makes necessary is added before the work looks done.
    const over = settled.then((end) => this.#end(running, end))
    term.work.add({ name: job.id, abort: (reason) => controller.abort(reason) }, over)
    this.#setTimeout(running)
    return running.reported.promise
  }

  /** Reports a run whose leader was lost: this instance did not see how it ended. */
  abandoned(run: LedgerRun): void {
    const { log, onRun } = this.#deps
    const record = abandonedRunOf(run)
    const { error: message } = record
    const scheduledFor = new Date(run.tickMs).toISOString()
    const rerun = run.retryAtMs !== undefined
    log('run_abandoned', { ...fieldsOf(record), scheduledFor, rerun, message })
    this.#onRecord(record, true)
    this.#recall(record)
    onRun('run:abandoned', record)
  }

  #begin(
    job: Job,
    { fencingToken }: RunningTerm,
    attempt: Attempt,
    onEnd: (run: RunRecord) => void,
  ): RunInProgress {
    const { clock, log, onRun } = this.#deps
    const { follows: _, ...known } = attempt
    const record: RunRecord = {
      ...known,
      startedAtMs: clock.wallMs(),
      finishedAtMs: undefined,
      outcome: 'running',
      error: undefined,
      progress: undefined,
      fencingToken,
    }
    const fields = fieldsOf(record)
    this.#running.set(job.id, (this.#running.get(job.id) ?? 0) + 1)
    this.#onRecord(record, true)
    log('run_started', { ...fields, scheduledFor: new Date(record.scheduledForMs).toISOString() })
    onRun('run:started', record)
    return {
      job,
      fields,
      startedMs: clock.monotonicMs(),
      controller: new AbortController(),
      record,
      timer: undefined,
      timedOut: false,
      reported: Promise.withResolvers(),
      onEnd,
    }
  }

  /** Here a run ends. */
  #end(running: RunInProgress, { failed, error }: End): void {
    const { clock, log, onRun } = this.#deps
    const { job, fields, record: last } = running
    running.timer?.cancel()
    const { aborted } = running.controller.signal
    const finished: RunRecord = {
      ...last,
      finishedAtMs: clock.wallMs(),
      outcome: last.outcome === 'lost' ? 'lost' : outcomeOf({ ...running, failed, aborted }),
      error: failed ? messageOf(error) : last.error,
    }
    const others = (this.#running.get(job.id) ?? 1) - 1
    if (others > 0) this.#running.set(job.id, others)
    else this.#running.delete(job.id)
    this.#remember(running, finished)
    const { outcome } = finished
    const end = { ...fields, outcome, durationMs: clock.monotonicMs() - running.startedMs }
    if (outcome === 'failed') log('run_failed', { ...end, error: finished.error, err: error })
    else log('run_finished', end)
    onRun('run:finished', finished)
    running.onEnd(finished)
    running.reported.resolve(finished)
  }

  #setTimeout(running: RunInProgress): void {
    const { clock, log } = this.#deps
    const { job, fields, controller } = running
    const { timeoutMs, timeoutGraceMs } = job
    if (timeoutMs === undefined) return
    running.timer = setLongTimer(clock, timeoutMs, () => {
      running.timedOut = true
      log('run_timeout', { ...fields, timeoutMs })
      // First, because the signal may end the run.
      running.timer = setLongTimer(clock, timeoutGraceMs, () => this.#lose(running))
      controller.abort(
        new TenureError(
          'TENURE_ERR_RUN_TIMEOUT',
          `Expected the run of ${JSON.stringify(job.id)} to end within ` +
            `${formatDuration(timeoutMs)}; it did not.`,
        ),
      )
    })
  }

  /** A run ignores its signal. It is still in progress, and counts as such; but it is reported. */
  #lose(running: RunInProgress): void {
    const { log, onRun } = this.#deps
    const { job, fields } = running
    const { timeoutGraceMs } = job
    const error =
      'The run did not end within ' +
      `${formatDuration(timeoutGraceMs)} after its timeout: its handler ignores \`run.signal\`.`
    const lost: RunRecord = { ...running.record, outcome: 'lost', error }
    this.#remember(running, lost)
    log('run_lost', { ...fields, timeoutGraceMs, message: error })
    onRun('run:lost', lost)
    running.reported.resolve(lost)
  }

  #progress(running: RunInProgress, progress: RunProgress): void {
    if (running.record.finishedAtMs !== undefined) return
    running.record = { ...running.record, progress }
    this.#onRecord(running.record, false)
    if (running.record.outcome === 'lost') this.#remember(running, running.record)
  }

  #remember(running: RunInProgress, record: RunRecord): void {
    running.record = record
    this.#onRecord(record, false)
    this.#recall(record)
  }

  #recall(record: RunRecord): void {
    const at = this.#recent.findIndex(({ id }) => id === record.id)
    if (at === -1) this.#recent = [record, ...this.#recent].slice(0, recentRunsMax)
    else this.#recent = this.#recent.with(at, record)
  }
}

/** What a log line says of a run. */
function fieldsOf(run: RunRecord): Readonly<Record<string, unknown>> {
  const { jobId, id: runId, correlationId, fencingToken: token, attempt } = run
  return { jobId, runId, correlationId, token, attempt }
}

/** Calls a handler, and takes a throw for a rejection. */
async function settle(handler: Handler, run: Run): Promise<End> {
  try {
    await handler(run)
    return { failed: false, error: undefined }
  } catch (error) {
    return { failed: true, error }
  }
}

function outcomeOf(end: { failed: boolean; timedOut: boolean; aborted: boolean }): RunOutcome {
  if (end.timedOut) return 'timed-out'
  if (!end.failed) return 'succeeded'
  return end.aborted ? 'aborted' : 'failed'
}

function readProgress(fraction: unknown, note: unknown): RunProgress {
  if (typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      `Expected \`fraction\` to be a number from 0 to 1; got ${describeValue(fraction)}.`,
    )
  }
  if (note === undefined) return { fraction, note }
  return { fraction, note: checkName(note, 'note', 'TENURE_ERR_OPTION_TYPE') }
}
