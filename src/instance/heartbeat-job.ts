import type { Clock } from '../clock.ts'
import { formatDuration } from '../duration.ts'
import type { Report } from '../heart/messages.ts'
import { attemptTimeoutMsDefault, heartbeatMsDefault } from '../options/relations.ts'
import type { JobRecord, SystemJob } from '../schedule/job.ts'
import type { RunRecord } from '../schedule/run.ts'

/** The stable id of the heartbeat among the jobs: registering it again replaces it. */
export const heartbeatJobId = 'scheduler_lock_heartbeat'

/** How often the heartbeat fires unless `heartbeat` says otherwise, in seconds. */
export const heartbeatIntervalSeconds: number = heartbeatMsDefault / 1_000

/** How long one attempt may take unless `attemptTimeout` says otherwise, in seconds. */
export const heartbeatTimeoutSeconds: number = attemptTimeoutMsDefault / 1_000

/** What the heartbeat's job is made of. */
export interface HeartbeatJobDeps {
  readonly clock: Clock
  readonly heartbeatMs: () => number
  readonly leads: () => boolean
  /** Asks the heart to renew now. */
  readonly beat: (correlationId: string) => void
}

/**
 * The heartbeat as a job among the others: it runs in the heart, every `heartbeat`, and is shown
 * with its last and its next firing, and can be fired by hand.
 */
export class HeartbeatJob implements SystemJob {
  readonly id: string = heartbeatJobId
  readonly #deps: HeartbeatJobDeps
  #lastRun: RunRecord | undefined
  /** When the last renewal that succeeded was sent. */
  #lastSentMs: number | undefined
  #lastLatencyMs: number | undefined
  #fired = new Map<string, (run: RunRecord) => void>()

  constructor(deps: HeartbeatJobDeps) {
    this.#deps = deps
  }

  get lastAtMs(): number | undefined {
    return this.#lastSentMs
  }

  get lastLatencyMs(): number | undefined {
    return this.#lastLatencyMs
  }

  get nextAtMs(): number | undefined {
    if (!this.#deps.leads() || this.#lastSentMs === undefined) return undefined
    return this.#lastSentMs + this.#deps.heartbeatMs()
  }

  /** A term begins: its first heartbeat was the acquisition. */
  begin(atMs: number): void {
    this.#lastSentMs = atMs
  }

  /** A term ends: a heartbeat that was asked for will not be fired. */
  end(token: number): void {
    const nowMs = this.#deps.clock.wallMs()
    for (const [correlationId, resolve] of this.#fired) {
      resolve(
        this.#recordOf({ token, correlationId, atMs: nowMs, latencyMs: 0, outcome: 'refused' }),
      )
    }
    this.#fired.clear()
  }

  /** What the heart says of a heartbeat. */
  heard(report: Report & { kind: 'heartbeat' }): void {
    const run = this.#recordOf(report)
    this.#lastRun = run
    if (report.outcome === 'renewed') {
      this.#lastSentMs = Math.round(report.atMs - report.latencyMs)
      this.#lastLatencyMs = report.latencyMs
    }
    // An attempt that timed out or failed is tried again: the heartbeat goes on.
    if (report.outcome === 'timeout' || report.outcome === 'error') return
    for (const resolve of this.#fired.values()) resolve(run)
    this.#fired.clear()
  }

  /** Fires a heartbeat now, or joins the one under way; resolves when it is over. */
  fire(correlationId: string): Promise<RunRecord> {
    return new Promise((resolve) => {
      this.#fired.set(correlationId, resolve)
      this.#deps.beat(correlationId)
    })
  }

  record(): JobRecord {
    return {
      id: this.id,
      system: true,
      schedule: `every ${formatDuration(this.#deps.heartbeatMs())}`,
      paused: false,
      running: this.#fired.size > 0,
      lastRun: this.#lastRun,
      nextTickAtMs: this.nextAtMs,
      retryAtMs: undefined,
    }
  }

  #recordOf(report: Omit<Report & { kind: 'heartbeat' }, 'kind'>): RunRecord {
    const { correlationId, token, atMs, latencyMs, outcome } = report
    const startedAtMs = Math.round(atMs - latencyMs)
    const outcomes = {
      renewed: 'succeeded',
      refused: 'failed',
      timeout: 'timed-out',
      error: 'failed',
    } as const
    return {
      id: correlationId,
      jobId: this.id,
      trigger: this.#fired.has(correlationId) ? 'manual' : 'tick',
      scheduledForMs: startedAtMs,
      attempt: 1,
      startedAtMs,
      finishedAtMs: atMs,
      outcome: outcomes[outcome],
      error: outcome === 'renewed' ? undefined : outcome,
      progress: undefined,
      fencingToken: token,
      correlationId,
    }
  }
}
