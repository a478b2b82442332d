/** What a handler does, and nothing else: it notes which tick of which job it was called for. */
export type Note = (job: number, scheduledMs: number) => void

/** The jobs of a benchmark: due each second, or not due while it is measured. */
export type JobKind = 'second' | 'idle'

/** What a contender is told by the benchmark. */
export interface ContenderConfig {
  /** The file in `contenders/`. */
  readonly file: string
  readonly jobs: number
  /** The URL of the store, where it needs one. */
  readonly url: string
  /** Whether the jobs stand in the ledger: Tenure. */
  readonly ledger: boolean
  /** Whether jobs that are not due have intervals, where there are cron expressions, too. */
  readonly intervals: boolean
  /** The module that is Tenure: as it is built, or from its sources. */
  readonly tenure: string
}

/** A scheduler that is measured, in a process of its own, which is killed after. */
export interface Contender {
  /** Registers jobs. Resolves when the last one is known wherever it has to be. */
  register(jobs: number, kind: JobKind): Promise<void>
}

/** What each file in `contenders/` exports as `createContender`. */
export type CreateContender = (note: Note, config: ContenderConfig) => Contender
