import type { JobOptions } from '../../src/schedule/job-options.ts'
import type { Schedule } from '../../src/schedule/schedule.ts'
import { Random } from './random.ts'

/** A job of the application that stands in the ledger. */
export interface LedgerHabits {
  readonly id: string
  /** Its interval; or, of one that goes by the wall clock, every five minutes of that. */
  readonly everyMs: number
  readonly on: 'monotonic' | 'wall'
  readonly options: JobOptions<unknown>
  /** The share of its runs that fail. */
  readonly failing: number
  /** How likely somebody runs it by hand, at each look of a leader. */
  readonly byHand: number
}

/**
 * The remainders, by 16, of the seeds that have jobs in the ledger: every fourth. No seed that was
 * kept before there were such jobs is among them, so that those are what they were.
 */
const remainders: ReadonlySet<number> = new Set([2, 8, 11, 13])

/** Instances disagree by days about the time of day: so no gap has more ticks than are counted. */
const cron = { everyMs: 300_000, expression: '*/5 * * * *' } as const

/** The schedule of such a job. */
export function scheduleOf({ on, everyMs }: LedgerHabits): Schedule {
  return on === 'wall' ? { cron: cron.expression } : { every: everyMs }
}

/** How many runs of such a job may go on at once. */
export function placesOf({ options: { overlap } }: LedgerHabits): number {
  return typeof overlap === 'object' ? overlap.allow : 1
}

/** Draws the jobs of a seed that stand in the ledger, from a stream of their own. */
export function drawLedger(seed: number, ttlMs: number): LedgerHabits[] {
  if (!remainders.has(seed % 16)) return []
  const random = new Random(`ledger ${seed}`)
  const jobs = Array.from({ length: random.whole(1, 3) }, (_, index) => {
    const everyMs = Math.round(ttlMs / random.pick([6, 10, 15]))
    return drawJob(random, { id: `kept ${index + 1}`, everyMs, on: 'monotonic' })
  })
  if (random.chance(0.3)) {
    jobs.push(drawJob(random, { id: 'daily', everyMs: cron.everyMs, on: 'wall' }))
  }
  return jobs
}

function drawJob(
  random: Random,
  timing: Pick<LedgerHabits, 'id' | 'everyMs' | 'on'>,
): LedgerHabits {
  const { everyMs } = timing
  const overdue = random.pick(['run-once', 'run-once', 'run-all', 'skip'] as const)
  const overlap = random.pick([undefined, 'queue', { allow: 2 }] as const)
  // What is late here is late by the fault of somebody.
  const grace = random.pick([undefined, undefined, everyMs * random.pick([1, 4])])
  const retry = { attempts: random.whole(2, 3), backoff: Math.round(everyMs / 4) }
  return {
    ...timing,
    options: {
      overdue,
      onCrash: random.pick(['skip', 'rerun']),
      ...(grace !== undefined && { grace }),
      ...(overlap !== undefined && (overlap !== 'queue' || overdue !== 'run-all') && { overlap }),
      ...(random.chance(0.4) && { retry }),
      ...(random.chance(0.2) && { jitter: Math.round(everyMs / 3) }),
    },
    failing: random.pick([0, 0, 0.3]),
    byHand: random.pick([0, 0.02]),
  }
}
