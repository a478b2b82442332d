import { isDeepStrictEqual } from 'node:util'

import { checkName } from '../options/check.ts'
import { type Clock, timeoutSignal } from '../clock.ts'
import { describeValue, messageOf, TenureError } from '../errors.ts'
import { IdleConnection } from './idle-connection.ts'
import type { ResolvedStore } from '../options.ts'
import {
  existsError,
  handlerUnknownError,
  ownError,
  storedUnknownError,
} from '../schedule/job-errors.ts'
import { readJobOptions } from '../schedule/job-options.ts'
import type { JobOptions } from '../schedule/job-options.ts'
import { readSchedule, type Schedule } from '../schedule/schedule.ts'
import type { StoredJobs } from '../schedule/stored-jobs.ts'
import type { LedgerStore } from '../store/ledger-store.ts'
import { openLedger } from '../store/open-ledger.ts'
import { changesMax, storedTextLengthMax } from '../store/stored-schedule.ts'

/** A job that is kept in the store: plain data, as it was stored. */
export interface StoredJob {
  readonly id: string
  /** The name of its handler. */
  readonly handler: string
  /** As it was given, with a text in the place of each `Date`. */
  readonly schedule: Schedule
  /** As they were given, without `onConflict`. */
  readonly options: Omit<JobOptions<unknown>, 'onConflict'>
  /** When it was stored with this schedule, in milliseconds since 1970. */
  readonly storedAtMs: number
}

/**
 * The jobs that are kept in the store: any instance stores and removes them while the application
 * runs, whichever leads runs them, and they outlive every deploy. All of this works on an instance
 * that does not lead, or has not been started. The leader follows within a second.
 */
export interface StoredSchedules {
  /**
   * Stores a job, or changes the one with the same id.
   *
   * @param id stable and unique; one that the application has scheduled in its code is refused
   * @param schedule as `tenure.schedule` takes it
   * @param handler the name of a handler, as `tenure.handle` has given it
   * @param options as `tenure.schedule` takes them, `onConflict` over all instances. Schedule, options
   * and `data` have to be what JSON can hold, up to 65,536 characters
   * @throws TenureError naming what is wrong with the id, the schedule, the handler or an option, or
   * why the store does not answer
   *
   * @example
   * ```ts
   * const data = { customer: 'acme' }
   * await tenure.stored.schedule('report:acme', { cron: '0 8 * * MON' }, 'send-report', { data })
   * ```
   */
  schedule<Data>(
    id: string,
    schedule: Schedule,
    handler: string,
    options?: JobOptions<Data>,
  ): Promise<void>
  /**
   * Removes a stored job, which no instance runs any more. A run in progress is left to end.
   *
   * @throws TenureError `TENURE_ERR_JOB_UNKNOWN`, or why the store does not answer
   */
  unschedule(id: string): Promise<void>
  /** All stored jobs, whoever has stored them, by when they were changed last. */
  list(): Promise<StoredJob[]>
}

/** What it is made of. */
export interface StoredSchedulesDeps {
  readonly store: ResolvedStore
  readonly lease: string
  readonly clock: Clock
  /** How long a call may take. */
  readonly timeoutMs: () => number
  /** Whether an id is taken on this instance. */
  readonly isOwn: (id: string) => boolean
  /** What runs them where this instance leads. */
  readonly jobs: Pick<StoredJobs, 'names' | 'look'>
}

/** The stored jobs of one instance, on a connection of its own. */
export class StoredSchedulesClient implements StoredSchedules {
  readonly #deps: StoredSchedulesDeps
  readonly #connection: IdleConnection<LedgerStore | undefined>

  constructor(deps: StoredSchedulesDeps) {
    this.#deps = deps
    this.#connection = new IdleConnection(() => openLedger(deps.store), deps.clock)
  }

  async schedule<Data>(
    id: string,
    given: Schedule,
    handler: string,
    options: JobOptions<Data> = {},
  ): Promise<void> {
    const { lease, clock, isOwn, jobs } = this.#deps
    const jobId = checkName(id, 'id', 'TENURE_ERR_JOB_ID')
    if (!jobs.names.includes(handler)) throw handlerUnknownError(handler, jobs.names)
    if (isOwn(jobId)) throw ownError(jobId)
    const nowMs = clock.wallMs()
    const { timing, description: words } = readSchedule(given, nowMs)
    const { onConflict } = readJobOptions(options, timing)
    const text = textOf(given, options)
    const schedule = { jobId, handler, words, text, storedAtMs: Math.round(nowMs) }
    const { kind } = await this.#use((ledger) =>
      ledger.tryStoreSchedule({ lease, schedule, onConflict }, this.#signal()),
    )
    if (kind === 'exists' && onConflict === 'error') throw existsError(jobId)
    jobs.look()
  }

  async unschedule(id: string): Promise<void> {
    const { lease, jobs } = this.#deps
    const jobId = checkName(id, 'id', 'TENURE_ERR_JOB_ID')
    const { kind } = await this.#use((ledger) =>
      ledger.tryRemoveSchedule({ lease, jobId }, this.#signal()),
    )
    if (kind !== 'removed') throw storedUnknownError(jobId)
    jobs.look()
  }

  /** Has the ledger remember that a job is paused, or not; whether there is such a job. */
  async setPaused(jobId: string, paused: boolean): Promise<boolean> {
    const { lease, clock, isOwn, jobs } = this.#deps
    const wish = { paused, registers: isOwn(jobId), nowMs: Math.round(clock.wallMs()) }
    const known = await this.#connection.use(async (ledger) =>
      ledger?.trySetPaused({ lease, jobIds: [jobId], ...wish }, this.#signal()),
    )
    // Without a ledger a job is paused as one is that does without.
    if (known === undefined) return false
    jobs.look()
    return known.length > 0
  }

  list(): Promise<StoredJob[]> {
    return this.#use((ledger) => this.#listOf(ledger))
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  async #listOf(ledger: LedgerStore): Promise<StoredJob[]> {
    const { lease } = this.#deps
    const jobs = new Map<string, StoredJob>()
    let afterRevision = 0
    for (;;) {
      const request = { lease, afterRevision, limit: changesMax }
      const { changes } = await ledger.readSchedules(request, this.#signal())
      for (const { revision, jobId, schedule } of changes) {
        afterRevision = revision
        jobs.delete(jobId)
        if (schedule === undefined) continue
        const { handler, text, storedAtMs } = schedule
        const stored = JSON.parse(text) as Pick<StoredJob, 'schedule' | 'options'>
        jobs.set(jobId, { id: jobId, handler, ...stored, storedAtMs })
      }
      if (changes.length < changesMax) return [...jobs.values()]
    }
  }

  #use<Result>(work: (ledger: LedgerStore) => Promise<Result>): Promise<Result> {
    return this.#connection.use((ledger) => {
      if (ledger !== undefined) return work(ledger)
      throw new TenureError(
        'TENURE_ERR_STORE_MODULE',
        'Expected a store that can keep jobs; got a module that exports no `openLedgerStore`.',
      )
    })
  }

  #signal(): AbortSignal {
    return timeoutSignal(this.#deps.clock, this.#deps.timeoutMs())
  }
}

/** What is kept of a job: nothing may be lost by it. */
function textOf(schedule: unknown, options: unknown): string {
  const { onConflict: _, ...rest } = options as JobOptions<unknown>
  let text: string
  try {
    text = JSON.stringify({ schedule, options: rest })
  } catch (error) {
    throw dataError(messageOf(error))
  }
  const { data } = (JSON.parse(text) as { options: { data?: unknown } }).options
  if (!isDeepStrictEqual(data, rest.data)) throw dataError(describeValue(rest.data))
  if (text.length <= storedTextLengthMax) return text
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected the schedule and the options of a stored job to have at most ${storedTextLengthMax} ` +
      `characters of JSON; got ${text.length}. Store a reference to the data instead.`,
  )
}

function dataError(received: string): TenureError {
  return new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`data\` of a stored job to be what JSON can hold, unchanged; got ${received}.`,
  )
}
