import { readFileSync } from 'node:fs'

import { type Clock, limitTime, sleep } from '../clock.ts'
import { backoffMs } from '../lease/backoff.ts'
import type { LeaseReading, LeaseStore } from '../store/lease-store.ts'
import type { Held } from './witness-pipe.ts'

/** The pauses between two looks: short at first, because milliseconds count here. */
const pauseTimes = { baseMs: 2, maxMs: 1_000 } as const

/** What a release by the witness is made of. */
export interface ReleaseDeps {
  readonly store: LeaseStore
  readonly lease: string
  readonly clock: Clock
  /** Whether the process has ended whose lease this is. */
  readonly hasEnded: () => boolean
}

/** What came of it; `given-up`: by now the lease has expired. */
export type ReleaseOutcome = 'released' | 'not-held' | 'given-up'

/**
 * Releases exactly what a process held that has ended: this holder's lease with this token. Where the
 * token is not known, because its acquisition was under way, the record tells it, if it is this
 * holder's; for a while, because the statement may still be on its way.
 *
 * A store that fails is asked again until the lease has expired.
 */
export async function releaseHeld(held: Held, deps: ReleaseDeps): Promise<ReleaseOutcome> {
  const { clock, hasEnded } = deps
  const startedMs = clock.monotonicMs()
  for (let tries = 1; ; tries++) {
    // The pipe has ended; but who leads is not to hang on that alone.
    const outcome = hasEnded() ? await attempt(held, deps) : 'failed'
    const passedMs = clock.monotonicMs() - startedMs
    if (outcome === 'released') return outcome
    const isOnItsWay = held.token === undefined && passedMs < attemptMsMax(held)
    if (outcome === 'not-held' && !isOnItsWay) return outcome
    if (passedMs >= held.ttlMs) return 'given-up'
    await sleep(clock, backoffMs(tries, pauseTimes, Math.random), new AbortController().signal)
  }
}

/** No attempt of an instance may last longer than this: see the relations of the options. */
function attemptMsMax({ ttlMs }: Held): number {
  return ttlMs / 3
}

/** One release, of what the record tells if the token is not known. */
async function attempt(
  held: Held,
  { store, lease, clock }: ReleaseDeps,
): Promise<'released' | 'not-held' | 'failed'> {
  const { holder, token } = held
  const controller = new AbortController()
  const timer = clock.setTimer(attemptMsMax(held), () => controller.abort())
  const signal = limitTime(controller.signal, clock, attemptMsMax(held))
  try {
    const known = token ?? tokenOf(holder, await store.read(lease, signal))
    if (known === undefined) return 'not-held'
    const ended = { lease, holder, token: known, reason: 'crashed' } as const
    return (await store.tryRelease(ended, signal)).kind
  } catch {
    // Nobody is left to tell; the history will show whether one of the next attempts succeeded.
    return 'failed'
  } finally {
    timer.cancel()
  }
}

function tokenOf(holder: string, { record }: LeaseReading): number | undefined {
  return record?.holder === holder ? record.token : undefined
}

/**
 * Whether a process has ended, as far as the system tells. The process that has ended, but nobody has
 * asked about (`Z` in proc(5)), has.
 */
export function hasEnded(pid: number): boolean {
  // Elsewhere nothing tells the living from those that nobody has asked about: the pipe decides.
  if (process.platform !== 'linux') return true
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return /^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1))
  } catch {
    return true
  }
}
