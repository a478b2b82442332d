import type { Status } from '../instance/status.ts'

type LeaseRecord = NonNullable<Status['lease']>
type TermRecord = Status['terms'][number]

/** Who holds or held the lease. */
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
  readonly reason: TermRecord['reason']
}

/**
 * A lease as one sees it from outside, on the page and in a terminal. Its texts are as they are in the
 * store, where anybody may have written them. Spans of time in milliseconds.
 */
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
  readonly expired: (HolderView & Timing) | undefined
  /** The last fencing token that was handed out; 0 if none ever was. */
  readonly lastToken: number
  /** The newest first. */
  readonly terms: readonly TermView[]
}

/** For how long a term after its end shows that its application uses the lease. */
const applicationsMs = 3_600_000

/** What the lease of a holder says. */
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

/** The part of a status that is about the lease. */
export type LeaseStatus = Pick<
  Status,
  'takenAtMs' | 'settings' | 'storeError' | 'lease' | 'lastToken' | 'terms'
>

/** What there is to show of the lease in a status. */
export function leaseViewOf(status: LeaseStatus): LeaseView {
  const { takenAtMs: atMs, settings, storeError, lease: record } = status
  const expired = record?.remainingMs === 0
  const terms = termsOf(status, expired ? record : undefined)
  const holder = record && timedHolderOf(record, terms)
  return {
    atMs,
    store: settings.store,
    lease: settings.lease,
    applications: applicationsOf(status),
    error: storeError,
    leader: expired ? undefined : holder,
    expired: expired ? holder : undefined,
    lastToken: status.lastToken ?? 0,
    terms,
  }
}

/** The applications of the leader and of the terms of the last hour, if they are more than one. */
function applicationsOf({ takenAtMs, lease, terms }: LeaseStatus): string[] {
  const recent = terms.filter(
    ({ endedAtMs, startedAtMs }) => takenAtMs - (endedAtMs ?? startedAtMs) < applicationsMs,
  )
  const names = [lease, ...recent].flatMap((term) => (term?.application ? [term.application] : []))
  const different = [...new Set(names)]
  return different.length > 1 ? different : []
}

/** What the holder of a lease is called: its label, or else its host and process. */
export function nameOfHolder(record: Pick<LeaseRecord, 'label' | 'holder'>): string {
  return record.label ?? record.holder.split(':').slice(0, -1).join(':')
}

function holderOf(record: LeaseRecord | TermRecord): HolderView {
  return {
    token: record.token,
    name: nameOfHolder(record),
    place: nameOfHolder({ ...record, label: undefined }),
    application: record.application,
  }
}

function timedHolderOf(record: LeaseRecord, terms: readonly TermView[]): HolderView & Timing {
  return {
    ...holderOf(record),
    sinceMs: terms.find(({ token }) => token === record.token)?.startedAtMs,
    ttlMs: record.ttlMs,
    ageMs: record.ageMs,
    remainingMs: record.remainingMs,
    jobsHash: record.jobsHash,
    resignAskedBy: record.resignRequest?.by,
  }
}

/** The terms, and for those that nobody saw end, when they must have. */
function termsOf(status: LeaseStatus, expired: LeaseRecord | undefined): TermView[] {
  const { takenAtMs, lease, terms } = status
  return terms.map((term, i) => {
    const { startedAtMs, endedAtMs, reason, token } = term
    const view = { ...holderOf(term), startedAtMs, endedAtMs, reason }
    if (endedAtMs !== undefined) return view
    if (expired?.token === token) {
      const sinceMs = (expired.ageMs ?? expired.ttlMs) - expired.ttlMs
      return { ...view, endedAtMs: takenAtMs - sinceMs }
    }
    if (lease?.token === token) return view
    return { ...view, endedAtMs: terms[i - 1]?.startedAtMs ?? takenAtMs }
  })
}
