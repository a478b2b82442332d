import assert from 'node:assert/strict'

import type {
  ClaimReply,
  JobRegistration,
  LedgerJob,
  LedgerReading,
  LedgerStore,
  PruneRequest,
  RecordReply,
  RunClaim,
  RunEnd,
  TickSkip,
} from '../../../store/ledger-store.ts'
import type { LedgerHarness } from '../harness.ts'
import { acquire, lead, patience } from '../steps.ts'

/** The lease of the cases. */
export const lease = 'scheduler'
/** The job of those that need one only. */
export const jobId = 'nightly'

/** A ledger with a term, and with jobs whose cursor is at 0. */
export interface Begun {
  readonly ledger: LedgerStore
  readonly token: number
}

/** Opens a ledger, leads, and registers jobs. */
export async function begin(
  harness: LedgerHarness,
  jobIds: readonly string[] = [jobId],
): Promise<Begun> {
  const ledger = await harness.openLedger()
  const token = await lead(await harness.open(), 'first', { lease })
  await register(ledger, token, ...jobIds.map((id) => job({ jobId: id })))
  return { ledger, token }
}

let takeovers = 0

/** Has somebody else granted the lease, although it has not expired; returns the new token. */
export async function takeOver(harness: LedgerHarness): Promise<number> {
  const store = await harness.open()
  const holder = `successor:${++takeovers}`
  const held = await acquire(store, holder, { lease })
  assert.equal(held.kind, 'held')
  if (held.kind !== 'held') return 0
  const { token, renewals } = held.record
  return lead(store, holder, { lease, observed: { token, renewals } })
}

/** A job as its leader registers it. */
export function job(options: Partial<JobRegistration> = {}): JobRegistration {
  return { jobId, schedule: 'every 1s', anchorMs: 0, cursorMs: 0, ...options }
}

/** Registers jobs, and expects to be let. */
export async function register(
  ledger: LedgerStore,
  token: number,
  ...jobs: readonly JobRegistration[]
): Promise<readonly LedgerJob[]> {
  const reply = await ledger.tryRegister({ lease, token, jobs }, patience())
  assert.equal(reply.kind, 'answered')
  return reply.kind === 'answered' ? reply.jobs : []
}

/** The claim of a tick. */
export function claim(tickMs: number, options: Partial<RunClaim> = {}): RunClaim {
  const { attempt = 1 } = options
  return {
    jobId,
    tickMs,
    attempt,
    runId: `run-${tickMs}-${attempt}`,
    trigger: 'tick',
    correlationId: `correlation-${tickMs}`,
    startedAtMs: tickMs + 1,
    rerun: false,
    follows: undefined,
    ...options,
  }
}

/** The end of a run as it was claimed. */
export function endOf(
  { jobId: id, tickMs, attempt, runId, trigger }: RunClaim,
  options: Partial<RunEnd> = {},
): RunEnd {
  return {
    jobId: id,
    tickMs,
    attempt,
    runId,
    trigger,
    outcome: 'succeeded',
    finishedAtMs: tickMs + 2,
    error: undefined,
    retryAtMs: undefined,
    ...options,
  }
}

/** Ticks that are skipped. */
export function skip(tickMs: number, options: Partial<TickSkip> = {}): TickSkip {
  return { jobId, tickMs, untilTickMs: tickMs, count: 1, reason: 'overlap', ...options }
}

/** Claims, and returns the kinds of the outcomes. */
export async function claimKinds(
  ledger: LedgerStore,
  token: number,
  ...claims: readonly RunClaim[]
): Promise<readonly string[] | 'superseded'> {
  return kindsOf(await ledger.tryClaim({ lease, token, claims }, patience()))
}

/** The kinds of the outcomes of claims. */
export function kindsOf(reply: ClaimReply): readonly string[] | 'superseded' {
  return reply.kind === 'superseded' ? reply.kind : reply.outcomes.map(({ kind }) => kind)
}

/** Records ends and skips. */
export async function record(
  ledger: LedgerStore,
  token: number,
  ends: readonly RunEnd[],
  skips: readonly TickSkip[] = [],
): Promise<RecordReply> {
  return ledger.tryRecord({ lease, token, ends, skips }, patience())
}

/** The job as it stands. */
export async function readJob(ledger: LedgerStore, id: string = jobId): Promise<LedgerJob> {
  const jobs = await ledger.readJobs({ lease, afterJobId: undefined, limit: 500 }, patience())
  const found = jobs.find((candidate) => candidate.jobId === id)
  assert.ok(found, `the ledger should know the job ${id}`)
  return found
}

/** The newest of the history. */
export async function readHistory(ledger: LedgerStore, id?: string): Promise<LedgerReading> {
  return ledger.readRuns({ lease, jobId: id, limit: 500 }, patience())
}

/** Prunes until all has been looked at; returns how many rows each call removed. */
export async function prune(
  ledger: LedgerStore,
  token: number,
  options: Partial<PruneRequest>,
): Promise<readonly number[]> {
  const removed: number[] = []
  let next: { readonly afterJobId: string | undefined } | undefined = { afterJobId: undefined }
  while (next !== undefined) {
    const bounds = {
      keepRuns: 1e6,
      keepAgeMs: 1e15,
      forgetAgeMs: 1e15,
      followedRevision: 0,
      nowMs: 0,
    }
    const reply = await ledger.tryPrune(
      { lease, token, ...bounds, ...options, ...next },
      patience(),
    )
    assert.equal(reply.kind, 'answered')
    if (reply.kind !== 'answered') break
    removed.push(reply.removed)
    next = reply.next
    assert.ok(removed.length < 100, 'it should come to an end')
  }
  return removed
}
