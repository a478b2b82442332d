import type { RunClaim, RunEnd } from '../../src/store/ledger-store.ts'

/** The author of all claims of this benchmark. */
export const author = { lease: 'scheduler', token: 1 } as const

/** The id of a job. */
export function jobIdOf(job: number): string {
  return `job-${job}`
}

/** The first attempt at a tick of a job. */
export function claimOf(job: number, tickMs: number): RunClaim {
  return {
    jobId: jobIdOf(job),
    tickMs,
    attempt: 1,
    runId: crypto.randomUUID(),
    trigger: 'tick',
    correlationId: crypto.randomUUID(),
    startedAtMs: tickMs,
    rerun: false,
    follows: undefined,
  }
}

/** The end of a run that succeeded. */
export function endOf({ jobId, tickMs, attempt, runId, trigger }: RunClaim): RunEnd {
  const result = { outcome: 'succeeded', error: undefined, retryAtMs: undefined } as const
  return { jobId, tickMs, attempt, runId, trigger, finishedAtMs: tickMs + 1, ...result }
}
