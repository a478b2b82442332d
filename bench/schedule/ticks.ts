import { quantile } from './table.ts'

/** How far ticks were apart. */
const everyMs = 1_000

/** How late the ticks of a while were. */
export interface Lateness {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** How many ticks were due, were never run, and were run more than once. */
  readonly due: number
  readonly missed: number
  readonly doubled: number
}

/** What the handlers have noted, in arrays that are as long as may be from the beginning. */
export class Ticks {
  readonly #jobs: number
  readonly #job: Uint32Array
  readonly #scheduledMs: Float64Array
  readonly #calledMs: Float64Array
  #count = 0

  /** @param perJobMax how many ticks of each job there is place for */
  constructor(jobs: number, perJobMax: number) {
    const places = jobs * perJobMax
    this.#jobs = jobs
    this.#job = new Uint32Array(places)
    this.#scheduledMs = new Float64Array(places)
    this.#calledMs = new Float64Array(places)
  }

  readonly note = (job: number, scheduledMs: number): void => {
    const at = this.#count++
    this.#job[at] = job
    this.#scheduledMs[at] = scheduledMs
    this.#calledMs[at] = Date.now()
  }

  /** The lateness of all ticks that were due from one instant to another, the latter excluded. */
  lateness(fromMs: number, untilMs: number): Lateness {
    if (this.#count > this.#job.length) throw new Error('more ticks than there is place for')
    // A scheduled instant may be rounded: ticks are counted from the first one of their job.
    const firstMs = new Float64Array(this.#jobs).fill(Number.NaN)
    const seen = new Set<string>()
    const lateMs: number[] = []
    let doubled = 0
    for (let at = 0; at < this.#count; at++) {
      const [job = 0, scheduledMs = 0] = [this.#job[at], this.#scheduledMs[at]]
      if (Number.isNaN(firstMs[job])) firstMs[job] = scheduledMs
      const base = firstMs[job] ?? 0
      const tick = Math.round((scheduledMs - base) / everyMs)
      const dueMs = base + tick * everyMs
      if (dueMs < fromMs || dueMs >= untilMs) continue
      const key = `${job}/${tick}`
      if (seen.has(key)) doubled++
      seen.add(key)
      lateMs.push((this.#calledMs[at] ?? 0) - scheduledMs)
    }
    const due = (this.#jobs * (untilMs - fromMs)) / everyMs
    const sorted = Float64Array.from(lateMs).toSorted()
    const [p50Ms, p99Ms] = [quantile(sorted, 0.5), quantile(sorted, 0.99)]
    return { p50Ms, p99Ms, maxMs: quantile(sorted, 1), due, missed: due - seen.size, doubled }
  }
}
