import { nextToken } from '../fencing-token.ts'
import {
  termRecordsMax,
  type AcquireReply,
  type AcquireRequest,
  type EndedTerm,
  type EndReason,
  type LeaseHolder,
  type LeaseReading,
  type LeaseRecord,
  type RaiseTokenReply,
  type ReleaseReply,
  type ReleaseRequest,
  type RenewReply,
  type RenewRequest,
  type ResignRequest,
  type ResignRequestReply,
} from '../lease-store.ts'

interface Row extends LeaseHolder {
  ttlMs: number
  renewals: number
  renewedMs: number
  resignRequest: ResignRequest | undefined
  jobsHash: string | undefined
  renewsWithinMs: number | undefined
}

interface Term extends LeaseHolder {
  readonly startedAtMs: number
  endedAtMs: number | undefined
  reason: EndReason | undefined
}

/** Renews a row from now on, for no less than is left of what was acknowledged before. */
function extend(
  row: Row,
  { ttlMs, jobsHash, renewsWithinMs }: AcquireRequest | RenewRequest,
  nowMs: number,
): void {
  row.jobsHash = jobsHash
  row.renewsWithinMs = renewsWithinMs
  // A clock that was set back meanwhile leaves no more than all of it.
  const ageMs = Math.max(0, nowMs - row.renewedMs)
  row.ttlMs = Math.max(ttlMs, row.ttlMs - ageMs)
  row.renewals++
  row.renewedMs = nowMs
}

/** The two clocks of the memory: one decides about expiry, the other is shown to people. */
export interface TableClock {
  monotonicMs(): number
  wallMs(): number
}

/**
 * Leases as a table in memory: what a store does in one atomic step, each as one synchronous
 * method. The memory store puts the interface of a store before it.
 */
export class LeaseTable {
  readonly #clock: TableClock
  readonly #rows = new Map<string, Row>()
  /** The counters, apart from the rows: neither a release nor a deleted row touches them. */
  readonly #tokens = new Map<string, number>()
  readonly #terms = new Map<string, Term[]>()

  constructor(clock: TableClock) {
    this.#clock = clock
  }

  acquire(request: AcquireRequest): AcquireReply {
    const { lease, holder, application, label, jobsHash, ttlMs, observed } = request
    const { knownToken = 0, renewsWithinMs, grantWithinMs = Infinity } = request
    const nowMs = this.#clock.monotonicMs()
    const row = this.#rows.get(lease)
    // A call takes no time here: what is late was late as it was sent.
    const isLate = grantWithinMs < 0
    if (row?.holder === holder) {
      if (isLate) return { kind: 'over' }
      // The reply to this very acquisition was lost.
      extend(row, request, nowMs)
      return { kind: 'acquired', token: row.token }
    }
    if (row !== undefined && nowMs - row.renewedMs < row.ttlMs) {
      const unchanged = observed?.token === row.token && observed.renewals === row.renewals
      if (!unchanged) return { kind: 'held', record: this.#recordOf(row) }
    }
    if (isLate || this.#hasEnded(lease, holder)) return { kind: 'over' }
    const token = nextToken(lease, [this.tokenOf(lease), knownToken])
    this.#tokens.set(lease, token)
    this.#rows.set(lease, {
      holder,
      token,
      application,
      label,
      ttlMs,
      renewals: 0,
      renewedMs: nowMs,
      resignRequest: undefined,
      jobsHash,
      renewsWithinMs,
    })
    this.#beginTerm(lease, { holder, token, application, label })
    return { kind: 'acquired', token }
  }

  renew(request: RenewRequest): RenewReply {
    const { lease, holder, token } = request
    const nowMs = this.#clock.monotonicMs()
    const row = this.#rows.get(lease)
    if (row === undefined) return { kind: 'refused', cause: 'missing', by: undefined }
    if (row.holder !== holder || row.token !== token) {
      return { kind: 'refused', cause: 'taken', by: this.#recordOf(row) }
    }
    if (nowMs - row.renewedMs >= row.ttlMs) {
      return { kind: 'refused', cause: 'expired', by: undefined }
    }
    extend(row, request, nowMs)
    return { kind: 'renewed', resignRequest: row.resignRequest }
  }

  release({ lease, holder, token, reason }: ReleaseRequest): ReleaseReply {
    const row = this.#rows.get(lease)
    if (row === undefined || row.holder !== holder || row.token !== token) {
      return { kind: 'not-held' }
    }
    this.#rows.delete(lease)
    this.noteEnd(lease, { holder, token, reason })
    return { kind: 'released' }
  }

  requestResign(lease: string, request: ResignRequest): ResignRequestReply {
    const row = this.#rows.get(lease)
    if (row === undefined || row.token !== request.token) return { kind: 'not-held' }
    row.resignRequest = request
    return { kind: 'requested' }
  }

  read(lease: string): LeaseReading {
    const row = this.#rows.get(lease)
    return {
      record: row === undefined ? undefined : this.#recordOf(row),
      token: this.tokenOf(lease),
      terms: (this.#terms.get(lease) ?? []).map((term) => ({ ...term })),
    }
  }

  /**
   * The last token that was granted for a lease, by its counter, its record or its history,
   * whichever is higher; 0 if none ever was.
   */
  tokenOf(lease: string): number {
    const counter = this.#tokens.get(lease) ?? 0
    const ofTerm = this.#terms.get(lease)?.[0]?.token ?? 0
    return Math.max(counter, this.#rows.get(lease)?.token ?? 0, ofTerm)
  }

  /** The same, for one who relies on it: a counter that was lost is kept from now on. */
  restoreCounter(lease: string): number {
    const token = this.tokenOf(lease)
    if (token > 0) this.#tokens.set(lease, token)
    return token
  }

  raiseToken(lease: string, token: number): RaiseTokenReply {
    nextToken(lease, [token])
    const last = this.restoreCounter(lease)
    if (last >= token) return { kind: 'high-enough', token: last }
    this.#tokens.set(lease, token)
    return { kind: 'raised', token }
  }

  /** What somebody does who sets the counter by hand; `undefined`: who deletes it. */
  setCounter(lease: string, token: number | undefined): void {
    if (token === undefined) this.#tokens.delete(lease)
    else this.#tokens.set(lease, token)
  }

  /** What somebody does who deletes the history by hand. */
  deleteHistory(lease: string): void {
    this.#terms.delete(lease)
  }

  /** What an operator does who deletes the record by hand. */
  deleteRecord(lease: string): void {
    this.#rows.delete(lease)
  }

  /** Lets the record expire now, for tests that do not wait. */
  expire(lease: string): void {
    const row = this.#rows.get(lease)
    if (row !== undefined) row.renewedMs = this.#clock.monotonicMs() - row.ttlMs
  }

  #recordOf(row: Row): LeaseRecord {
    const ageMs = this.#clock.monotonicMs() - row.renewedMs
    const { renewedMs: _, ...shown } = row
    return { ...shown, ageMs, remainingMs: Math.max(0, row.ttlMs - ageMs) }
  }

  /** Whether this holder had its term: a late copy of its acquisition is granted no other one. */
  #hasEnded(lease: string, holder: string): boolean {
    const term = this.#terms.get(lease)?.find((candidate) => candidate.holder === holder)
    return term?.endedAtMs !== undefined
  }

  #beginTerm(lease: string, holder: LeaseHolder): void {
    const nowMs = this.#clock.wallMs()
    const terms = this.#terms.get(lease) ?? []
    for (const term of terms) {
      if (term.endedAtMs !== undefined) continue
      term.endedAtMs = nowMs
      term.reason = 'crashed'
    }
    terms.unshift({ ...holder, startedAtMs: nowMs, endedAtMs: undefined, reason: undefined })
    this.#terms.set(lease, terms.slice(0, termRecordsMax))
  }

  noteEnd(lease: string, { holder, token, reason }: EndedTerm): void {
    const term = this.#terms
      .get(lease)
      ?.find((candidate) => candidate.token === token && candidate.holder === holder)
    if (term === undefined) return
    if (term.reason !== undefined && term.reason !== 'crashed') return
    term.reason = reason
    term.endedAtMs ??= this.#clock.wallMs()
  }
}
