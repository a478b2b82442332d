import { checkName } from '../options/check.ts'
import { setLongTimer, type Clock, type Timer } from '../clock.ts'
import { withCorrelationId } from '../correlation.ts'
import { formatDuration } from '../duration.ts'
import { describeValue, messageOf, TenureError } from '../errors.ts'
import type { LogEventName, RunLogger } from '../events.ts'
import type { Fence } from '../fencing/fence-client.ts'
import type { LedgerRun } from '../store/ledger-store.ts'
import type { Handler, Job, Run, RunOutcome, RunProgress, RunRecord } from './job.ts'
import type { Work } from './work.ts'

/** What is told of a run, while it goes on and after. */
export type RunEventName = 'run:started' | 'run:lost' | 'run:finished' | 'run:abandoned'

/** What a runner, and the scheduler around it, is made of. */
export interface RunnerParts {
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

/** Why and with what a job is run. */
export interface HowRun {
  readonly runId: string
  readonly trigger: RunRecord['trigger']
  readonly scheduledForMs: number
  readonly attempt: number
  readonly data: unknown
  readonly correlationId: string
}

interface End {
  readonly failed: boolean
  readonly error: unknown
}

/** A run that goes on, with what may still happen to it. */
interface Going {
  readonly job: Job
  readonly fields: Readonly<Record<string, unknown>>
  readonly startedMs: number
  readonly controller: AbortController
  record: RunRecord
  timer: Timer | undefined
  timedOut: boolean
  readonly told: PromiseWithResolvers<RunRecord>
  readonly onEnd: (run: RunRecord) => void
}

/** How many finished runs are remembered. */
const recentRunsMax = 50

/** Runs handlers: with a signal, a timeout, a correlation id and a record of each run. */
export class Runner {
  readonly #parts: RunnerParts
  readonly #onRecord: (run: RunRecord, starts: boolean) => void
  /** How many runs go on, by job: also of one that was replaced or removed meanwhile. */
  readonly #running = new Map<string, number>()
  #recent: RunRecord[] = []

  /** @param onRecord is given each run as it starts, and again whenever more is known of it */
  constructor(parts: RunnerParts, onRecord: (run: RunRecord, starts: boolean) => void) {
    this.#parts = parts
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
   * never rejects: whatever the handler does, the scheduler goes on.
   *
   * @param onEnd is called when the run has really ended, also after it was called lost
   */
  start(
    job: Job,
    term: RunningTerm,
    how: HowRun,
    onEnd: (run: RunRecord) => void,
  ): Promise<RunRecord> {
    const going = this.#begin(job, term, how, onEnd)
    const { controller, record } = going
    const { fencingToken, id } = record
    const run: Run = {
      id,
      jobId: job.id,
      data: how.data,
      scheduledFor: new Date(how.scheduledForMs),
      attempt: how.attempt,
      fencingToken,
      signal: controller.signal,
      correlationId: how.correlationId,
      log: this.#parts.loggerWith(going.fields),
      fence: term.fence,
      progress: (fraction, note) => this.#progress(going, readProgress(fraction, note)),
    }
    const settled = withCorrelationId(how.correlationId, () => settle(job.handler, run))
    // Over when its end is told: what that makes necessary is added before the work looks done.
    const over = settled.then((end) => this.#end(going, end))
    term.work.add({ name: job.id, abort: (reason) => controller.abort(reason) }, over)
    this.#setTimeout(going)
    return going.told.promise
  }

  /** Tells of a run whose leader was lost: this instance did not see how it ended. */
  abandoned(run: LedgerRun): void {
    const { log, onRun } = this.#parts
    const { jobId, runId, correlationId, attempt, token, trigger } = run
    const error = 'The leader was lost before the run had ended.'
    const record: RunRecord = {
      id: runId,
      jobId,
      trigger,
      scheduledForMs: run.tickMs,
      attempt,
      startedAtMs: run.startedAtMs,
      finishedAtMs: run.finishedAtMs,
      outcome: 'abandoned',
      error,
      progress: undefined,
      fencingToken: token,
      correlationId,
    }
    const scheduledFor = new Date(run.tickMs).toISOString()
    const rerun = run.retryAtMs !== undefined
    const fields = { jobId, runId, correlationId, token, attempt, scheduledFor, rerun }
    log('run_abandoned', { ...fields, message: error })
    this.#onRecord(record, true)
    this.#recall(record)
    onRun('run:abandoned', record)
  }

  #begin(
    job: Job,
    { fencingToken }: RunningTerm,
    how: HowRun,
    onEnd: (run: RunRecord) => void,
  ): Going {
    const { clock, log, onRun } = this.#parts
    const record: RunRecord = {
      id: how.runId,
      jobId: job.id,
      trigger: how.trigger,
      scheduledForMs: how.scheduledForMs,
      attempt: how.attempt,
      startedAtMs: clock.wallMs(),
      finishedAtMs: undefined,
      outcome: 'running',
      error: undefined,
      progress: undefined,
      fencingToken,
      correlationId: how.correlationId,
    }
    const fields = {
      jobId: job.id,
      runId: record.id,
      correlationId: how.correlationId,
      token: fencingToken,
      attempt: how.attempt,
    }
    this.#running.set(job.id, (this.#running.get(job.id) ?? 0) + 1)
    this.#onRecord(record, true)
    log('run_started', { ...fields, scheduledFor: new Date(how.scheduledForMs).toISOString() })
    onRun('run:started', record)
    return {
      job,
      fields,
      startedMs: clock.monotonicMs(),
      controller: new AbortController(),
      record,
      timer: undefined,
      timedOut: false,
      told: Promise.withResolvers(),
      onEnd,
    }
  }

  /** Here a run ends. */
  #end(going: Going, { failed, error }: End): void {
    const { clock, log, onRun } = this.#parts
    const { job, fields, record: last } = going
    going.timer?.cancel()
    const { aborted } = going.controller.signal
    const finished: RunRecord = {
      ...last,
      finishedAtMs: clock.wallMs(),
      outcome: last.outcome === 'lost' ? 'lost' : outcomeOf({ ...going, failed, aborted }),
      error: failed ? messageOf(error) : last.error,
    }
    const others = (this.#running.get(job.id) ?? 1) - 1
    if (others > 0) this.#running.set(job.id, others)
    else this.#running.delete(job.id)
    this.#remember(going, finished)
    const { outcome } = finished
    const end = { ...fields, outcome, durationMs: clock.monotonicMs() - going.startedMs }
    if (outcome === 'failed') log('run_failed', { ...end, error: finished.error, err: error })
    else log('run_finished', end)
    onRun('run:finished', finished)
    going.onEnd(finished)
    going.told.resolve(finished)
  }

  #setTimeout(going: Going): void {
    const { clock, log } = this.#parts
    const { job, fields, controller } = going
    const { timeoutMs, timeoutGraceMs } = job
    if (timeoutMs === undefined) return
    going.timer = setLongTimer(clock, timeoutMs, () => {
      going.timedOut = true
      log('run_timeout', { ...fields, timeoutMs })
      // First, because the signal may end the run.
      going.timer = setLongTimer(clock, timeoutGraceMs, () => this.#lose(going))
      controller.abort(
        new TenureError(
          'TENURE_ERR_RUN_TIMEOUT',
          `Expected the run of ${JSON.stringify(job.id)} to end within ` +
            `${formatDuration(timeoutMs)}; it did not.`,
        ),
      )
    })
  }

  /** A run ignores its signal. It goes on, and counts as running; but it is told. */
  #lose(going: Going): void {
    const { log, onRun } = this.#parts
    const { job, fields } = going
    const { timeoutGraceMs } = job
    const error =
      'The run did not end within ' +
      `${formatDuration(timeoutGraceMs)} after its timeout: its handler ignores \`run.signal\`.`
    const lost: RunRecord = { ...going.record, outcome: 'lost', error }
    this.#remember(going, lost)
    log('run_lost', { ...fields, timeoutGraceMs, message: error })
    onRun('run:lost', lost)
    going.told.resolve(lost)
  }

  #progress(going: Going, progress: RunProgress): void {
    if (going.record.finishedAtMs !== undefined) return
    going.record = { ...going.record, progress }
    this.#onRecord(going.record, false)
    if (going.record.outcome === 'lost') this.#remember(going, going.record)
  }

  #remember(going: Going, record: RunRecord): void {
    going.record = record
    this.#onRecord(record, false)
    this.#recall(record)
  }

  #recall(record: RunRecord): void {
    const at = this.#recent.findIndex(({ id }) => id === record.id)
    if (at === -1) this.#recent = [record, ...this.#recent].slice(0, recentRunsMax)
    else this.#recent = this.#recent.with(at, record)
  }
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
