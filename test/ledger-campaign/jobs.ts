import type { JobOptions } from '../../src/index.ts'
import { parseCron } from '../../src/schedule/cron.ts'
import type { LedgerJob } from '../../src/store/ledger-store.ts'
import { Random } from '../chaos/random.ts'

/** A job of the campaign: plain data, so that every instance is given the same. */
export interface CampaignJob {
  readonly id: string
  readonly schedule:
    | { readonly every: number }
    | { readonly cron: string; readonly timeZone: string }
  readonly options: JobOptions<undefined>
  /** How long a run takes. */
  readonly lastsMs: number
  /** A run ends when its signal is aborted; else it ends in its own time. */
  readonly obeys: boolean
  /** So many attempts at each tick fail. */
  readonly failures: number
}

/** What jobs are drawn. */
export interface DrawOptions {
  readonly seed: number
  readonly jobs: number
  /** The longest interval, from 1,000 on, which is the shortest. */
  readonly everyMsMax: number
}

/** Expressions that are due so often, whatever hour it is. */
const expressions: readonly { readonly cron: string; readonly periodMs: number }[] = [
  { cron: '* * * * * *', periodMs: 1_000 },
  { cron: '*/2 * * * * *', periodMs: 2_000 },
  { cron: '1-59/5 * * * * *', periodMs: 5_000 },
  { cron: '*/10 * * * * *', periodMs: 10_000 },
  { cron: '7,22,37,52 * * * * *', periodMs: 15_000 },
  { cron: '13,43 * * * * *', periodMs: 30_000 },
  { cron: '30 * * * * *', periodMs: 60_000 },
]
const timeZones = ['UTC', 'Europe/Berlin', 'Australia/Lord_Howe'] as const

/** The longest time that a run of the campaign takes, so that its end can be waited for. */
const lastsMsMax = 6_000

/** The jobs that a seed draws. */
export function drawJobs({ seed, jobs, everyMsMax }: DrawOptions): CampaignJob[] {
  const random = new Random(seed)
  return Array.from({ length: jobs }, (_, index) => drawJob(`job-${index}`, everyMsMax, random))
}

function drawJob(id: string, everyMsMax: number, random: Random): CampaignJob {
  const everyMs = random.whole(1_000, everyMsMax)
  const [first, ...others] = expressions.filter(({ periodMs }) => periodMs <= everyMsMax)
  const byCron = first !== undefined && random.chance(0.2) && random.pick([first, ...others])
  const periodMs = byCron ? byCron.periodMs : everyMs
  const schedule = byCron
    ? { cron: byCron.cron, timeZone: random.pick(timeZones) }
    : { every: everyMs }
  const overdue = random.pick(['run-once', 'run-once', 'run-all', 'skip'] as const)
  // What runs one after the other must not fall behind for ever.
  const lastsMs =
    overdue === 'run-all' ? random.whole(0, periodMs / 4) : drawLength(periodMs, random)
  const retries = overdue !== 'run-all' && random.chance(0.3)
  const attempts = random.whole(2, 3)
  const backoff = random.whole(100, 1_000)
  const overlap = random.pick(['skip', 'skip', 'queue', { allow: random.whole(2, 3) }] as const)
  const options: JobOptions<undefined> = {
    overdue,
    onCrash: random.pick(['skip', 'rerun']),
    ...(overdue === 'run-all' && overlap === 'queue' ? {} : { overlap }),
    ...(random.chance(0.3) ? { grace: random.whole(500, 10_000) } : {}),
    ...(random.chance(0.2) ? { jitter: random.whole(1, Math.min(2_000, periodMs / 2)) } : {}),
    ...(retries ? { retry: { attempts, backoff } } : {}),
  }
  const failures = retries || random.chance(0.05) ? random.whole(0, attempts) : 0
  return {
    id,
    schedule,
    options,
    lastsMs: Math.min(lastsMs, lastsMsMax),
    obeys: random.chance(0.8),
    failures,
  }
}

/** Most runs are short, some take a while, and a few take longer than it is to the next tick. */
function drawLength(periodMs: number, random: Random): number {
  const chance = random.next()
  if (chance < 0.6) return random.whole(0, 20)
  if (chance < 0.9) return random.whole(100, 800)
  return random.whole(periodMs / 2, 1.5 * periodMs)
}

/** The first tick of a job after an instant, as its schedule and the ledger's anchor have it. */
export function tickAfter(job: CampaignJob, { anchorMs }: LedgerJob, afterMs: number): number {
  const { schedule } = job
  if ('every' in schedule) {
    const passed = Math.max(0, Math.floor((afterMs - anchorMs) / schedule.every))
    return anchorMs + (passed + 1) * schedule.every
  }
  const nextMs = parseCron(schedule.cron, schedule.timeZone).nextMs(Math.max(afterMs, anchorMs))
  if (nextMs === undefined) throw new Error(`${schedule.cron} is always due again`)
  return nextMs
}

/** All ticks that a job has had from its first entry in the ledger to its cursor, ascending. */
export function ticksOf(job: CampaignJob, entry: LedgerJob): number[] {
  const ticks: number[] = []
  const { anchorMs, cursorMs } = entry
  let tickMs = tickAfter(job, entry, anchorMs)
  for (; tickMs <= cursorMs; tickMs = tickAfter(job, entry, tickMs)) ticks.push(tickMs)
  return ticks
}
