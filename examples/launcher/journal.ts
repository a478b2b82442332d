import type { PageLine, PageRun, PageSkip } from '../../src/dashboard/page.ts'
import type { Status } from '../../src/index.ts'

const linesMax = 300
const runsMax = 40

/**
 * The last log lines and runs of all instances: it remembers those of an instance that was killed,
 * too.
 */
export class Journal {
  #lines = new Map<string, PageLine>()
  readonly #runs = new Map<string, PageRun>()
  #skips = new Map<string, PageSkip>()

  /** The newest first. */
  get lines(): PageLine[] {
    return [...this.#lines.values()].sort((a, b) => b.timeMs - a.timeMs)
  }

  /** The newest first. */
  get runs(): PageRun[] {
    return [...this.#runs.values()].sort((a, b) => b.startedAtMs - a.startedAtMs)
  }

  /** The newest first. */
  get skips(): PageSkip[] {
    return [...this.#skips.values()].sort((a, b) => b.skippedAtMs - a.skippedAtMs)
  }

  /** Notes what an instance tells of itself. */
  note(instance: string, { recentLines, recentRuns, recentSkips }: Status): void {
    for (const line of recentLines) {
      const key = `${instance} ${line.timeMs} ${line.event} ${JSON.stringify(line.fields)}`
      this.#lines.set(key, { ...line, instance })
    }
    for (const [key, line] of this.#lines) {
      // It answers, and its own lines are here: what was seen from outside is no longer needed.
      if (line.instance === instance && line.seen) this.#lines.delete(key)
    }
    if (this.#lines.size > linesMax) {
      const keyOf = ([, line]: [string, PageLine]): number => -line.timeMs
      const newest = [...this.#lines].sort((a, b) => keyOf(a) - keyOf(b)).slice(0, linesMax)
      this.#lines = new Map(newest)
    }
    for (const run of recentRuns) this.#runs.set(run.id, { ...run, instance })
    const old = this.runs.slice(runsMax)
    for (const { id } of old) this.#runs.delete(id)
    for (const skip of recentSkips) {
      const { jobId, scheduledForMs, attempt } = skip
      this.#skips.set(`${instance} ${jobId} ${scheduledForMs} ${attempt}`, { ...skip, instance })
    }
    this.#skips = new Map([...this.#skips].slice(-runsMax))
  }

  /** Notes a heartbeat of an instance that cannot tell of it: it was seen in the store. */
  see(instance: string, timeMs: number, fields: Readonly<Record<string, unknown>>): void {
    const event = 'scheduler_lock_heartbeat_updated'
    const line: PageLine = { instance, event, timeMs, fields, seen: true }
    this.#lines.set(`seen ${instance} ${JSON.stringify(fields)}`, line)
  }
}
