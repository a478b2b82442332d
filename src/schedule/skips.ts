import type { SkipRecord } from './run.ts'
import type { RunnerParts } from './runner.ts'

/** How many skips are remembered. */
const recentSkipsMax = 50

/** Tells of each tick that is not run, and remembers the last of them. */
export class Skips {
  readonly #parts: Pick<RunnerParts, 'clock' | 'log'>
  #recent: readonly SkipRecord[] = []

  constructor(parts: Pick<RunnerParts, 'clock' | 'log'>) {
    this.#parts = parts
  }

  /** The newest first. */
  get recent(): readonly SkipRecord[] {
    return this.#recent
  }

  tell(skip: Omit<SkipRecord, 'skippedAtMs'>): void {
    const { clock, log } = this.#parts
    const { jobId, reason, scheduledForMs, untilMs, count, attempt } = skip
    const scheduledFor = new Date(scheduledForMs).toISOString()
    const until = new Date(untilMs).toISOString()
    log('run_skipped', { jobId, reason, scheduledFor, until, count, attempt })
    const record = { ...skip, skippedAtMs: Math.round(clock.wallMs()) }
    this.#recent = [record, ...this.#recent].slice(0, recentSkipsMax)
  }
}
