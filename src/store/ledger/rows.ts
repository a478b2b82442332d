import type {
  LedgerJob,
  LedgerRun,
  LedgerRunOutcome,
  LedgerSkip,
  RunKey,
  RunTrigger,
} from '../ledger-store.ts'
import type { ScheduleChange } from '../stored-schedule.ts'

/** A job. */
export interface JobRow extends LedgerJob {
  /** The term that registered it last; 0 if none has. */
  readonly token: number
}

/** A run. */
export interface RunRow extends Omit<LedgerRun, 'outcome'> {
  /** Empty for a tick, so that an attempt at one has one row, whoever tries; else the run's id. */
  readonly slot: string
  readonly rerun: boolean
  /** `undefined` while it runs. */
  readonly outcome: Exclude<LedgerRunOutcome, 'running'> | undefined
}

/** What was stored under an id; without a handler it is not stored, or not any more. */
export interface ScheduleRow {
  readonly jobId: string
  readonly revision: number
  readonly handler: string | undefined
  readonly words: string
  readonly text: string
  readonly storedAtMs: number
}

/** The last revision of the stored jobs of a lease. It rises for ever. */
export interface RevisionRow {
  readonly revision: number
}

/** The rows of the ledger of one lease, by table. */
export interface Tables {
  readonly job: JobRow
  readonly run: RunRow
  readonly skip: LedgerSkip
  readonly schedule: ScheduleRow
  readonly revision: RevisionRow
}
/** The name of a table. */
export type Table = keyof Tables

/** The fields of each table, the key first. */
interface Columns<Name extends Table> {
  readonly key: readonly (keyof Tables[Name])[]
  readonly rest: readonly (keyof Tables[Name])[]
}

/** The fields of each table: those of its key, and the rest. */
export const tables: { readonly [Name in Table]: Columns<Name> } = {
  job: {
    key: ['jobId'],
    rest: ['schedule', 'anchorMs', 'cursorMs', 'runs', 'paused', 'token'],
  },
  run: {
    key: ['jobId', 'tickMs', 'attempt', 'slot'],
    rest: [
      ...(['runId', 'trigger', 'token', 'correlationId', 'rerun', 'startedAtMs'] as const),
      ...(['outcome', 'finishedAtMs', 'error', 'abandonedBy', 'retryAtMs'] as const),
    ],
  },
  skip: {
    key: ['jobId', 'tickMs'],
    rest: ['untilTickMs', 'count', 'reason', 'token'],
  },
  schedule: {
    key: ['jobId'],
    rest: ['revision', 'handler', 'words', 'text', 'storedAtMs'],
  },
  revision: { key: [], rest: ['revision'] },
}

/** The names of all tables. */
export const tableNames: readonly Table[] = Object.keys(tables) as Table[]

/** What a row of each table is found by. */
export interface Keys {
  readonly job: Pick<JobRow, 'jobId'>
  readonly run: Pick<RunRow, 'jobId' | 'tickMs' | 'attempt' | 'slot'>
  readonly skip: Pick<LedgerSkip, 'jobId' | 'tickMs'>
  readonly schedule: Pick<ScheduleRow, 'jobId'>
  readonly revision: object
}

/** A key as one text. No name has a control character, and so none of these has another's text. */
export function textOfKey<Name extends Table>(name: Name, key: Keys[Name]): string {
  const { jobId = '', tickMs = '', attempt = '', slot = '' } = key as Partial<Keys['run']>
  if (name === 'run') return `run\0${jobId}\0${tickMs}\0${attempt}\0${slot}`
  return name === 'skip' ? `skip\0${jobId}\0${tickMs}` : `${name}\0${jobId}`
}

/** The key of a run. */
export function keyOfRun(run: RunKey & { readonly trigger: RunTrigger }): Keys['run'] {
  const { jobId, tickMs, attempt, trigger, runId } = run
  return { jobId, tickMs, attempt, slot: trigger === 'tick' ? '' : runId }
}

/** A job in the words of the interface. */
export function jobOf({ token: _, ...job }: JobRow): LedgerJob {
  return job
}

/** A run in the words of the interface. */
export function runOf({ slot: _, rerun: __, outcome, ...run }: RunRow): LedgerRun {
  return { ...run, outcome: outcome ?? 'running' }
}

/** A change of a stored job in the words of the interface. */
export function changeOf(row: ScheduleRow, paused: boolean): ScheduleChange {
  const { revision, handler, ...rest } = row
  const schedule = handler === undefined ? undefined : { ...rest, handler }
  return { revision, jobId: row.jobId, schedule, paused }
}
