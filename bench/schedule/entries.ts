/** What a contender needs beside its own process. */
export type Need = 'SQLite' | 'PostgreSQL' | 'Redis'

/** One row of the tables: a contender, and how it is set up. */
export interface Entry {
  readonly shown: string
  /** The file in `contenders/`. */
  readonly file: string
  readonly need: Need | undefined
  readonly ledger: boolean
  readonly intervals: boolean
}

function entry(
  shown: string,
  file: string,
  need?: Need,
  more: Partial<Pick<Entry, 'ledger' | 'intervals'>> = {},
): Entry {
  return { shown, file, need, ledger: false, intervals: false, ...more }
}

/** All contenders, in the order of the rows. */
export const entries: readonly Entry[] = [
  entry('Tenure, `ledger: false`', 'tenure', 'SQLite'),
  entry('Tenure, SQLite', 'tenure', 'SQLite', { ledger: true }),
  entry('Tenure, PostgreSQL', 'tenure', 'PostgreSQL', { ledger: true }),
  entry('`setInterval`', 'set-interval'),
  entry('croner', 'croner'),
  entry('node-cron', 'node-cron'),
  entry('toad-scheduler', 'toad-scheduler'),
  entry('BullMQ', 'bullmq', 'Redis'),
]

/** One more where jobs are not due: intervals, as `setInterval` and toad-scheduler have them. */
export const intervalEntry: Entry = entry(
  'Tenure, `ledger: false`, intervals',
  'tenure',
  'SQLite',
  { intervals: true },
)
