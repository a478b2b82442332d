import type { Retry } from './job-options.ts'
import type { RunRecord } from './job.ts'

/**
 * After how long a tick is tried again whose run has ended, or `undefined` if it is not: only a run
 * that failed by itself is. One that was aborted or timed out was told to end, and what it has left
 * undone is for the next tick; one that was started by hand is the affair of who did that.
 */
export function retryDelayMs(
  { outcome, trigger, attempt }: Pick<RunRecord, 'outcome' | 'trigger' | 'attempt'>,
  { attempts, backoffMs, backoffMaxMs }: Retry,
): number | undefined {
  if (outcome !== 'failed' || trigger !== 'tick' || attempt >= attempts) return undefined
  return Math.min(backoffMs * 2 ** (attempt - 1), backoffMaxMs)
}
