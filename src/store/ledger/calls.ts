import {
  ledgerBatchMax,
  prunedRowsMax,
  type PruneRequest,
  type Superseded,
} from '../ledger-store.ts'
import { Draft, type Changes, type KeysOf, type Scan, type Steps } from './engine.ts'
import { changeOf, jobOf, keyOfRun, runOf, type Table, type Tables } from './rows.ts'
import * as rules from './rules.ts'
import type { LedgerMethod, ReplyTo, RequestTo } from './verbs.ts'

const oldestFirst = ['startedAtMs', 'tickMs', 'attempt', 'jobId', 'slot'] as const

/** The calls of the ledger as steps: what each looks at, and writes when the rules have decided. */
export const calls: {
  readonly [Name in LedgerMethod]: (
    request: RequestTo<Name>,
  ) => Steps<Exclude<ReplyTo<Name>, Superseded>>
} = {
  *tryRegister({ token, jobs }) {
    const registered = yield* decide({ job: jobs }, (draft) =>
      jobs.map((job) => rules.register(draft, token, job)),
    )
    return { kind: 'answered', jobs: registered }
  },

  *tryClaim({ token, claims }) {
    const run = [...claims.map(keyOfRun), ...claims.flatMap(rules.keyOfFollowed)]
    const outcomes = yield* decide({ job: jobsOf(claims), run }, (draft) =>
      claims.map((one) => rules.claim(draft, token, one)),
    )
    return { kind: 'answered', outcomes }
  },

  *tryRecord({ token, ends, skips }) {
    const keys = { job: jobsOf(skips), run: ends.map(keyOfRun), skip: skips }
    const outcomes = yield* decide(keys, (draft) => ({
      ends: ends.map((end) => rules.end(draft, end)),
      skips: skips.map((skip) => rules.skip(draft, token, skip)),
    }))
    return { kind: 'answered', ...outcomes }
  },

  *tryAbandon(request) {
    const { token } = request
    const all = { of: 'run', order: oldestFirst, limit: Infinity } as const
    const isLost = { outcome: ['=', undefined], token: ['<>', token] } as const
    const lost = yield* scan<'run'>({ ...all, along: 'running', where: isLost })
    yield* write({
      run: lost.map((run) => ({ before: run, fields: rules.abandoned(run, request) })),
    })
    const isOurs = { abandonedBy: ['=', token] } as const
    const abandoned = yield* scan<'run'>({ ...all, along: 'abandoned', where: isOurs })
    const isOwed = { retryAtMs: ['<>', undefined] } as const
    const owed = yield* scan<'run'>({ ...all, along: 'owed', where: isOwed })
    return { kind: 'answered', abandoned: abandoned.map(runOf), owed: owed.map(runOf) }
  },

  *tryPrune(request) {
    const { afterJobId, followedRevision } = request
    const isForgotten = { revision: ['<=', followedRevision], handler: ['=', undefined] } as const
    const all = { of: 'schedule', along: 'changed', order: [], limit: Infinity } as const
    yield* remove({ schedule: yield* scan<'schedule'>({ ...all, where: isForgotten }) })
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
  },

  *trySetPaused(request) {
    const jobs = jobsOf(request.jobIds.map((jobId) => ({ jobId })))
    const keys = { job: jobs, schedule: jobs, revision: [{}] }
    return yield* decide(keys, (draft) => rules.setPaused(draft, request))
  },

  *tryStoreSchedule(request) {
    const keys = { schedule: [request.schedule], revision: [{}] }
    return yield* decide(keys, (draft) => rules.storeSchedule(draft, request))
  },

  *tryRemoveSchedule(request) {
    const keys = { schedule: [request], revision: [{}] }
    return yield* decide(keys, (draft) => rules.removeSchedule(draft, request))
  },

  *readSchedules({ afterRevision, limit }) {
    const where = { revision: ['>', afterRevision] } as const
    const order = ['revision'] as const
    const changed = { of: 'schedule', along: 'changed', where, order, limit } as const
    const schedules = yield* scan<'schedule'>(changed)
    const draft = yield* load({ job: schedules })
    const changes = schedules.map((row) => changeOf(row, draft.get('job', row)?.paused ?? false))
    return { kind: 'answered', changes }
  },

  *readJobs({ afterJobId, limit }) {
    return (yield* scan(jobsAfter(afterJobId, limit))).map(jobOf)
  },

  *readRuns({ jobId, limit }) {
    const isOfAll = jobId === undefined
    const newest = { where: isOfAll ? {} : ofJob(jobId), descends: true, limit }
    const along = isOfAll ? 'started' : 'key'
    const runs = yield* scan<'run'>({ of: 'run', along, order: oldestFirst, ...newest })
    const order = ['untilTickMs', 'jobId', 'tickMs'] as const
    const alongSkips = isOfAll ? 'until' : 'key'
    const skips = yield* scan<'skip'>({ of: 'skip', along: alongSkips, order, ...newest })
    return { runs: runs.map(runOf), skips: skips.map((skip) => ({ ...skip })) }
  },
}

/** Removes what is older than anything is kept; returns how many rows. */
function* pruneByAge(request: PruneRequest): Steps<number> {
  const isOld = ['<', request.nowMs - request.keepAgeMs] as const
  const run = yield* scan<'run'>({
    ...({ of: 'run', along: 'started', order: ['startedAtMs'] } as const),
    where: { startedAtMs: isOld, ...rules.isPrunable(request) },
    limit: prunedRowsMax,
  })
  const skip = yield* scan<'skip'>({
    ...({ of: 'skip', along: 'until', order: ['untilTickMs'] } as const),
    where: { untilTickMs: isOld },
    limit: prunedRowsMax - run.length,
  })
  return yield* remove({ run, skip })
}

/** Removes what a job has more than is kept of each; returns how many rows. */
function* pruneByCount(request: PruneRequest, jobId: string, rowsMax: number): Steps<number> {
  const { keepRuns: beyond } = request
  const older = { along: 'key', where: ofJob(jobId), descends: true, beyond } as const
  const run = yield* scan<'run'>({
    ...({ of: 'run', ...older, order: ['tickMs', 'attempt', 'slot'] } as const),
    but: { ...rules.isPrunable(request), retryAtMs: ['=', undefined] },
    limit: rowsMax,
  })
  const limit = rowsMax - run.length
  const skip = yield* scan<'skip'>({ of: 'skip', ...older, order: ['tickMs'], limit })
  return yield* remove({ run, skip })
}

function* isRunning(jobId: string): Steps<boolean> {
  const where = { outcome: ['=', undefined], ...ofJob(jobId) } as const
  const runs = yield* scan<'run'>({ of: 'run', along: 'running', where, order: [], limit: 1 })
  return runs.length > 0
}

function ofJob(jobId: string): { readonly jobId: readonly ['=', string] } {
  return { jobId: ['=', jobId] }
}

function jobsAfter(jobId: string | undefined, limit: number): Scan<'job'> {
  // No id is empty, so that every one comes after the empty one.
  return { of: 'job', along: 'key', where: { jobId: ['>', jobId ?? ''] }, order: ['jobId'], limit }
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
  yield { kind: 'write', changes: { puts, removals: {} } }
}

/** Removes rows; returns how many. */
function* remove(removals: KeysOf): Steps<number> {
  yield { kind: 'write', changes: { puts: {}, removals } }
  return Object.values(removals).reduce((sum, keys) => sum + keys.length, 0)
}
