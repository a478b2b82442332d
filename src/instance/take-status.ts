import { hostname } from 'node:os'

import type { Clock } from '../clock.ts'
import { messageOf } from '../errors.ts'
import type { HeartbeatJob } from './heartbeat-job.ts'
import type { Jobs } from './jobs.ts'
import type { Log } from '../log.ts'
import type { Settings } from '../options.ts'
import {
  otherApplicationOf,
  type HeartbeatFault,
  type Role,
  type Status,
  type WitnessStatus,
} from './status.ts'
import type { StoreReader } from './store-reader.ts'
import type { LeaseReading } from '../store/lease-store.ts'
import type { Term } from './live-term.ts'

/** Where what a status says comes from. */
export interface StatusDeps {
  readonly clock: Clock
  readonly settings: Settings
  readonly reader: StoreReader
  readonly jobs: Jobs
  readonly heartbeat: HeartbeatJob
  readonly log: Log
  /** What this instance knows of itself, asked for once the store has answered. */
  readonly own: () => {
    readonly role: Role
    readonly term: Term | undefined
    readonly fault: HeartbeatFault | undefined
    readonly startedAtMs: number | undefined
    readonly witness: WitnessStatus
  }
}

/** Puts together what an instance knows of itself, and the lease as it is in the store. */
export async function takeStatus(deps: StatusDeps): Promise<Status> {
  const { clock, settings, reader, jobs, heartbeat, log } = deps
  const { scheduler } = jobs
  const { label, application } = settings
  let reading: LeaseReading | undefined
  let storeError: string | undefined
  try {
    reading = await reader.read()
  } catch (error) {
    storeError = messageOf(error)
  }
  const { role, term, fault, startedAtMs, witness } = deps.own()
  // A store that can be read, but not written: nobody can lead, which is not that nobody does.
  const isFree = reading !== undefined && (reading.record?.remainingMs ?? 0) === 0
  if (isFree) storeError = fault?.message
  const takenAtMs = clock.wallMs()
  return {
    takenAtMs,
    instance: { label, application, host: hostname(), pid: process.pid, startedAtMs },
    role,
    otherApplication: otherApplicationOf(application, reading, takenAtMs),
    term: term && {
      fencingToken: term.fencingToken,
      holder: term.holder,
      isTrusted: term.isTrusted,
      remainingMs: term.remainingMs,
    },
    lease: reading?.record,
    lastToken: reading?.token,
    terms: reading?.terms ?? [],
    storeError,
    heartbeat: {
      lastAtMs: heartbeat.lastAtMs,
      lastLatencyMs: heartbeat.lastLatencyMs,
      nextAtMs: heartbeat.nextAtMs,
      fault,
    },
    witness,
    jobs: scheduler.records(),
    jobsHash: jobs.hash,
    recentRuns: scheduler.recentRuns,
    recentSkips: scheduler.recentSkips,
    recentLines: log.recent,
    settings,
  }
}
