import type { LogEventName } from '../events.ts'

/**
 * Why a term ended:
 *
 * - `resigned`: gave up on purpose, or was asked to
 * - `stopped`: the instance was stopped, or its process ended by itself
 * - `stalled`: the main thread was blocked for longer than `stallLimit`
 * - `store-unreachable`: attempts to renew were made and failed until trust ran out
 * - `expired`: no attempt to renew was made in time (frozen, suspended, its thread died)
 * - `stolen`: the store says that somebody else holds the lease, or that the record is gone
 * - `crashed`: ended without a word; written by whoever found that out
 */
export type EndReason =
  | 'resigned'
  | 'stopped'
  | 'stalled'
  | 'store-unreachable'
  | 'expired'
  | 'stolen'
  | 'crashed'

/** Who holds or held a lease: the record's own words. */
export interface LeaseHolder {
  /** Identity of one acquisition, `host:pid:random`; never a configured name. */
  readonly holder: string
  /** The fencing token of the holder's term. */
  readonly token: number
  readonly application: string
  readonly label: string | undefined
}

/** A lease as it stands in the store. Spans of time, never instants: clocks are not compared. */
export interface LeaseRecord extends LeaseHolder {
  readonly ttlMs: number
  /** Number of renewals of the term. Together with the token it tells whether a record changed. */
  readonly renewals: number
  /** Time since the last renewal, `undefined` where no common clock tells. */
  readonly ageMs: number | undefined
  /** Time until expiry, 0 if expired, `undefined` where no common clock tells. */
  readonly remainingMs: number | undefined
  /**
   * How long after a renewal the next one arrives at the latest, as the holder has said with this
   * one: its heartbeat interval, one attempt and its safety margin. `undefined` if it did not say.
   */
  readonly renewsWithinMs?: number | undefined
  /** Set if somebody asked the holder to resign this term. */
  readonly resignRequest: ResignRequest | undefined
  /**
   * The hash over its jobs, as the holder has said with its last acquisition or renewal;
   * `undefined` while it has none.
   */
  readonly jobsHash: string | undefined
}

/** A term of the past or the present. Its times are for people: they come from a wall clock. */
export interface TermRecord extends LeaseHolder {
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  /** Milliseconds since 1970; `undefined` while the term goes on or nobody found out. */
  readonly endedAtMs: number | undefined
  readonly reason: EndReason | undefined
}

/** The wish that the leader resign, bound to the token of one term. */
export interface ResignRequest {
  readonly token: number
  /** Who asks, for the log. */
  readonly by: string
  /** For how long the leader shall not be a candidate afterwards. */
  readonly coolDownMs: number
}

/** What a candidate asks for. */
export interface AcquireRequest {
  readonly lease: string
  readonly holder: string
  readonly ttlMs: number
  readonly application: string
  readonly label: string | undefined
  /** The hash over the caller's jobs, for the record; `undefined` while it has none. */
  readonly jobsHash?: string | undefined
  /**
   * A record that the caller has watched, unchanged, for longer than its ttl by a clock of its
   * own. The store then hands over the lease if the record is still exactly this one, whatever the
   * store's clock says; without it, only a lease that is free or expired is handed over.
   */
  readonly observed: { readonly token: number; readonly renewals: number } | undefined
  /**
   * The highest token of this lease that a reply of the store has told the caller: what is granted
   * is above it, also where the counter went back. `undefined`: none.
   */
  readonly knownToken?: number | undefined
  /** What the record says of the next renewal: see {@link LeaseRecord.renewsWithinMs}. */
  readonly renewsWithinMs?: number | undefined
  /**
   * How long after this call the lease may be granted at most: later nobody waits for the reply. A
   * store whose clock is known refuses what arrives later. `undefined`: at any time.
   */
  readonly grantWithinMs?: number | undefined
}

/** A term and why it ended, as its holder knows it. */
export interface EndedTerm {
  readonly holder: string
  readonly token: number
  readonly reason: EndReason
}

/**
 * Granted; or refused by the record that stands in the way; or `over`: the request arrived after
 * its time, or the term of this holder has ended already, and it is never granted another one.
 */
export type AcquireReply =
  | { readonly kind: 'acquired'; readonly token: number }
  | { readonly kind: 'held'; readonly record: LeaseRecord }
  | { readonly kind: 'over' }

/** What a leader asks for. */
export interface RenewRequest {
  readonly lease: string
  readonly holder: string
  readonly token: number
  readonly ttlMs: number
  /** As with an acquisition: what the record shall say from now on. */
  readonly jobsHash?: string | undefined
  readonly renewsWithinMs?: number | undefined
}

/** Renewed, with the wish to resign if there is one; or refused, and why. */
export type RenewReply =
  | { readonly kind: 'renewed'; readonly resignRequest: ResignRequest | undefined }
  /** `expired`: ours, but too late; `taken`: another holder's or token's; `missing`: no record. */
  | {
      readonly kind: 'refused'
      readonly cause: 'expired' | 'taken' | 'missing'
      readonly by: LeaseHolder | undefined
    }

/** The reason is kept in the history of terms. */
export interface ReleaseRequest extends EndedTerm {
  readonly lease: string
}

/** `not-held`: the lease is not (or no longer) that holder's with that token. */
export type ReleaseReply = { readonly kind: 'released' } | { readonly kind: 'not-held' }

/** What came of a wish to resign. */
export interface ResignRequestReply {
  /** `not-held`: the term of that token is over. */
  readonly kind: 'requested' | 'not-held'
}

/** What came of raising the counter: `token` is the last that counts as granted now. */
export interface RaiseTokenReply {
  /** `high-enough`: the last token was not lower than that, and nothing was changed. */
  readonly kind: 'raised' | 'high-enough'
  readonly token: number
}

/** All that a store knows of a lease. */
export interface LeaseReading {
  /** `undefined` if nobody holds the lease; an expired record is shown as it stands. */
  readonly record: LeaseRecord | undefined
  /**
   * The last fencing token that was handed out for this name, by the counter, the record or the
   * history, whichever is higher; 0 if none ever was.
   */
  readonly token: number
  /** The most recent terms, the newest first, at most {@link termRecordsMax}. */
  readonly terms: readonly TermRecord[]
}

/** How many terms of a lease the history keeps. */
export const termRecordsMax = 100

/** An acquisition or a renewal that somebody has made, as a push tells it. */
export interface PushedRenewal {
  readonly token: number
  readonly renewals: number
  readonly ttlMs: number
}

/** Something about a store that people should know of. */
export interface StoreNotice {
  /** The line that is logged. */
  readonly event: Extract<LogEventName, 'store_files_changed' | 'store_file_linked'>
  readonly message: string
}

/**
 * What a waiting candidate or a leader wants to hear of its store. What a push says is input from
 * outside: others may be able to send it, too. It may be missing, late, repeated or wrong.
 */
export interface PushListener {
  /** The lease was released, or its holder asked to resign: look for yourself. May be spurious. */
  changed(): void
  /** The lease was acquired or renewed just now: whoever has read its record need not look again. */
  renewed(renewal: PushedRenewal): void
  /**
   * Pushes come from now on, of `changes` only or also of all `renewals`. What happened before may
   * have been missed. @param pushes default `changes`
   */
  works(pushes?: 'changes' | 'renewals'): void
  /** Pushes do not come, for now or at all: whoever waits has to look more often. */
  failed(error: unknown): void
  /** To be logged; what has to be done about it, the store does. */
  noticed?(notice: StoreNotice): void
}

/**
 * Where leases live. The conformance kit of `tenure/testing` holds every store to this contract.
 *
 * - Each `try...` is one attempt and one unit of work: whatever it opened is closed when it
 *   settles. After a fault the store throws its connection away and opens a new one on next use.
 * - Expected outcomes are values. A fault rejects, and then the outcome is unknown: the store may
 *   have done what was asked.
 * - When `signal` is aborted the call rejects at once, with the signal's reason.
 * - Every change compares holder **and** token with the record, in the same atomic step.
 * - The counter of tokens is durable, apart from the record, and only ever rises. One that was lost
 *   or set back is made up for: what is granted is above the counter, the record's token, those of
 *   the history, and the one that the caller knows. Nothing above `fencingTokenMax` is granted.
 * - A holder is granted one term: once that has ended, late copies of its acquisition are refused.
 * - The store's clock decides expiry; the caller's clock is never asked.
 * - What was acknowledged is kept: neither a renewal nor the retry of an acquisition brings the
 *   expiry forward, even if its ttl is shorter, or it arrives late and out of order.
 */
export interface LeaseStore {
  /** The shortest ttl that this store can carry. */
  readonly ttlMsMin: number
  /**
   * Rejects if the store can never be used as it is, so that `start()` fails; called once by it. A
   * store that does not answer is no reason: the next attempts will tell.
   */
  checkStart?(): Promise<void>
  /**
   * Takes the lease if it is free or expired. The retry by the same holder, whose first reply was
   * lost, yields the same token again; any other acquisition yields a higher one.
   */
  tryAcquire(request: AcquireRequest, signal: AbortSignal): Promise<AcquireReply>
  /**
   * Extends the lease to `ttlMs` from now, and never shortens it. Refused once it has expired, even
   * if nobody took it.
   */
  tryRenew(request: RenewRequest, signal: AbortSignal): Promise<RenewReply>
  /**
   * Frees the lease if it is this holder's with this token, notes the reason in the history, and
   * wakes candidates. For any other term it changes nothing. It creates nothing: where the store is
   * gone, nothing is held.
   */
  tryRelease(request: ReleaseRequest, signal: AbortSignal): Promise<ReleaseReply>
  /** Stores the wish beside the record if it still has that token, and wakes its holder. */
  tryRequestResign(
    lease: string,
    request: ResignRequest,
    signal: AbortSignal,
  ): Promise<ResignRequestReply>
  /**
   * Raises the counter of the lease: what is granted next is above this token. Wakes all who watch.
   * For resources that have seen higher tokens than a store that was restored knows of.
   *
   * @throws TenureError `TENURE_ERR_TOKEN_LIMIT`: no token could be granted after that
   */
  tryRaiseToken(lease: string, token: number, signal: AbortSignal): Promise<RaiseTokenReply>
  /** The lease, its counter and its history as they stand. Changes nothing. */
  read(lease: string, signal: AbortSignal): Promise<LeaseReading>
  /**
   * Notes in the history why a term ended, as its holder knows it, unless a reason other than
   * `crashed` stands there. Never touches the lease.
   */
  tryNoteEnd(lease: string, ended: EndedTerm, signal: AbortSignal): Promise<void>
  /** Listens to pushes for one lease until the returned function is called. */
  watch(lease: string, listener: PushListener): () => void
  /** Ends everything; idempotent. Later calls reject with `TENURE_ERR_STORE_CLOSED`. */
  close(): Promise<void>
}
