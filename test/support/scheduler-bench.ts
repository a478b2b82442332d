import type { LogEventName, RunLogger } from '../../src/events.ts'
import { createFence } from '../../src/fencing/fence.ts'
import type { Fence } from '../../src/fencing/fence-client.ts'
import { Bookkeeper, type LedgerPort } from '../../src/schedule/bookkeeper.ts'
import type { JobRecord, RunRecord } from '../../src/schedule/job.ts'
import { Scheduler } from '../../src/schedule/scheduler.ts'
import { Work } from '../../src/schedule/work.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const fence = createFence({ lease: 'scheduler', fencingToken: 7, assertTrusted: () => {} })

const silent: RunLogger = { debug() {}, info() {}, warn() {}, error() {} }

/** How a bench is made. */
export interface SchedulerBenchOptions {
  readonly clock?: FakeClock
  /** Where ticks and runs are written; nowhere unless it is given. */
  readonly ledger?: LedgerPort
  readonly token?: number
}

/** A scheduler on a fake clock, with a term that leads until it is told otherwise. */
export class SchedulerBench {
  readonly clock: FakeClock
  readonly lines: { event: LogEventName; fields: Record<string, unknown> }[] = []
  /** The runs that have ended, and those that were called lost. */
  readonly runs: RunRecord[] = []
  readonly lost: RunRecord[] = []
  readonly abandoned: RunRecord[] = []
  readonly term: { fencingToken: number; fence: Fence; leads: boolean; work: Work }
  /** What the next draws of randomness are; 0 when none is left. */
  readonly draws: number[] = []
  readonly scheduler: Scheduler

  constructor({ clock = new FakeClock(), ledger, token = 7 }: SchedulerBenchOptions = {}) {
    this.clock = clock
    this.term = { fencingToken: token, fence, leads: true, work: new Work() }
    const log = (event: LogEventName, fields: object): void =>
      void this.lines.push({ event, fields: { ...fields } })
    this.scheduler = new Scheduler({
      keep: { runs: 100, ageMs: 7 * 86_400_000 },
      clock,
      random: () => this.draws.shift() ?? 0,
      log,
      loggerWith: () => silent,
      onRun: (event, run) => {
        if (event === 'run:finished') this.runs.push(run)
        if (event === 'run:lost') this.lost.push(run)
        if (event === 'run:abandoned') this.abandoned.push(run)
      },
      openBooks: (term) =>
        ledger &&
        new Bookkeeper({
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
  async pass(ms: number): Promise<void> {
    const steps = ms > 10_000 ? 1 : Math.max(1, Math.ceil(ms / 250))
    for (let step = 0; step < steps; step++) {
      this.clock.advance(ms / steps)
      await settle()
    }
  }

  /** What `records()` says of a job. */
  record(id: string): JobRecord | undefined {
    return this.scheduler.records().find((record) => record.id === id)
  }

  /** The reasons of all ticks and retries that were not run. */
  get skips(): unknown[] {
    return this.logged('run_skipped').map(({ reason }) => reason)
  }

  logged(event: LogEventName): Record<string, unknown>[] {
    return this.lines.filter((line) => line.event === event).map(({ fields }) => fields)
  }
}

/** Lets everything happen that waits for nothing else. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
