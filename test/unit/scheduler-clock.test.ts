// Ticks by the wall clock, which anybody may set at any time.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Run } from '../../src/schedule/run.ts'
import { SchedulerBench } from '../support/scheduler-bench.ts'

const minuteMs = 60_000

/** A scheduler that leads, on a clock that begins at midnight of 1 January 2026, UTC. */
class ClockBench {
  readonly #bench = new SchedulerBench().lead()
  readonly clock = this.#bench.clock
  readonly scheduler = this.#bench.scheduler
  readonly term = this.#bench.term
  /** The ticks for which runs have started. */
  readonly ran: string[] = []

  get skipped(): Record<string, unknown>[] {
    return this.#bench.logged('run_skipped')
  }

  schedule(schedule: object): void {
    const handler = (run: Run): void => void this.ran.push(run.scheduledFor.toISOString())
    this.#bench.schedule('a', schedule, handler)
  }

  /** Lets minutes pass one by one, and what is due run. */
  pass(minutes: number): Promise<void> {
    return this.#bench.pass(minutes * minuteMs, minuteMs)
  }

  /** Sets the wall clock to a time of the first days of 2026, such as '02T03:30'. */
  setWall(dayAndTime: string): void {
    this.clock.setWall(Date.parse(`2026-01-${dayAndTime}:00Z`))
  }

  at(...daysAndTimes: string[]): string[] {
    return daysAndTimes.map((dayAndTime) => `2026-01-${dayAndTime}:00.000Z`)
  }
}

describe('a wall clock that is set back', () => {
  test('does not run a tick twice', async () => {
    const bench = new ClockBench()
    bench.schedule({ cron: '0 3 * * *' })
    bench.setWall('01T02:59')
    await bench.pass(2)
    bench.setWall('01T02:30')
    await bench.pass(60)
    assert.deepEqual(bench.ran, bench.at('01T03:00'))
    bench.setWall('02T02:59')
    await bench.pass(2)
    assert.deepEqual(bench.ran, bench.at('01T03:00', '02T03:00'))
  })

  test('does not run it twice in the next term, nor after the same schedule was given again', async () => {
    const bench = new ClockBench()
    bench.schedule({ cron: '*/10 * * * *' })
    await bench.pass(11)
    bench.setWall('01T00:05')
    bench.schedule({ cron: '*/10 * * * *' })
    await bench.pass(7)
    bench.setWall('01T00:05')
    bench.scheduler.end()
    bench.scheduler.begin(bench.term)
    await bench.pass(7)
    assert.deepEqual(bench.ran, bench.at('01T00:10'))
    await bench.pass(10)
    assert.deepEqual(bench.ran, bench.at('01T00:10', '01T00:20'))
  })

  test('does not run an instant twice', async () => {
    const bench = new ClockBench()
    const schedule = { at: '2026-01-01T00:10:00Z' }
    bench.schedule(schedule)
    await bench.pass(11)
    bench.setWall('01T00:05')
    bench.schedule(schedule)
    bench.scheduler.end()
    bench.scheduler.begin(bench.term)
    await bench.pass(30)
    assert.deepEqual(bench.ran, bench.at('01T00:10'))
  })

  test('lets another schedule of the same job begin anew', async () => {
    const bench = new ClockBench()
    bench.schedule({ cron: '*/10 * * * *' })
    await bench.pass(11)
    bench.setWall('01T00:05')
    bench.schedule({ cron: '*/5 * * * *' })
    await bench.pass(6)
    assert.deepEqual(bench.ran, bench.at('01T00:10', '01T00:10'))
  })

  test('does not bother an interval', async () => {
    const bench = new ClockBench()
    bench.schedule({ every: '10m' })
    await bench.pass(10)
    bench.setWall('01T00:00')
    await bench.pass(20)
    assert.equal(bench.ran.length, 3)
  })
})

describe('a wall clock that jumps ahead', () => {
  test('runs the latest tick once, and counts the rest as count', async () => {
    const bench = new ClockBench()
    bench.schedule({ cron: '0 * * * *' })
    bench.setWall('01T05:30')
    await bench.pass(1)
    assert.deepEqual(bench.ran, bench.at('01T05:00'))
    assert.deepEqual(
      bench.skipped.map(({ reason, count }) => ({ reason, count })),
      [{ reason: 'overdue', count: 4 }],
    )
    await bench.pass(30)
    assert.deepEqual(bench.ran, bench.at('01T05:00', '01T06:00'))
  })

  test('runs the latest tick also where there are too many to be counted', async () => {
    for (const [cron, latest] of [
      ['* * * * * *', '09T05:30:01'],
      ['*/2 * 4 * * *', '09T04:59:58'],
      ['* * * * *', '09T05:30:00'],
    ] as const) {
      const bench = new ClockBench()
      bench.schedule({ cron })
      bench.setWall('09T05:30')
      // It looks at the clock when it has expected a tick, or after ten seconds.
      bench.clock.advance(bench.clock.untilNextTimerMs ?? 0)
      assert.deepEqual(bench.ran, [`2026-01-${latest}.000Z`], cron)
      assert.equal(bench.skipped[0]?.['count'], 1_000)
    }
  })

  test('over a single tick runs it, and nothing was count', async () => {
    const bench = new ClockBench()
    bench.schedule({ cron: '0 3 * * *' })
    bench.setWall('01T09:00')
    await bench.pass(1)
    assert.deepEqual(bench.ran, bench.at('01T03:00'))
    assert.deepEqual(bench.skipped, [])
  })

  test('and is set right again does not run what it has run', async () => {
    const bench = new ClockBench()
    bench.schedule({ cron: '0 * * * *' })
    bench.setWall('01T05:30')
    await bench.pass(1)
    bench.setWall('01T00:30')
    await bench.pass(5 * 60)
    assert.deepEqual(bench.ran, bench.at('01T05:00'))
    await bench.pass(60)
    assert.deepEqual(bench.ran, bench.at('01T05:00', '01T06:00'))
  })
})
