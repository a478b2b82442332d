/** The most characters of JSON that the schedule and the options of one stored job may have. */
export const storedTextLengthMax = 65_536

/** The longest page of changes that one call of a ledger gives. */
export const changesMax = 100

/** A job that is kept in the store: any instance stores it, and whichever leads runs it. */
export interface StoredSchedule {
  readonly jobId: string
  /** The name of its handler. */
  readonly handler: string
  /** The schedule in words: two schedules with the same words are the same. */
  readonly words: string
  /** The schedule, and the options of the job, as JSON; at most {@link storedTextLengthMax}. */
  readonly text: string
  /** When it was stored with this schedule, by the clock of who did: no tick before that is due. */
  readonly storedAtMs: number
}

/** The wish to store a job. It is anybody's, and so has no token. */
export interface StoreScheduleRequest {
  readonly lease: string
  readonly schedule: StoredSchedule
  /** What happens if a job with that id is stored. */
  readonly onConflict: 'replace' | 'keep' | 'error'
}

/**
 * - `stored`: also for the same job again. One whose words are the same keeps its `storedAtMs`.
 * - `exists`: nothing was changed: there is one, and it was not to be replaced.
 */
export interface StoreScheduleReply {
  readonly kind: 'stored' | 'exists'
}

/** The wish to remove a stored job. It is anybody's. */
export interface RemoveScheduleRequest {
  readonly lease: string
  readonly jobId: string
}

/** Whether there was one. */
export interface RemoveScheduleReply {
  readonly kind: 'removed' | 'unknown'
}

/** What has changed since a revision; since 0, all that is stored. */
export interface ReadSchedulesRequest {
  readonly lease: string
  readonly afterRevision: number
  /** At most {@link changesMax}. */
  readonly limit: number
}

/** The last change of one job: each change of a lease's stored jobs has a higher revision. */
export interface ScheduleChange {
  readonly revision: number
  readonly jobId: string
  /** `undefined` if it was removed. */
  readonly schedule: StoredSchedule | undefined
}

/** The changes, by their revisions. None is committed later with a lower one than was read. */
export interface ReadSchedulesReply {
  readonly kind: 'answered'
  readonly changes: readonly ScheduleChange[]
}
