import type { Status } from '../instance/status.ts'
import { leaseViewOf, type LeaseView } from './lease-view.ts'

/** A button of the page: what it asks the server to do, in words. */
export interface PageControl {
  readonly action: string
  readonly text: string
  /** What will happen; the button's tooltip. */
  readonly hint: string
  readonly enabled: boolean
}

/**
 * What is known of an instance from outside:
 *
 * - `answers`: it answers its requests
 * - `starting`: its process runs, and has not answered yet
 * - `busy`, `hung`: its event loop is blocked, for a while or for ever
 * - `frozen`: its process is stopped as a whole
 * - `silent`: it does not answer, and nobody knows why
 * - `down`: it has no process
 */
export type PageInstanceState =
  | 'answers'
  | 'starting'
  | 'busy'
  | 'hung'
  | 'frozen'
  | 'silent'
  | 'down'

/** One instance, as the page shows it. Spans of time in milliseconds. */
export interface PageInstance {
  /** Its label, or where it has none, host and process. */
  readonly name: string
  readonly pid: number | undefined
  readonly state: PageInstanceState
  /** For how long it has been in this state, and how long that lasts yet, where it is known. */
  readonly stateForMs: number | undefined
  readonly stateLeftMs: number | undefined
  /** What it said last about itself. */
  readonly role: Status['role'] | undefined
  /** Whether the lease in the store is its own: also known of an instance that does not answer. */
  readonly holdsLease: boolean
  readonly upForMs: number | undefined
  /** What else there is to tell. */
  readonly note: string | undefined
  readonly controls: readonly PageControl[]
}

/** A run, and the instance that it ran on. */
export type PageRun = Status['recentRuns'][number] & { readonly instance: string }

/** Ticks that were not run, and the instance that has skipped them. */
export type PageSkip = Status['recentSkips'][number] & { readonly instance: string }

/** A log line, and whose it is. */
export type PageLine = Status['recentLines'][number] & {
  readonly instance: string
  /** Not told by the instance, which could not: seen in the store from outside. */
  readonly seen?: boolean
}

/** All that the page shows: plain data, fetched twice a second. */
export interface PageData {
  /** The lease and its terms, as they were at `atMs` by the clock of the server. */
  readonly lease: LeaseView
  readonly application: string | undefined
  /** Something that everybody who looks at the page must know. */
  readonly notice: string | undefined
  readonly settings: Status['settings']
  /** What is going on with the store, such as a lock that somebody holds. */
  readonly storeNote: string | undefined
  readonly storeControls: readonly PageControl[]
  readonly instances: readonly PageInstance[]
  readonly jobs: Status['jobs']
  /** The newest first, as are the lines. */
  readonly runs: readonly PageRun[]
  readonly skips: readonly PageSkip[]
  readonly lines: readonly PageLine[]
}

/** What everybody has to know: that jobs do not run, or that a takeover would change which do. */
function noticeOf({ role, lease, instance, jobsHash, ...status }: Status): string | undefined {
  const { otherApplication, settings } = status
  if (otherApplication !== undefined) {
    return (
      `Two applications share the lease "${settings.lease}": "${instance.application}" and ` +
      `"${otherApplication}". Only one of them runs its jobs at a time. Give each a lease of its own.`
    )
  }
  const leaderJobsHash =
    lease?.application === (instance.application ?? '') ? lease?.jobsHash : undefined
  const differs = leaderJobsHash !== undefined && leaderJobsHash !== jobsHash
  if (role === 'leader' || !differs || jobsHash === undefined) return undefined
  return (
    `This instance has other jobs, or other schedules (${jobsHash}), than the leader ` +
    `(${leaderJobsHash}): which are run depends on who leads.`
  )
}

/** What the page shows of one instance that tells it all by itself. */
export function pageDataOf(status: Status): PageData {
  const { instance, role, lease } = status
  const name = instance.label ?? `${instance.host}:${instance.pid}`
  const own = `${instance.host}:${instance.pid}:`
  return {
    lease: leaseViewOf(status),
    application: instance.application,
    notice: noticeOf(status),
    settings: status.settings,
    storeNote: undefined,
    storeControls: [],
    instances: [
      {
        name,
        pid: instance.pid,
        state: role === 'stopped' ? 'down' : 'answers',
        stateForMs: undefined,
        stateLeftMs: undefined,
        role,
        holdsLease: lease?.holder.startsWith(own) ?? false,
        upForMs: undefined,
        note: status.heartbeat.fault?.message,
        controls: [],
      },
    ],
    jobs: status.jobs,
    runs: status.recentRuns.map((run) => ({ ...run, instance: name })),
    skips: status.recentSkips.map((skip) => ({ ...skip, instance: name })),
    lines: status.recentLines.map((line) => ({ ...line, instance: name })),
  }
}
