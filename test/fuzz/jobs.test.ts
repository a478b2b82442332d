// What an application does with its jobs, in any order and with any options: runs overlap only as far
// as that is allowed, none starts without a term, no tick has more attempts than it may, whatever is
// wrong has its code, and nothing is left behind.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { createFence } from '../../src/fencing/fence.ts'
import { TenureError, type Run } from '../../src/index.ts'
import { Work } from '../../src/schedule/work.ts'
import { SchedulerBench, settle } from '../support/scheduler-bench.ts'

const constant = <const Value>(value: Value): fc.Arbitrary<Value> => fc.constant(value)
const id = fc.constantFrom('a', 'b', 'c', '__proto__')

/** What happens to the jobs. */
type Step =
  | {
      readonly do: 'schedule'
      readonly id: string
      readonly schedule: object
      readonly options: object
    }
  | { readonly do: 'remove' | 'pause' | 'resume' | 'run'; readonly id: string }
  | { readonly do: 'finish'; readonly which: number; readonly fails: boolean }
  | { readonly do: 'advance' | 'freeze' | 'set wall'; readonly ms: number }
  | { readonly do: 'begin' | 'end' | 'soft stop' }

const instant = fc.nat(60_000).map((ms) => new Date(Date.UTC(2026, 0, 1) + ms))
const schedule = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 10, max: 2_000 }).map((every) => ({ every })) },
  {
    weight: 3,
    arbitrary: fc.record(
      {
        every: fc.integer({ min: 100, max: 5_000 }),
        mode: fc.constantFrom('fixed-rate', 'after-finish', 'after-finish', 'x'),
        startAt: instant,
        endAt: instant,
      },
      { requiredKeys: ['every'] },
    ),
  },
  fc.record(
    { cron: constant('*/3 * * * * *'), startAt: instant, endAt: instant },
    { requiredKeys: ['cron'] },
  ),
  fc.constantFrom({ cron: '* * * * * *' }, { cron: '*/7 * * * * *' }, { cron: '0 3 * * *' }),
  fc.nat(20_000).map((ms) => ({ at: new Date(Date.UTC(2026, 0, 1) + ms) })),
  constant({ cron: 'x' }),
)
/** Mostly what is right together, because a job that is refused shows little. */
const options = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        timeout: fc.constantFrom(0, 500, '5s'),
        jitter: fc.constantFrom(0, 5, 50),
        overlap: fc.constantFrom('skip', 'queue', 'queue', { allow: 2 }, { allow: 3 }),
        retry: fc.constantFrom(
          { attempts: 3, backoff: 0 },
          { attempts: 2, backoff: 700 },
          { attempts: 4, backoff: 100, backoffMax: 250 },
        ),
        onConflict: fc.constantFrom('replace', 'replace', 'keep', 'keep', 'error'),
      },
      { requiredKeys: [] },
    ),
  },
  fc.record({ timeout: constant(100), timeoutGrace: fc.constantFrom(0, 300, '1s') }),
  fc.record(
    {
      timeoutGrace: constant('1s'),
      jitter: fc.constantFrom('2s', '1h', 'x'),
      overlap: fc.constantFrom({ allow: 0 }, 'x'),
      retry: fc.constantFrom({ attempts: 0 }, { attempts: 2, backoff: 2, backoffMax: 1 }),
      onConflict: constant('x'),
    },
    { requiredKeys: [] },
  ),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: constant('schedule'), id, schedule, options }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('remove', 'pause', 'resume', 'run', 'run'), id }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: constant('finish'),
      which: fc.nat(5),
      fails: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('advance', 'advance', 'freeze'),
      ms: fc.nat(4_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: constant('set wall'), ms: fc.integer({ min: -1e7, max: 1e7 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('begin', 'begin', 'begin', 'end', 'soft stop') }),
  },
)

interface Going {
  readonly run: Run
  readonly settle: (fails: boolean) => void
}

/** What the options of a job allow, as its handler was scheduled with them. */
interface Allowed {
  readonly overlap?: 'skip' | 'queue' | { readonly allow: number }
}

/** A scheduler on a fake clock, and what its handlers do: each goes on until it is told to end. */
class JobsBench {
  readonly #bench = new SchedulerBench({ random: () => this.#random() })
  readonly clock = this.#bench.clock
  readonly scheduler = this.#bench.scheduler
  /** The runs that have ended. */
  readonly records = this.#bench.runs
  readonly going: Going[] = []
  readonly faults: string[] = []
  starts = 0
  retries = 0
  #draws = 0
  /** The term that was begun, until it is ended; it may have lost its trust before. */
  term: { leads: boolean; readonly work: Work } | undefined

  take(step: Step): void {
    const { scheduler, clock } = this
    switch (step.do) {
      case 'schedule':
        return scheduler.schedule(
          step.id,
          step.schedule,
          (run: Run) => this.#handle(run, step.options),
          step.options,
        )
      case 'remove':
        return scheduler.remove(step.id)
      case 'pause':
      case 'resume':
        return scheduler.setPaused(step.id, step.do === 'pause')
      case 'run':
        return void scheduler.runNow(step.id, undefined).catch(assertIsOurs)
      case 'finish':
        return this.going.splice(step.which % this.going.length, 1)[0]?.settle(step.fails)
      case 'set wall':
        return clock.setWall(clock.wallMs() + step.ms)
      case 'advance':
      case 'freeze':
        return clock[step.do](step.ms)
      case 'begin': {
        // A term begins when the last one is over.
        this.#end()
        const fence = createFence({ lease: 'x', fencingToken: 1, assertTrusted: () => {} })
        const term = { fencingToken: 1, leads: true, work: new Work(), fence }
        this.term = term
        return scheduler.begin(term)
      }
      case 'end':
        return this.#end()
      case 'soft stop':
        if (this.term !== undefined) this.term.leads = false
    }
  }

  #end(): void {
    this.term = undefined
    this.scheduler.end()
  }

  /** Any numbers below 1, the greatest among them, the same for the same steps. */
  #random(): number {
    return this.#draws++ % 3 === 0 ? 1 - Number.EPSILON / 2 : (this.#draws * 0.37) % 1
  }

  #handle(run: Run, { overlap = 'skip' }: Allowed): Promise<void> {
    // What a handler throws is its own affair, and would not be seen here.
    if (!this.term?.leads) this.faults.push(`${run.jobId} starts without a term`)
    const others = this.going.filter((other) => other.run.jobId === run.jobId).length
    const allowed = typeof overlap === 'string' ? 1 : overlap.allow
    if (others >= allowed) this.faults.push(`runs of ${run.jobId} overlap`)
    // A tick that is tried again may have been scheduled with other options meanwhile.
    if (run.attempt > 4) this.faults.push(`${run.jobId} is tried for the ${run.attempt}th time`)
    if (run.attempt > 1) this.retries++
    run.progress(0.5, `attempt ${run.attempt}`)
    this.starts++
    return new Promise((resolve, reject) => {
      const settle = (fails: boolean): void => (fails ? reject(new Error('failed')) : resolve())
      this.going.push({ run, settle })
    })
  }

  /** What has to hold at every moment. */
  check(): void {
    assert.deepEqual(this.faults, [])
    const nowMs = this.clock.wallMs()
    for (const record of this.scheduler.records()) {
      assert.equal(
        record.running,
        this.going.some(({ run }) => run.jobId === record.id),
      )
      const { nextTickAtMs } = record
      if (nextTickAtMs === undefined) continue
      assert.ok(this.term !== undefined && !record.paused && Number.isFinite(nextTickAtMs))
      if (record.retryAtMs !== undefined) assert.ok(Number.isFinite(record.retryAtMs))
      const { schedule } = record
      // What was due while nothing could run is due now.
      // An interval of 5 s at most, its jitter, and what is left to its `startAt` by a wall clock that is set.
      const waits = / from /.test(schedule)
      if (schedule.startsWith('every') && !waits) assert.ok(nextTickAtMs < nowMs + 10_001, schedule)
    }
    assert.ok(this.scheduler.recentRuns.length <= 50)
  }
}

function assertIsOurs(error: unknown): void {
  assert.ok(error instanceof TenureError, String(error))
  assert.match(
    error.code,
    /^TENURE_ERR_(SCHEDULE|DURATION|OPTION_(TYPE|RELATION)|JOB_(EXISTS|UNKNOWN|RUNNING)|NOT_LEADER)$/,
  )
}

describe('what is done with jobs', () => {
  test('in any order neither makes too many runs overlap, nor start without a term, nor leaves a timer', async () => {
    let starts = 0
    let retries = 0
    const property = fc.asyncProperty(
      fc.array(step, { maxLength: 60, size: 'max' }),
      async (steps) => {
        const bench = new JobsBench()
        for (const step of [{ do: 'begin' } as const, ...steps]) {
          try {
            bench.take(step)
          } catch (error) {
            assertIsOurs(error)
          }
          await settle()
          bench.check()
        }
        bench.take({ do: 'end' })
        for (const { settle } of bench.going.splice(0)) settle(false)
        await settle()
        bench.check()
        assert.equal(bench.records.length, bench.starts)
        assert.equal(bench.clock.timers, 0)
        starts += bench.starts
        retries += bench.retries
      },
    )
    await fc.assert(property, { numRuns: 600 })
    assert.ok(starts > 150 && retries > 10, `${starts} runs, ${retries} retries: nothing was shown`)
  })
})
