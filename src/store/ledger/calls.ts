import {
  ledgerBatchMax,
  prunedRowsMax,
  type AbandonReply,
  type AbandonRequest,
  type ClaimReply,
  type ClaimRequest,
  type LedgerJob,
  type LedgerReading,
  type PruneReply,
  type PruneRequest,
  type ReadJobsRequest,
  type ReadRunsRequest,
  type RecordReply,
  type RecordRequest,
  type RegisterReply,
  type RegisterRequest,
  type SetPausedRequest,
} from '../ledger-store.ts'
import type {
  ReadSchedulesReply,
  ReadSchedulesRequest,
  RemoveScheduleReply,
  RemoveScheduleRequest,
  StoreScheduleReply,
  StoreScheduleRequest,
} from '../stored-schedule.ts'
import { Draft, type Changes, type KeysOf, type Scan, type Steps } from './engine.ts'
import { changeOf, jobOf, keyOfRun, runOf, type Table, type Tables } from './rows.ts'
import * as rules from './rules.ts'

// The calls of the ledger as steps: what each looks at, and writes when the rules have decided.

export function* register({ token, jobs }: RegisterRequest): Steps<RegisterReply> {
  const registered = yield* decide({ job: jobs }, (draft) =>
    jobs.map((job) => rules.register(draft, token, job)),
  )
  return { kind: 'answered', jobs: registered }
}

export function* claim({ token, claims }: ClaimRequest): Steps<ClaimReply> {
  const run = [...claims.map(keyOfRun), ...claims.flatMap(rules.keyOfFollowed)]
  const outcomes = yield* decide({ job: jobsOf(claims), run }, (draft) =>
    claims.map((one) => rules.claim(draft, token, one)),
  )
  return { kind: 'answered', outcomes }
}

export function* record({ token, ends, skips }: RecordRequest): Steps<RecordReply> {
  const keys = { job: jobsOf(skips), run: ends.map(keyOfRun), skip: skips }
  const outcomes = yield* decide(keys, (draft) => ({
    ends: ends.map((end) => rules.end(draft, end)),
    skips: skips.map((skip) => rules.skip(draft, token, skip)),
  }))
  return { kind: 'answered', ...outcomes }
}

export function* abandon(request: AbandonRequest): Steps<AbandonReply> {
  const { token } = request
  const of = 'run'
  const order = ['startedAtMs', 'tickMs', 'attempt', 'jobId', 'slot'] as const
  const limit = Infinity
  const lost = yield* scan<'run'>({
    of,
    along: 'running',
    where: [
      ['outcome', '=', undefined],
      ['token', '<>', token],
    ],
    order: [],
    limit,
  })
  yield* write({
    run: lost.map((run) => ({ before: run, fields: rules.abandoned(run, request) })),
  })
  const abandoned = yield* scan<'run'>({
    of,
    along: 'abandoned',
    where: [['abandonedBy', '=', token]],
    order,
    limit,
  })
  const owed = yield* scan<'run'>({
    of,
    along: 'owed',
    where: [['retryAtMs', '<>', undefined]],
    order,
    limit,
  })
  return { kind: 'answered', abandoned: abandoned.map(runOf), owed: owed.map(runOf) }
}

export function* prune(request: PruneRequest): Steps<PruneReply> {
  const { afterJobId, followedRevision } = request
  const forgotten = yield* scan<'schedule'>({
    of: 'schedule',
    along: 'changed',
    where: [
      ['revision', '<=', followedRevision],
      ['handler', '=', undefined],
    ],
    order: [],
    limit: Infinity,
  })
  yield* remove({ schedule: forgotten })
  let removed = yield* pruneByAge(request)
  let last = afterJobId
  const page = yield* scan(jobsAfter(afterJobId, ledgerBatchMax))
  for (const job of page) {
    removed += yield* pruneByCount(request, job.jobId, prunedRowsMax - removed)
    if (removed >= prunedRowsMax) return { kind: 'answered', removed, next: { afterJobId: last } }
    if (rules.isForgotten(job, request) && !(yield* isRunning(job.jobId))) {
      yield* remove({ job: [job] })
    }
    last = job.jobId
  }
  const isWhole = removed < prunedRowsMax && page.length < ledgerBatchMax
  return { kind: 'answered', removed, next: isWhole ? undefined : { afterJobId: last } }
}

/** Removes what is older than anything is kept; returns how many rows. */
function* pruneByAge(request: PruneRequest): Steps<number> {
  const beforeMs = request.nowMs - request.keepAgeMs
  const run = yield* scan<'run'>({
    of: 'run',
    along: 'started',
    where: [['startedAtMs', '<', beforeMs], ...rules.isPrunable(request)],
    order: ['startedAtMs'],
    limit: prunedRowsMax,
  })
  const skip = yield* scan<'skip'>({
    of: 'skip',
    along: 'until',
    where: [['untilTickMs', '<', beforeMs]],
    order: ['untilTickMs'],
    limit: prunedRowsMax - run.length,
  })
  return yield* remove({ run, skip })
}

/** Removes what a job has more than is kept of each; returns how many rows. */
function* pruneByCount(request: PruneRequest, jobId: string, rowsMax: number): Steps<number> {
  const ofJob = {
    along: 'key',
    where: [['jobId', '=', jobId]],
    descends: true,
    beyond: request.keepRuns,
  } as const
  const run = yield* scan<'run'>({
    of: 'run',
    ...ofJob,
    order: ['tickMs', 'attempt', 'slot'],
    but: [...rules.isPrunable(request), ['retryAtMs', '=', undefined]],
    limit: rowsMax,
  })
  const limit = rowsMax - run.length
  const skip = yield* scan<'skip'>({ of: 'skip', ...ofJob, order: ['tickMs'], limit })
  return yield* remove({ run, skip })
}

function* isRunning(jobId: string): Steps<boolean> {
  const runs = yield* scan<'run'>({
    of: 'run',
    along: 'running',
    where: [
      ['outcome', '=', undefined],
      ['jobId', '=', jobId],
    ],
    order: [],
    limit: 1,
  })
  return runs.length > 0
}

export function* setPaused(request: SetPausedRequest): Steps<readonly string[]> {
  const jobs = jobsOf(request.jobIds.map((jobId) => ({ jobId })))
  const keys = { job: jobs, schedule: jobs, revision: [{}] }
  return yield* decide(keys, (draft) => rules.setPaused(draft, request))
}

export function* storeSchedule(request: StoreScheduleRequest): Steps<StoreScheduleReply> {
  const keys = { schedule: [request.schedule], revision: [{}] }
  return yield* decide(keys, (draft) => rules.storeSchedule(draft, request))
}

export function* removeSchedule(request: RemoveScheduleRequest): Steps<RemoveScheduleReply> {
  const keys = { schedule: [request], revision: [{}] }
  return yield* decide(keys, (draft) => rules.removeSchedule(draft, request))
}

export function* readSchedules(request: ReadSchedulesRequest): Steps<ReadSchedulesReply> {
  const schedules = yield* scan<'schedule'>({
    of: 'schedule',
    along: 'changed',
    where: [['revision', '>', request.afterRevision]],
    order: ['revision'],
    limit: request.limit,
  })
  const draft = yield* load({ job: schedules })
  const changes = schedules.map((row) => changeOf(row, draft.get('job', row)?.paused ?? false))
  return { kind: 'answered', changes }
}

export function* readJobs({ afterJobId, limit }: ReadJobsRequest): Steps<readonly LedgerJob[]> {
  return (yield* scan(jobsAfter(afterJobId, limit))).map(jobOf)
}

export function* readRuns({ jobId, limit }: ReadRunsRequest): Steps<LedgerReading> {
  const isOfAll = jobId === undefined
  const ofJob = isOfAll ? [] : ([['jobId', '=', jobId]] as const)
  const newest = { where: ofJob, descends: true, limit } as const
  const runs = yield* scan<'run'>({
    of: 'run',
    along: isOfAll ? 'started' : 'key',
    order: ['startedAtMs', 'tickMs', 'attempt', 'jobId', 'slot'],
    ...newest,
  })
  const skips = yield* scan<'skip'>({
    of: 'skip',
    along: isOfAll ? 'until' : 'key',
    order: ['untilTickMs', 'jobId', 'tickMs'],
    ...newest,
  })
  return { runs: runs.map(runOf), skips: skips.map((skip) => ({ ...skip })) }
}

function jobsAfter(jobId: string | undefined, limit: number): Scan<'job'> {
  // No id is empty, so that every one comes after the empty one.
  return { of: 'job', along: 'key', where: [['jobId', '>', jobId ?? '']], order: ['jobId'], limit }
}

/** The jobs of a list, each once. */
function jobsOf(list: readonly { readonly jobId: string }[]): readonly { jobId: string }[] {
  return [...new Set(list.map(({ jobId }) => jobId))].map((jobId) => ({ jobId }))
}

/** Loads rows, decides over them, and writes what has changed. */
function* decide<Decision>(keys: KeysOf, by: (draft: Draft) => Decision): Steps<Decision> {
  const draft = yield* load(keys)
  const decision = by(draft)
  yield* write(draft.puts)
  return decision
}

function* load(keys: KeysOf): Steps<Draft> {
  return new Draft(yield { kind: 'load', keys })
}

function* scan<Name extends Table>(wanted: Scan<Name>): Steps<readonly Tables[Name][]> {
  const rows = yield { kind: 'scan', scan: wanted as unknown as Scan<Table> }
  return rows[wanted.of] ?? []
}

function* write(puts: Changes['puts']): Steps<void> {
  if (Object.values(puts).some((rows) => rows.length > 0)) {
    yield { kind: 'write', changes: { puts, removals: {} } }
  }
}

/** Removes rows; returns how many. */
function* remove(removals: KeysOf): Steps<number> {
  const count = Object.values(removals).reduce((sum, keys) => sum + keys.length, 0)
  if (count > 0) yield { kind: 'write', changes: { puts: {}, removals } }
  return count
}
