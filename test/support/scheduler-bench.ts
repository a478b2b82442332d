import type { RunLogger } from '../../src/events.ts'
import { createFence } from '../../src/fencing/fence.ts'
import type { Fence } from '../../src/fencing/fence-client.ts'
import { LedgerWriter } from '../../src/schedule/ledger-writer.ts'
import type { LedgerPort } from '../../src/store/ledger/verbs.ts'
import type { JobRecord } from '../../src/schedule/job.ts'
import type { RunRecord } from '../../src/schedule/run.ts'
import { Scheduler } from '../../src/schedule/scheduler.ts'
import { Work } from '../../src/schedule/work.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { Bench } from './bench.ts'

export { settle } from './bench.ts'

const fence = createFence({ lease: 'scheduler', fencingToken: 7, assertTrusted: () => {} })

const silent: RunLogger = { debug() {}, info() {}, warn() {}, error() {} }

/** How a bench is made. */
export interface SchedulerBenchOptions {
  readonly clock?: FakeClock
  /** Where ticks and runs are written; nowhere unless it is given. */
  readonly ledger?: Omit<LedgerPort, 'readSchedules'>
  readonly token?: number
  /** @default what `draws` says, and 0 */
  readonly random?: () => number
}

/** A scheduler on a fake clock, with a term that leads until it is told otherwise. */
export class SchedulerBench extends Bench {
  /** The runs that have ended, and those that were called lost. */
  readonly runs: RunRecord[] = []
  readonly lost: RunRecord[] = []
  readonly abandoned: RunRecord[] = []
  readonly term: { fencingToken: number; fence: Fence; leads: boolean; work: Work }
  /** What the next draws of randomness are; 0 when none is left. */
  readonly draws: number[] = []
  readonly scheduler: Scheduler

  constructor(options: SchedulerBenchOptions = {}) {
    super(options.clock)
    const { ledger, token = 7, random = () => this.draws.shift() ?? 0 } = options
    const { clock, log } = this
    this.term = { fencingToken: token, fence, leads: true, work: new Work() }
    this.scheduler = new Scheduler({
      history: { runs: 100, ageMs: 7 * 86_400_000 },
      clock,
      random,
      log,
      loggerWith: () => silent,
      onRun: (event, run) => {
        if (event === 'run:finished') this.runs.push(run)
        if (event === 'run:lost') this.lost.push(run)
        if (event === 'run:abandoned') this.abandoned.push(run)
      },
      ledgerOf: (term) =>
        ledger &&
        new LedgerWriter({
          port: ledger,
          clock,
          lease: 'scheduler',
          token: term.fencingToken,
          leads: () => term.leads,
          onFault: (error, retryMs) => log('ledger_failed', { error, retryMs }),
        }),
    })
  }

  lead(): this {
    this.scheduler.begin(this.term)
    return this
  }

  schedule(id: string, schedule: unknown, handler: unknown = () => {}, options: object = {}): void {
    this.scheduler.schedule(id, schedule, handler, options)
  }

  /** Lets time pass, and what is due then run as far as it can without time. */
  override pass(ms: number, stepMs: number = ms > 10_000 ? ms : 250): Promise<void> {
    return super.pass(ms, stepMs)
  }

  /** What `records()` says of a job. */
  record(id: string): JobRecord | undefined {
    return this.scheduler.records().find((record) => record.id === id)
  }

  /** The reasons of all ticks and retries that were not run. */
  get skips(): unknown[] {
    return this.logged('run_skipped').map(({ reason }) => reason)
  }
}
