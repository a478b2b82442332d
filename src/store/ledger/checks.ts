import { invariant } from '../../invariant.ts'
import {
  ledgerBatchMax,
  runErrorLengthMax,
  type ClaimRequest,
  type RecordRequest,
  type RegisterRequest,
} from '../ledger-store.ts'
import {
  changesMax,
  storedTextLengthMax,
  type ReadSchedulesRequest,
  type StoreScheduleRequest,
} from '../stored-schedule.ts'

/** Checks that a list is no longer than one call takes. */
export function checkBatch(length: number, what: string): void {
  invariant(
    Number.isInteger(length) && length >= 0 && length <= ledgerBatchMax,
    `a ledger is given or asked for 0 to ${ledgerBatchMax} ${what} at once, got ${length}`,
  )
}

/** Checks what no ledger could answer in a meaningful way: a defect of the caller. */
export function checkClaims({ claims }: ClaimRequest): void {
  checkBatch(claims.length, 'claims')
  const order = new Order()
  for (const { jobId, tickMs, attempt, trigger, startedAtMs } of claims) {
    checkInstants(tickMs, startedAtMs)
    invariant(Number.isSafeInteger(attempt) && attempt > 0, `attempts count from 1, got ${attempt}`)
    if (trigger === 'tick' && attempt === 1) order.check(jobId, tickMs, tickMs)
  }
}

/** See {@link checkClaims}. */
export function checkRecords({ ends, skips }: RecordRequest): void {
  checkBatch(ends.length, 'ends')
  checkBatch(skips.length, 'skips')
  for (const { finishedAtMs, retryAtMs = 0 } of ends) checkInstants(finishedAtMs, retryAtMs)
  const order = new Order()
  for (const { jobId, tickMs, untilTickMs, count } of skips) {
    checkInstants(tickMs, untilTickMs)
    invariant(Number.isSafeInteger(count) && count > 0, `ticks are skipped by count, got ${count}`)
    order.check(jobId, tickMs, untilTickMs)
  }
}

/** See {@link checkClaims}. */
export function checkRegistrations({ jobs }: RegisterRequest): void {
  checkBatch(jobs.length, 'jobs')
  for (const { anchorMs, cursorMs } of jobs) checkInstants(anchorMs, cursorMs)
  const ids = new Set(jobs.map(({ jobId }) => jobId))
  invariant(ids.size === jobs.length, 'a job is registered once with each call')
}

/** See {@link checkClaims}. */
export function checkStored({ schedule: { text, storedAtMs } }: StoreScheduleRequest): void {
  checkInstants(storedAtMs)
  invariant(
    text.length <= storedTextLengthMax,
    `a stored job has ${storedTextLengthMax} characters at most, got ${text.length}`,
  )
}

/** See {@link checkClaims}. */
export function checkChanges({ limit }: ReadSchedulesRequest): void {
  invariant(
    Number.isInteger(limit) && limit > 0 && limit <= changesMax,
    `a ledger is asked for 1 to ${changesMax} changes at once, got ${limit}`,
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
