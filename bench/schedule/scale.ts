/** How much is measured, and for how long. */
export interface Scale {
  /** The module that is Tenure. */
  readonly tenure: string
  /** How many contenders run at a time: one, if the figures are to be worth anything. */
  readonly lanes: number
  readonly lateness: {
    readonly jobs: number
    readonly warmUpMs: number
    readonly measureMs: number
    readonly lateMsMax: number
  }
  readonly idle: {
    readonly sizes: readonly number[]
    readonly settleMs: number
    readonly measureMs: number
  }
  readonly claims: {
    readonly singles: number
    readonly batches: number
    readonly batchSize: number
  }
}

/** The scale of the figures in `docs/benchmarks.md`. */
export const full: Scale = {
  tenure: new URL('../../dist/index.js', import.meta.url).href,
  lanes: 1,
  lateness: { jobs: 1_000, warmUpMs: 5_000, measureMs: 30_000, lateMsMax: 5_000 },
  idle: { sizes: [10_000, 100_000], settleMs: 10_000, measureMs: 30_000 },
  claims: { singles: 2_000, batches: 60, batchSize: 500 },
}

/** Shows that everything works, and nothing else. */
export const quick: Scale = {
  tenure: new URL('../../src/index.ts', import.meta.url).href,
  lanes: 4,
  lateness: { jobs: 10, warmUpMs: 0, measureMs: 1_000, lateMsMax: 1_000 },
  idle: { sizes: [10, 20], settleMs: 0, measureMs: 100 },
  claims: { singles: 10, batches: 2, batchSize: 10 },
}
