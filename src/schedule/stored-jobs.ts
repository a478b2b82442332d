import type { Clock, Timer } from '../clock.ts'
import { defectsTo, detached } from '../invariant.ts'
import { messageOf } from '../errors.ts'
import type { LogEventName } from '../events.ts'
import {
  changesMax,
  type ReadSchedulesReply,
  type ScheduleChange,
  type StoredSchedule,
} from '../store/stored-schedule.ts'
import type { LedgerPort, NoLedger } from '../store/ledger/verbs.ts'
import { readJobOptions } from './job-options.ts'
import { readSchedule, type Handler, type StoredJobSettings } from './job.ts'
import type { Scheduler } from './scheduler.ts'

/**
 * How often a leader looks whether a stored job has changed: it follows within a second. One without
 * handlers follows what is paused, and looks once a heartbeat interval.
 */
export const followEveryMs = 500

/** What the following is made of. */
export interface StoredJobsParts {
  readonly clock: Clock
  readonly scheduler: Pick<Scheduler, 'follow' | 'isOwn' | 'putStored' | 'removeStored'>
  readonly heartbeatMs: () => number
  readonly lease: string
  /** The ledger as this instance reaches it; `undefined` before it was started. */
  readonly port: () => Pick<LedgerPort, 'readSchedules'> | undefined
  /** An attempt failed; it is made again after `retryMs`. */
  readonly onFault: (error: unknown, retryMs: number) => void
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
}

/**
 * Has the scheduler run the jobs that are kept in the store, while its instance leads, if the
 * application has given handlers for them. What cannot be run here is told once in a term, and is
 * left as it stands: its ticks are overdue for the next leader that can.
 */
export class StoredJobs {
  readonly #parts: StoredJobsParts
  readonly #handlers = new Map<string, Handler>()
  readonly #told = new Set<string>()
  #leads = false
  #follows = false
  /** Counts what has to be read from the beginning: a term, or another handler. */
  #readings = 0
  #revision = 0
  #timer: Timer | undefined

  constructor(parts: StoredJobsParts) {
    this.#parts = parts
  }

  /** The last change that is followed; 0 before the first. */
  get revision(): number {
    return this.#revision
  }

  /** The names of the handlers. */
  get names(): readonly string[] {
    return [...this.#handlers.keys()]
  }

  /** Gives the handler of a name; the jobs that wait for it are run from here on. */
  handle(name: string, handler: Handler): void {
    this.#handlers.set(name, handler)
    if (this.#leads) this.begin()
  }

  /** This instance leads: from here on it follows what is stored. */
  begin(): void {
    this.end()
    this.#leads = true
    this.#told.clear()
    this.#revision = 0
    if (this.#handlers.size > 0) this.needed()
  }

  /** Jobs stand in the ledger, and may be paused there. */
  needed(): void {
    if (this.#follows || !this.#leads) return
    this.#follows = true
    this.#lookNow(++this.#readings)
  }

  /** It leads no more. */
  end(): void {
    this.#leads = false
    this.#follows = false
    this.#readings++
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /** Something was stored here just now: that need not wait, unless a look is under way anyway. */
  look(): void {
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#lookNow(this.#readings)
  }

  #lookNow(reading: number): void {
    detached(this.#follow(reading), defectsTo(this.#parts.log))
  }

  async #follow(reading: number): Promise<void> {
    const { clock, lease, port, onFault, heartbeatMs } = this.#parts
    this.#timer = undefined
    const everyMs = this.#handlers.size > 0 ? followEveryMs : heartbeatMs()
    for (let isWhole = false; !isWhole;) {
      let reply: ReadSchedulesReply | NoLedger | undefined
      const request = { lease, afterRevision: this.#revision, limit: changesMax }
      try {
        reply = await port()?.readSchedules(request)
      } catch (error) {
        if (reading !== this.#readings) return
        onFault(error, everyMs)
        break
      }
      if (reading !== this.#readings || reply?.kind !== 'answered') return
      this.#apply(reply.changes)
      isWhole = reply.changes.length < changesMax
    }
    this.#timer = clock.setTimer(everyMs, () => this.#lookNow(reading))
  }

  #apply(changes: readonly ScheduleChange[]): void {
    const { scheduler } = this.#parts
    const jobs: StoredJobSettings[] = []
    for (const { revision, jobId, schedule } of changes) {
      const job = schedule && this.#jobOf(schedule)
      if (job === undefined) scheduler.removeStored(jobId)
      else jobs.push(job)
      this.#revision = revision
    }
    if (jobs.length > 0) scheduler.putStored(jobs)
    for (const { jobId, paused } of changes) scheduler.follow(jobId, paused)
  }

  /** The job of what is stored; `undefined` if it cannot be run here. */
  #jobOf(stored: StoredSchedule): StoredJobSettings | undefined {
    const { jobId, handler: name, text, storedAtMs } = stored
    const handler = this.#handlers.get(name)
    if (this.#parts.scheduler.isOwn(jobId)) {
      const message =
        'A job of the application has the id of a stored one, and is run in its stead.'
      return this.#tell(jobId, { jobId, handler: name, message })
    }
    if (handler === undefined) {
      const message =
        `This instance leads, and has no handler ${JSON.stringify(name)}: stored jobs that name it ` +
        'are not run until one leads that has. Call tenure.handle with that name on every instance.'
      return this.#tell(`handler ${name}`, { jobId, handler: name, message })
    }
    try {
      const { schedule, options } = JSON.parse(text) as Record<'schedule' | 'options', unknown>
      const { timing, description } = readSchedule(schedule, this.#parts.clock.wallMs())
      const { settings } = readJobOptions(options, timing)
      // Removed and stored again with the same schedule it is another job, which begins anew.
      const words = `${description}, stored ${new Date(storedAtMs).toISOString()}`
      const what = { id: jobId, timing, description: words, handler }
      return { ...what, ...settings, scheduledAtMs: storedAtMs }
    } catch (error) {
      return this.#tell(jobId, { jobId, handler: name, message: messageOf(error) })
    }
  }

  #tell(key: string, fields: Readonly<Record<string, unknown>>): undefined {
    if (this.#told.has(key)) return
    this.#told.add(key)
    this.#parts.log('stored_job_not_run', fields)
  }
}
