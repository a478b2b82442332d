import type {
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  ScheduleChange,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'

/** The stored jobs of one lease. */
interface Shelf {
  revision: number
  /** By job; those that were removed among them. */
  readonly changes: Map<string, ScheduleChange>
}

/** Stored jobs as a table in memory, by lease; each step is one synchronous method. */
export class ScheduleTable {
  readonly #shelves = new Map<string, Shelf>()

  store({ lease, schedule, onConflict }: StoreScheduleRequest): StoreScheduleReply {
    const shelf = this.#shelfOf(lease)
    const { jobId, words } = schedule
    const before = shelf.changes.get(jobId)?.schedule
    if (before !== undefined && onConflict !== 'replace') return { kind: 'exists' }
    const storedAtMs = before?.words === words ? before.storedAtMs : schedule.storedAtMs
    this.#change(shelf, jobId, { ...schedule, storedAtMs })
    return { kind: 'stored' }
  }

  remove({ lease, jobId }: RemoveScheduleRequest): RemoveScheduleReply {
    const shelf = this.#shelfOf(lease)
    if (shelf.changes.get(jobId)?.schedule === undefined) return { kind: 'unknown' }
    this.#change(shelf, jobId, undefined)
    return { kind: 'removed' }
  }

  read({ lease, afterRevision, limit }: ReadSchedulesRequest): readonly ScheduleChange[] {
    return [...this.#shelfOf(lease).changes.values()]
      .filter(({ revision }) => revision > afterRevision)
      .toSorted((a, b) => a.revision - b.revision)
      .slice(0, limit)
  }

  /** Forgets what was removed, up to a revision. */
  forget(lease: string, untilRevision: number): void {
    const { changes } = this.#shelfOf(lease)
    for (const { jobId, schedule, revision } of changes.values()) {
      if (schedule === undefined && revision <= untilRevision) changes.delete(jobId)
    }
  }

  #change(shelf: Shelf, jobId: string, schedule: ScheduleChange['schedule']): void {
    shelf.changes.set(jobId, { revision: ++shelf.revision, jobId, schedule })
  }

  #shelfOf(lease: string): Shelf {
    const shelf = this.#shelves.get(lease) ?? { revision: 0, changes: new Map() }
    this.#shelves.set(lease, shelf)
    return shelf
  }
}
