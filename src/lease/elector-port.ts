import type { Instant, InstantSource } from '../clock.ts'
import type {
  AcquireReply,
  AcquireRequest,
  EndedTerm,
  EndReason,
  LeaseHolder,
  LeaseRecord,
  ReleaseReply,
  ReleaseRequest,
  RenewReply,
  RenewRequest,
} from '../store/lease-store.ts'
import type { TermTimes, TrustTimes } from './term.ts'

/**
 * Why a candidate asks for the lease when it does: it has just become one; a push; the lease should
 * have expired; no renewal was heard of; its turn where no pushes come; or an attempt has failed.
 */
export type WokenBy = 'start' | 'push' | 'expiry' | 'silence' | 'interval' | 'retry'

/** What the elector needs to know of the options; asked for anew at each firing. */
export interface ElectorSettings extends TermTimes {
  readonly lease: string
  readonly application: string
  readonly label: string | undefined
  /** The hash over the jobs of this instance, for the record. */
  readonly jobsHash?: string | undefined
}

/** One call of the store that the elector wants made, and when it was decided, before sending. */
export type Attempt = {
  readonly sentAt: Instant
  readonly timeoutMs: number
} & (
  | { readonly verb: 'acquire'; readonly request: AcquireRequest; readonly times: TermTimes }
  | {
      readonly verb: 'renew'
      readonly request: RenewRequest
      readonly times: TermTimes
      readonly correlationId: string
    }
  | { readonly verb: 'release'; readonly request: ReleaseRequest }
  | {
      readonly verb: 'note'
      readonly request: { readonly lease: string; readonly ended: EndedTerm }
    }
)

/** How an attempt went. A failure means that the outcome is unknown. */
export type Settlement =
  | { readonly kind: 'replied'; readonly reply: AcquireReply | RenewReply | ReleaseReply | void }
  | { readonly kind: 'failed'; readonly failure: 'timeout' | 'error'; readonly error: unknown }

/** What the elector has to say. Every state that it leaves and every loss has a named reason. */
export type ElectorEvent =
  /** `unsettled`: a late copy of an earlier attempt may still be granted. */
  | { readonly kind: 'held'; readonly record: LeaseRecord; readonly unsettled: boolean }
  | {
      readonly kind: 'acquire-failed'
      readonly holder: string
      readonly failure: 'timeout' | 'error'
      readonly error: unknown
      readonly retryMs: number
    }
  | {
      readonly kind: 'token-went-back'
      readonly holder: string
      readonly token: number
      readonly previousToken: number
    }
  | {
      readonly kind: 'acquired'
      readonly holder: string
      readonly token: number
      readonly wokenBy: WokenBy
    }
  | {
      readonly kind: 'renewed'
      readonly correlationId: string
      readonly token: number
      readonly latencyMs: number
      /** Trust that was left when the reply came. */
      readonly marginMs: number
    }
  | {
      readonly kind: 'renew-refused'
      readonly correlationId: string
      readonly token: number
      readonly reason: 'stolen' | 'expired'
      readonly by: LeaseHolder | undefined
    }
  | {
      readonly kind: 'renew-failed'
      readonly correlationId: string
      readonly token: number
      readonly failure: 'timeout' | 'error'
      readonly error: unknown
      readonly timeoutMs: number
    }
  | { readonly kind: 'resign-requested'; readonly token: number; readonly by: string }
  /** The lease is renewed, but the ledger takes the token `by` for the last that was granted. */
  | { readonly kind: 'superseded'; readonly token: number; readonly by: number }
  | { readonly kind: 'ending'; readonly token: number; readonly reason: EndReason }
  | {
      readonly kind: 'release-failed'
      readonly holder: string
      readonly token: number
      readonly error: unknown
    }
  | {
      readonly kind: 'ended'
      readonly holder: string
      readonly token: number
      readonly reason: EndReason
      readonly released: boolean
    }
  | { readonly kind: 'stopped' }

/** The leader's state as others see it, in memory that they share: see `heart/cell.ts`. */
export interface TrustCell {
  open(token: number, since: Instant, times: TrustTimes): void
  /** Moves trust on; false if somebody has already seen the soft stop, which is final. */
  extend(since: Instant, times: TrustTimes): boolean
  /** Whether a reader has seen the soft stop before the elector did. */
  readonly softStopSeen: boolean
  softStop(): void
  close(): void
}

/** What the elector works on. */
export interface ElectorPort {
  readonly clock: InstantSource
  /** The highest token of the lease that this process was told before, by a reply of the store. */
  readonly knownToken?: number | undefined
  readonly trust: TrustCell
  settings(): ElectorSettings
  /** A fresh identity for one acquisition. */
  newHolder(): string
  newCorrelationId(): string
  /** From 0 to below 1. */
  readonly random: () => number
  /** Starts an attempt; its outcome comes back through `settled`, never synchronously. */
  attempt(attempt: Attempt): void
  /** Abandons the attempt in flight; what comes of it is ignored. */
  abandon(attempt: Attempt): void
  report(event: ElectorEvent): void
  /** A reply of the store has told a token that is higher than all that were known. */
  learned?(token: number): void
}
