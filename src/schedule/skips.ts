import type { SkipRecord } from './run.ts'
import type { RunnerDeps } from './runner.ts'

/** How many skips are remembered. */
const recentSkipsMax = 50

/** Logs each tick that is not run, and remembers the last of them. */
export class Skips {
  readonly #deps: Pick<RunnerDeps, 'clock' | 'log'>
  #recent: readonly SkipRecord[] = []

  constructor(deps: Pick<RunnerDeps, 'clock' | 'log'>) {
    this.#deps = deps
  }

  /** The newest first. */
  get recent(): readonly SkipRecord[] {
    return this.#recent
  }

  add(skip: Omit<SkipRecord, 'skippedAtMs'>): void {
    const { clock, log } = this.#deps
    const { jobId, reason, scheduledForMs, untilMs, count, attempt } = skip
    const scheduledFor = new Date(scheduledForMs).toISOString()
    const until = new Date(untilMs).toISOString()
    log('run_skipped', { jobId, reason, scheduledFor, until, count, attempt })
    const record = { ...skip, skippedAtMs: Math.round(clock.wallMs()) }
    this.#recent = [record, ...this.#recent].slice(0, recentSkipsMax)
  }
}
