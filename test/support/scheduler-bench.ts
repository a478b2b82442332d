import type { LogEventName, RunLogger } from '../../src/events.ts'
import { createFence } from '../../src/fencing/fence.ts'
import type { JobRecord, RunRecord } from '../../src/schedule/job.ts'
import { Scheduler } from '../../src/schedule/scheduler.ts'
import { Work } from '../../src/schedule/work.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const fence = createFence({ lease: 'scheduler', fencingToken: 7, assertTrusted: () => {} })

const silent: RunLogger = { debug() {}, info() {}, warn() {}, error() {} }

/** A scheduler on a fake clock, with a term that leads until it is told otherwise. */
export class SchedulerBench {
  readonly clock = new FakeClock()
  readonly lines: { event: LogEventName; fields: Record<string, unknown> }[] = []
  /** The runs that have ended, and those that were called lost. */
  readonly runs: RunRecord[] = []
  readonly lost: RunRecord[] = []
  readonly term = { fencingToken: 7, fence, leads: true, work: new Work() }
  /** What the next draws of randomness are; 0 when none is left. */
  readonly draws: number[] = []
  readonly scheduler = new Scheduler({
    clock: this.clock,
    random: () => this.draws.shift() ?? 0,
    log: (event, fields) => void this.lines.push({ event, fields: { ...fields } }),
    loggerWith: () => silent,
    onRun: (event, run) => {
      if (event === 'run:finished') this.runs.push(run)
      if (event === 'run:lost') this.lost.push(run)
    },
  })

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
