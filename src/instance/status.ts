import type { LogLine } from '../events.ts'
import type { Settings } from '../options.ts'
import type { JobRecord } from '../schedule/job.ts'
import type { RunRecord, SkipRecord } from '../schedule/run.ts'
import type { LeaseReading, LeaseRecord, TermRecord } from '../store/lease-store.ts'

/**
 * What an instance does about the lease: nothing, waiting for it, looking on because it is not
 * `eligible`, leading, or bringing its term to an end.
 */
export type Role = 'stopped' | 'candidate' | 'observer' | 'leader' | 'ending'

/** Why the heartbeat does not work, and since when (milliseconds since 1970). */
export interface HeartbeatFault {
  readonly sinceMs: number
  /** The code of the error of the last attempt, or else its name. */
  readonly error: string
  readonly message: string
}

/** The process that releases the lease when this one dies without a word. */
export interface WitnessStatus {
  /** `undefined` where there is none. */
  readonly pid: number | undefined
  /** Why there is none, where that is so. */
  readonly absence: string | undefined
}

/** Of the witness that there is, or why there is none. */
export function witnessStatusOf(
  witness: WitnessStatus | undefined,
  settings: { readonly witness: unknown },
): WitnessStatus {
  if (witness !== undefined) return { pid: witness.pid, absence: witness.absence }
  const isOff = settings.witness === false
  const absence = isOff ? 'It is switched off: `witness` is false.' : 'It has not been started.'
  return { pid: undefined, absence }
}

/** What an instance knows of itself without asking the store. */
export interface Health {
  readonly role: Role
  /** `undefined` while the last attempt on the store was answered. */
  readonly fault: HeartbeatFault | undefined
}

/** What a probe is answered: whether the heartbeat works here. It says nothing of who leads. */
export interface HealthReply {
  readonly status: 'ok' | 'failing'
  readonly role: Role
  /** Why it is failing: `'stopped'`, or the code or name of the error of the last attempt. */
  readonly reason?: string
}

/**
 * Whether the heartbeat works here.
 *
 * - A leader's does while it leads: its last renewal is then younger than its settings allow. An
 *   attempt that failed and is tried again is no failure yet.
 * - A candidate's does if its last attempt on the lease was answered; "held by another" is an
 *   answer. One whose first attempt is under way is given the benefit.
 *
 * The store is not asked: a probe costs nothing, and is answered also where the store is slow.
 *
 * @example
 * ```ts
 * import { healthOf } from 'tenure'
 * app.get('/health', (_request, response) => {
 *   const health = healthOf(tenure)
 *   response.status(health.status === 'ok' ? 200 : 503).json(health)
 * })
 * ```
 */
export function healthOf(tenure: { readonly health: Health }): HealthReply {
  const { role, fault } = tenure.health
  if (role === 'leader') return { status: 'ok', role }
  if (role === 'stopped') return { status: 'failing', role, reason: 'stopped' }
  if (fault === undefined) return { status: 'ok', role }
  return { status: 'failing', role, reason: fault.error }
}

/**
 * An instance, and the lease as it stands in the store: plain data. Times are milliseconds since
 * 1970, and spans of time milliseconds.
 */
export interface Status {
  /** When this was put together. */
  readonly takenAtMs: number
  readonly instance: {
    readonly label: string | undefined
    /** `undefined` where nobody has said it, and no package.json does. */
    readonly application: string | undefined
    readonly host: string
    readonly pid: number
    readonly startedAtMs: number | undefined
  }
  readonly role: Role
  /**
   * Another application that shares this lease, so that only one of them runs its jobs at a time: the
   * leader's, or that of a term of the last hour.
   */
  readonly otherApplication: string | undefined
  /** The term of this instance, while it is not over. */
  readonly term:
    | {
        readonly fencingToken: number
        readonly holder: string
        readonly isTrusted: boolean
        readonly remainingMs: number
      }
    | undefined
  /** The lease as stored; `undefined` while nobody holds it, or the store cannot be used. */
  readonly lease: LeaseRecord | undefined
  /** The last fencing token that was handed out, 0 if none ever was. */
  readonly lastToken: number | undefined
  /** The history of terms, the newest first. */
  readonly terms: readonly TermRecord[]
  /**
   * Why the store cannot be used, if it cannot: it could not be read, or no lease is in it and this
   * instance cannot take it either. Then nobody knows who leads.
   */
  readonly storeError: string | undefined
  readonly heartbeat: {
    /** When the last renewal of this instance succeeded. */
    readonly lastAtMs: number | undefined
    readonly lastLatencyMs: number | undefined
    readonly nextAtMs: number | undefined
    readonly fault: HeartbeatFault | undefined
  }
  readonly witness: WitnessStatus
  readonly jobs: readonly JobRecord[]
  /**
   * The hash over the ids and schedules of the jobs of this instance, `undefined` while it has none.
   * Where that of the leader, `lease.jobsHash`, is another, they have not the same jobs.
   */
  readonly jobsHash: string | undefined
  readonly recentRuns: readonly RunRecord[]
  /** The last ticks that this instance has not run though they were due, the newest first. */
  readonly recentSkips: readonly SkipRecord[]
  /** The last log lines of this instance, the newest first; debug lines among them. */
  readonly recentLines: readonly LogLine[]
  readonly settings: Settings
}

/** For how long after its end a term of another application says that there is one. */
const otherApplicationMs = 3_600_000

/** Another application on the lease, if there is one now, or has been a short while ago. */
export function otherApplicationOf(
  application: string | undefined,
  reading: LeaseReading | undefined,
  nowMs: number,
): string | undefined {
  if (application === undefined || reading === undefined) return undefined
  const recent = reading.terms.filter(
    ({ endedAtMs, startedAtMs }) => nowMs - (endedAtMs ?? startedAtMs) < otherApplicationMs,
  )
  return [reading.record, ...recent]
    .map((term) => term?.application)
    .find((other) => other !== undefined && other !== '' && other !== application)
}
