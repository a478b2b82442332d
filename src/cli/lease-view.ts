import { nameOfHolder } from '../dashboard/page.ts'
import type { EndReason, LeaseRecord, Status, TermRecord } from '../index.ts'
import { plainText } from './words.ts'

/** Who holds or held the lease, in texts that are fit for a terminal. */
export interface HolderView {
  readonly token: number
  /** Its label, or else host and process. */
  readonly name: string
  /** Host and process. */
  readonly place: string
  /** `''` where it has not said its name. */
  readonly application: string
}

/** One term, as it is shown. Times are milliseconds since 1970. */
export interface TermView extends HolderView {
  readonly startedAtMs: number
  /** Of a term that nobody saw end: when the next one began, or its lease expired. */
  readonly endedAtMs: number | undefined
  readonly reason: EndReason | undefined
}

/** A lease as one sees it from outside. Spans of time in milliseconds. */
export interface LeaseView {
  readonly atMs: number
  readonly store: string
  readonly lease: string
  /** Those that share the lease, if they are several; the leader's first. */
  readonly applications: readonly string[]
  /** Why the store cannot be used, if it cannot. */
  readonly error: string | undefined
  readonly leader: (HolderView & Timing) | undefined
  /** Whose lease has expired, with nobody having taken it since. */
  readonly expired: HolderView | undefined
  /** The last fencing token that was handed out; 0 if none ever was. */
  readonly lastToken: number
  /** The newest first. */
  readonly terms: readonly TermView[]
}

/** For how long a term after its end shows that its application uses the lease. */
const applicationsMs = 3_600_000

interface Timing {
  readonly sinceMs: number | undefined
  readonly ttlMs: number
  /** `undefined` where no common clock tells, as is the next one. */
  readonly ageMs: number | undefined
  readonly remainingMs: number | undefined
  /** The hash over its jobs, if it has any. */
  readonly jobsHash: string | undefined
  /** Who has asked it to resign. */
  readonly resignAskedBy: string | undefined
}

/** What there is to show of a status. */
export function leaseViewOf(status: Status): LeaseView {
  const { takenAtMs: atMs, settings, storeError, lease: record } = status
  const expired = record?.remainingMs === 0
  const terms = termsOf(status, expired ? record : undefined)
  return {
    atMs,
    store: plainText(settings.store),
    lease: plainText(settings.lease),
    applications: applicationsOf(status),
    error: storeError === undefined ? undefined : plainText(storeError),
    leader: record === undefined || expired ? undefined : leaderOf(record, terms),
    expired: record !== undefined && expired ? holderOf(record) : undefined,
    lastToken: status.lastToken ?? 0,
    terms,
  }
}

/** The applications of the leader and of the terms of the last hour, if they are more than one. */
function applicationsOf({ takenAtMs, lease, terms }: Status): string[] {
  const recent = terms.filter(
    ({ endedAtMs, startedAtMs }) => takenAtMs - (endedAtMs ?? startedAtMs) < applicationsMs,
  )
  const names = [lease, ...recent].flatMap((term) => (term?.application ? [term.application] : []))
  const different = [...new Set(names)].map(plainText)
  return different.length > 1 ? different : []
}

function holderOf(record: LeaseRecord | TermRecord): HolderView {
  return {
    token: record.token,
    name: plainText(nameOfHolder(record)),
    place: plainText(nameOfHolder({ ...record, label: undefined })),
    application: plainText(record.application),
  }
}

function leaderOf(record: LeaseRecord, terms: readonly TermView[]): LeaseView['leader'] {
  return {
    ...holderOf(record),
    sinceMs: terms.find(({ token }) => token === record.token)?.startedAtMs,
    ttlMs: record.ttlMs,
    ageMs: record.ageMs,
    remainingMs: record.remainingMs,
    jobsHash: record.jobsHash && plainText(record.jobsHash),
    resignAskedBy: record.resignRequest && plainText(record.resignRequest.by),
  }
}

/** The terms, and for those that nobody saw end, when they must have. */
function termsOf(status: Status, expired: LeaseRecord | undefined): TermView[] {
  const { takenAtMs, lease, terms } = status
  return terms.map((term, i) => {
    const { startedAtMs, endedAtMs, reason, token } = term
    // What is in the store may have been written by anybody.
    const why = reason && (plainText(reason) as EndReason)
    const view = { ...holderOf(term), startedAtMs, endedAtMs, reason: why }
    if (endedAtMs !== undefined) return view
    if (expired?.token === token) {
      const sinceMs = (expired.ageMs ?? expired.ttlMs) - expired.ttlMs
      return { ...view, endedAtMs: takenAtMs - sinceMs }
    }
    if (lease?.token === token) return view
    return { ...view, endedAtMs: terms[i - 1]?.startedAtMs ?? takenAtMs }
  })
}
