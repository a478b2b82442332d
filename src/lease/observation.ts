/** Which renewal of which term a record shows, and how long it lasts. */
interface SeenRecord {
  readonly token: number
  readonly renewals: number
  readonly ttlMs: number
}

/**
 * How much longer than its ttl a record must have been seen unchanged: clock rates are promised to
 * differ by less than 1 %.
 */
const observationFactor = 1.01

/**
 * What a candidate knows of another's lease by its own clock alone: since when it has seen the
 * record unchanged. It decides where no clock is known to be common with the record's writer, or
 * where the store's clock is not believed any more. Only what was read counts: a push may be forged,
 * and then the record may have changed later than the push said.
 */
export class Observation {
  #seen: { token: number; renewals: number; ttlMs: number; sinceMs: number } | undefined

  /** Notes a record as the store has just shown it. */
  see(record: SeenRecord, nowMs: number): void {
    const { token, renewals, ttlMs } = record
    if (this.#seen?.token === token && this.#seen.renewals === renewals) return
    this.#seen = { token, renewals, ttlMs, sinceMs: nowMs }
  }

  forget(): void {
    this.#seen = undefined
  }

  /** For how long the record has been seen unchanged. */
  ageMs(nowMs: number): number {
    return this.#seen === undefined ? 0 : nowMs - this.#seen.sinceMs
  }

  /** The record, if it has stood unchanged for longer than its holder may trust it. */
  unchangedFor(nowMs: number): { token: number; renewals: number } | undefined {
    const seen = this.#seen
    if (seen === undefined || nowMs < seen.sinceMs + seen.ttlMs * observationFactor)
      return undefined
    return { token: seen.token, renewals: seen.renewals }
  }

  /** How long to wait before looking again: three looks a ttl, and one when the time has come. */
  waitMs(nowMs: number): number {
    const seen = this.#seen
    if (seen === undefined) return 0
    const untilUnchangedMs = seen.sinceMs + seen.ttlMs * observationFactor - nowMs
    return Math.max(0, Math.min(seen.ttlMs / 3, untilUnchangedMs))
  }
}
