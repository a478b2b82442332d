import { invariant } from '../../invariant.ts'
import { ledgerBatchMax, runErrorLengthMax } from '../ledger-store.ts'
import { changesMax, storedTextLengthMax } from '../stored-schedule.ts'
import type { LedgerMethod, RequestTo } from './verbs.ts'

/** Checks what no ledger could answer in a meaningful way: a defect of the caller. */
const checks: { readonly [Name in LedgerMethod]?: (request: RequestTo<Name>) => void } = {
  tryRegister({ jobs }) {
    checkBatch(jobs.length, 'jobs')
    for (const { anchorMs, cursorMs } of jobs) checkInstants(anchorMs, cursorMs)
    const ids = new Set(jobs.map(({ jobId }) => jobId))
    invariant(ids.size === jobs.length, 'a job is registered once with each call')
  },
  tryClaim({ claims }) {
    checkBatch(claims.length, 'claims')
    const order = new Order()
    for (const { jobId, tickMs, attempt, trigger, startedAtMs } of claims) {
      checkInstants(tickMs, startedAtMs)
      const isCount = Number.isSafeInteger(attempt) && attempt > 0
      invariant(isCount, `attempts count from 1, got ${attempt}`)
      if (trigger === 'tick' && attempt === 1) order.check(jobId, tickMs, tickMs)
    }
  },
  tryRecord({ ends, skips }) {
    checkBatch(ends.length, 'ends')
    checkBatch(skips.length, 'skips')
    for (const { finishedAtMs, retryAtMs = 0 } of ends) checkInstants(finishedAtMs, retryAtMs)
    const order = new Order()
    for (const { jobId, tickMs, untilTickMs, count } of skips) {
      checkInstants(tickMs, untilTickMs)
      const isCount = Number.isSafeInteger(count) && count > 0
      invariant(isCount, `ticks are skipped by count, got ${count}`)
      order.check(jobId, tickMs, untilTickMs)
    }
  },
  trySetPaused: ({ jobIds }) => checkBatch(jobIds.length, 'jobs'),
  tryStoreSchedule({ schedule: { text, storedAtMs } }) {
    checkInstants(storedAtMs)
    invariant(
      text.length <= storedTextLengthMax,
      `a stored job has ${storedTextLengthMax} characters at most, got ${text.length}`,
    )
  },
  readSchedules({ limit }) {
    invariant(
      Number.isInteger(limit) && limit > 0 && limit <= changesMax,
      `a ledger is asked for 1 to ${changesMax} changes at once, got ${limit}`,
    )
  },
  readJobs: ({ limit }) => checkBatch(limit, 'jobs'),
  readRuns: ({ limit }) => checkBatch(limit, 'runs'),
}

/** Checks a call before it is made: by each store, and before it does anything else. */
export function check<Name extends LedgerMethod>(name: Name, request: RequestTo<Name>): void {
  checks[name]?.(request)
}

/** Checks that a list is no longer than one call takes. */
function checkBatch(length: number, what: string): void {
  invariant(
    Number.isInteger(length) && length >= 0 && length <= ledgerBatchMax,
    `a ledger is given or asked for 0 to ${ledgerBatchMax} ${what} at once, got ${length}`,
  )
}

function checkInstants(...instants: readonly number[]): void {
  for (const instant of instants)
    invariant(Number.isFinite(instant), `an instant is a number of milliseconds, got ${instant}`)
}

/** That the ticks of each job come in their order. */
class Order {
  readonly #last = new Map<string, number>()

  check(jobId: string, fromMs: number, untilMs: number): void {
    const last = this.#last.get(jobId) ?? -Infinity
    invariant(
      fromMs > last && untilMs >= fromMs,
      `the ticks of one job come in ascending order, got ${fromMs} to ${untilMs} after ${last}`,
    )
    this.#last.set(jobId, untilMs)
  }
}

/** The text of an error as every ledger can keep it: bounded, well-formed, and without U+0000. */
export function storedError(error: string | undefined): string | undefined {
  return error?.slice(0, runErrorLengthMax).toWellFormed().replaceAll('\0', '\uFFFD')
}
