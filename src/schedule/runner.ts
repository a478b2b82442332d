import type { Clock } from '../clock.ts'
import { newCorrelationId, withCorrelationId } from '../correlation.ts'
import { formatDuration } from '../duration.ts'
import { messageOf, TenureError } from '../errors.ts'
import type { LogEventName, RunLogger } from '../events.ts'
import type { Handler, Job, Run, RunOutcome, RunRecord } from './job.ts'
import type { Work } from './work.ts'

/** What a runner, and the scheduler around it, is made of. */
export interface RunnerParts {
  readonly clock: Clock
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  /** The logger of a run, with these fields on each line. */
  readonly loggerWith: (fields: Readonly<Record<string, unknown>>) => RunLogger
  readonly onRun: (event: 'run:started' | 'run:finished', run: RunRecord) => void
}

/** The term in which runs are started: asked anew before each. */
export interface RunningTerm {
  readonly fencingToken: number
  readonly leads: boolean
  readonly work: Work
}

/** Why and with what a job is run. */
export interface HowRun {
  readonly trigger: RunRecord['trigger']
  readonly scheduledForMs: number
  readonly data: unknown
  readonly correlationId: string
}

interface RunTimeout {
  cancel(): void
  reached(): boolean
}

/** How many finished runs are remembered. */
const recentRunsMax = 50

/** Runs handlers: with a signal, a timeout, a correlation id and a record of each run. */
export class Runner {
  readonly #parts: RunnerParts
  readonly #onRecord: (run: RunRecord) => void
  /** The ids of the jobs that run, also of one that was replaced or removed meanwhile. */
  readonly #running = new Set<string>()
  #recent: RunRecord[] = []

  /** @param onRecord is given each run as it starts, and again as it ends */
  constructor(parts: RunnerParts, onRecord: (run: RunRecord) => void) {
    this.#parts = parts
    this.#onRecord = onRecord
  }

  /** The last runs that have ended, the newest first. */
  get recent(): readonly RunRecord[] {
    return this.#recent
  }

  isRunning(jobId: string): boolean {
    return this.#running.has(jobId)
  }

  /** Runs a job. Never rejects: whatever the handler does, the scheduler goes on. */
  async run(job: Job, term: RunningTerm, how: HowRun): Promise<RunRecord> {
    const { clock, log, loggerWith, onRun } = this.#parts
    const startedMs = clock.monotonicMs()
    const started: RunRecord = {
      id: newCorrelationId(),
      jobId: job.id,
      trigger: how.trigger,
      scheduledForMs: how.scheduledForMs,
      startedAtMs: clock.wallMs(),
      finishedAtMs: undefined,
      outcome: 'running',
      error: undefined,
      fencingToken: term.fencingToken,
      correlationId: how.correlationId,
    }
    const { id, fencingToken } = started
    const fields = {
      jobId: job.id,
      runId: id,
      correlationId: how.correlationId,
      token: fencingToken,
    }
    const controller = new AbortController()
    const run: Run = {
      id,
      jobId: job.id,
      data: how.data,
      scheduledFor: new Date(how.scheduledForMs),
      fencingToken,
      signal: controller.signal,
      correlationId: how.correlationId,
      log: loggerWith(fields),
    }
    this.#running.add(job.id)
    this.#onRecord(started)
    log('run_started', { ...fields, scheduledFor: run.scheduledFor.toISOString() })
    onRun('run:started', started)

    const settled = withCorrelationId(how.correlationId, () => settle(job.handler, run))
    term.work.add({ name: job.id, abort: (reason) => controller.abort(reason) }, settled)
    const timeout = this.#setTimeout(job, controller, fields)
    const { error, failed } = await settled
    timeout.cancel()

    const { signal } = controller
    const outcome = outcomeOf({ failed, timedOut: timeout.reached(), aborted: signal.aborted })
    const finished: RunRecord = {
      ...started,
      finishedAtMs: clock.wallMs(),
      outcome,
      error: failed ? messageOf(error) : undefined,
    }
    this.#running.delete(job.id)
    this.#onRecord(finished)
    this.#recent = [finished, ...this.#recent].slice(0, recentRunsMax)
    const end = { ...fields, outcome, durationMs: clock.monotonicMs() - startedMs }
    if (outcome === 'failed') log('run_failed', { ...end, error: finished.error, err: error })
    else log('run_finished', end)
    onRun('run:finished', finished)
    return finished
  }

  #setTimeout(job: Job, controller: AbortController, fields: object): RunTimeout {
    const { timeoutMs } = job
    if (timeoutMs === undefined) return { cancel: () => {}, reached: () => false }
    let reached = false
    const timer = this.#parts.clock.setTimer(timeoutMs, () => {
      reached = true
      this.#parts.log('run_timeout', { ...fields, timeoutMs })
      controller.abort(
        new TenureError(
          'TENURE_ERR_RUN_TIMEOUT',
          `Expected the run of ${JSON.stringify(job.id)} to end within ` +
            `${formatDuration(timeoutMs)}; it did not.`,
        ),
      )
    })
    return { cancel: () => timer.cancel(), reached: () => reached }
  }
}

/** Calls a handler, and takes a throw for a rejection. */
async function settle(handler: Handler, run: Run): Promise<{ failed: boolean; error: unknown }> {
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
