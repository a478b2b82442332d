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
import type { StoredJobSettings } from './job.ts'
import type { Handler } from './run.ts'
import { readSchedule } from './schedule.ts'
import type { Scheduler } from './scheduler.ts'

/**
 * How often a leader looks whether a stored job has changed: it follows within a second. One without
 * handlers follows what is paused, and looks once a heartbeat interval.
 */
export const followEveryMs = 500

/** What the following depends on. */
export interface StoredJobsDeps {
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
 * application has given handlers for them.
 */
export class StoredJobs {
  readonly #deps: StoredJobsDeps
  readonly #handlers = new Map<string, Handler>()
  /** While this instance leads. */
  #following: Following | undefined

  constructor(deps: StoredJobsDeps) {
    this.#deps = deps
  }

  /** The last change that is followed; 0 before the first. */
  get revision(): number {
    return this.#following?.revision ?? 0
  }

  /** The names of the handlers. */
  get names(): readonly string[] {
    return [...this.#handlers.keys()]
  }

  /** Gives the handler of a name; the jobs that wait for it are run from here on. */
  handle(name: string, handler: Handler): void {
    this.#handlers.set(name, handler)
    if (this.#following !== undefined) this.begin()
  }

  /** This instance leads: from here on it follows what is stored. */
  begin(): void {
    this.end()
    this.#following = new Following(this.#deps, this.#handlers)
    if (this.#handlers.size > 0) this.#following.start()
  }

  /** Jobs are recorded in the ledger, and may be paused there. */
  needed(): void {
    this.#following?.start()
  }

  /** It leads no more. */
  end(): void {
    this.#following?.end()
    this.#following = undefined
  }

  /** Something was stored here just now: that need not wait. */
  look(): void {
    this.#following?.look()
  }
}

/**
 * Follows what is stored, from its beginning on: made for a term, and anew when there is another
 * handler. What cannot be run here is logged once, and is left as it is: its ticks are overdue for
 * the next leader that can.
 */
class Following {
  readonly #deps: StoredJobsDeps
  readonly #handlers: ReadonlyMap<string, Handler>
  readonly #logged = new Set<string>()
  #isStarted = false
  #isOver = false
  #revision = 0
  /** Until the next look, unless one is in progress. */
  #timer: Timer | undefined

  constructor(deps: StoredJobsDeps, handlers: ReadonlyMap<string, Handler>) {
    this.#deps = deps
    this.#handlers = handlers
  }

  get revision(): number {
    return this.#revision
  }

  start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#lookNow()
  }

  /** Does not wait for the next look, unless one is in progress anyway. */
  look(): void {
    if (this.#timer === undefined) return
    this.#timer.cancel()
    this.#lookNow()
  }

  end(): void {
    this.#isOver = true
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #lookNow(): void {
    detached(this.#follow(), defectsTo(this.#deps.log))
  }

  async #follow(): Promise<void> {
    const { clock, lease, port, onFault, heartbeatMs } = this.#deps
    this.#timer = undefined
    const everyMs = this.#handlers.size > 0 ? followEveryMs : heartbeatMs()
    for (let isWhole = false; !isWhole;) {
      let reply: ReadSchedulesReply | NoLedger | undefined
      const request = { lease, afterRevision: this.#revision, limit: changesMax }
      try {
        reply = await port()?.readSchedules(request)
      } catch (error) {
        if (this.#isOver) return
        onFault(error, everyMs)
        break
      }
      if (this.#isOver || reply?.kind !== 'answered') return
      this.#apply(reply.changes)
      isWhole = reply.changes.length < changesMax
    }
    this.#timer = clock.setTimer(everyMs, () => this.#lookNow())
  }

  #apply(changes: readonly ScheduleChange[]): void {
    const { scheduler } = this.#deps
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
    if (this.#deps.scheduler.isOwn(jobId)) {
      const message =
        'A job of the application has the id of a stored one, and is run in its stead.'
      return this.#logOnce(jobId, { jobId, handler: name, message })
    }
    if (handler === undefined) {
      const message =
        `This instance leads, and has no handler ${JSON.stringify(name)}: stored jobs that name it ` +
        'are not run until one leads that has. Call tenure.handle with that name on every instance.'
      return this.#logOnce(`handler ${name}`, { jobId, handler: name, message })
    }
    try {
      const { schedule, options } = JSON.parse(text) as Record<'schedule' | 'options', unknown>
      const { timing, description } = readSchedule(schedule, this.#deps.clock.wallMs())
      const { settings } = readJobOptions(options, timing)
      // Removed and stored again with the same schedule it is another job, which begins anew.
      const words = `${description}, stored ${new Date(storedAtMs).toISOString()}`
      const what = { id: jobId, timing, description: words, handler }
      return { ...what, ...settings, scheduledAtMs: storedAtMs }
    } catch (error) {
      return this.#logOnce(jobId, { jobId, handler: name, message: messageOf(error) })
    }
  }

  #logOnce(key: string, fields: Readonly<Record<string, unknown>>): undefined {
    if (this.#logged.has(key)) return
    this.#logged.add(key)
    this.#deps.log('stored_job_not_run', fields)
  }
}
