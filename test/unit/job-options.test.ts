// The options of a job, one by one, on a fake clock.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Run, RunRecord } from '../../src/schedule/run.ts'
import { SchedulerBench, settle } from '../support/scheduler-bench.ts'

/** A handler whose runs go on until they are told to end. */
class Runs {
  readonly going: { run: Run; end: (error?: Error) => void }[] = []
  started = 0
  most = 0

  readonly handler = (run: Run): Promise<void> => {
    this.started++
    return new Promise((resolve, reject) => {
      const going = {
        run,
        end: (error?: Error): void => {
          this.going.splice(this.going.indexOf(going), 1)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      this.going.push(going)
      this.most = Math.max(this.most, this.going.length)
    })
  }

  /** Ends the oldest run. */
  async end(error?: Error): Promise<void> {
    this.going[0]?.end(error)
    await settle()
  }
}

const failure = new Error('failed on purpose')
const fail = (): never => {
  throw failure
}
const startMs = 1_767_225_600_000

describe('a fixed delay', () => {
  test('has each tick so long after the end of the last run, however long that took', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s', mode: 'after-finish' }, runs.handler)
    await bench.pass(1_000)
    assert.equal(runs.started, 1)
    assert.equal(bench.record('a')?.nextTickAtMs, undefined, 'nobody knows when it will end')
    await bench.pass(7_300)
    await runs.end()
    assert.equal(bench.record('a')?.nextTickAtMs, startMs + 9_300)
    await bench.pass(999)
    assert.equal(runs.started, 1)
    await bench.pass(1)
    assert.equal(runs.started, 2)
    assert.deepEqual(bench.skips, [])
  })

  test('is counted from the end of a run by hand, too, and of the last of its attempts', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    const retry = { attempts: 2, backoff: '3s' }
    bench.schedule('a', { every: '10s', mode: 'after-finish' }, runs.handler, { retry })
    await bench.pass(5_000)
    const byHand = bench.scheduler.runNow('a', undefined)
    await bench.pass(6_000)
    assert.equal(runs.started, 1, 'no tick is due while a run goes on')
    await runs.end()
    await byHand
    await bench.pass(10_000)
    assert.equal(runs.started, 2)
    await runs.end(failure)
    await bench.pass(3_000)
    assert.equal(runs.started, 3)
    await runs.end(failure)
    await bench.pass(9_750)
    assert.equal(runs.started, 3)
    await bench.pass(250)
    assert.equal(runs.started, 4)
  })

  test('is late once after a block, and has missed nothing', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: '1s', mode: 'after-finish' }, () => void runs++)
    bench.clock.freeze(5_000)
    await bench.pass(0)
    assert.equal(runs, 1)
    assert.deepEqual(bench.skips, [])
  })

  test('goes on in the next term, also where its run outlasted the last', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s', mode: 'after-finish' }, runs.handler)
    await bench.pass(1_000)
    bench.scheduler.end()
    bench.lead()
    await bench.pass(5_000)
    assert.equal(runs.started, 1)
    await runs.end()
    await bench.pass(1_000)
    assert.equal(runs.started, 2)
  })

  test('lets its ticks pass while it is paused', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: '1s', mode: 'after-finish' }, () => void runs++)
    bench.scheduler.setPaused('a', true)
    await bench.pass(3_500)
    assert.equal(runs, 0)
    bench.scheduler.setPaused('a', false)
    await bench.pass(500)
    assert.equal(runs, 1)
  })
})

describe('jitter', () => {
  test('delays each tick by less than it, at random, and moves no tick', async () => {
    const bench = new SchedulerBench()
    bench.draws.push(0.5, 0, 0.999)
    const at: number[] = []
    const scheduledFor: number[] = []
    const handler = (run: Run): void => {
      at.push(bench.clock.wallMs() - startMs)
      scheduledFor.push(run.scheduledFor.getTime() - startMs)
    }
    bench.schedule('a', { every: '10s' }, handler, { jitter: '4s' })
    bench.lead()
    assert.equal(bench.record('a')?.nextTickAtMs, startMs + 12_000)
    for (let i = 0; i < 39; i++) await bench.pass(1_000)
    assert.deepEqual(at, [12_000, 20_000, 33_996])
    assert.deepEqual(scheduledFor, [10_000, 20_000, 30_000])
  })

  test('of a cron expression never reaches the next tick, however long it is', async () => {
    const bench = new SchedulerBench().lead()
    bench.draws.push(...Array.from({ length: 20 }, () => 1 - Number.EPSILON / 2))
    const late: number[] = []
    const handler = (run: Run): void => {
      late.push(bench.clock.wallMs() - run.scheduledFor.getTime())
    }
    bench.schedule('a', { cron: '0,10 * * * * *' }, handler, { jitter: '1h' })
    for (let i = 0; i < 120; i++) await bench.pass(1_000)
    assert.deepEqual(late, [49_999, 9_999, 49_999])
    assert.deepEqual(bench.skips, [])
  })

  test('also delays an instant', async () => {
    const bench = new SchedulerBench().lead()
    bench.draws.push(0.5)
    let runs = 0
    const at = new Date(startMs + 5_000)
    bench.schedule('a', { at }, () => void runs++, { jitter: '2s' })
    await bench.pass(5_999)
    assert.equal(runs, 0)
    await bench.pass(1)
    assert.equal(runs, 1)
    await bench.pass(60_000)
    assert.equal(runs, 1)
  })

  test('is no reason to miss ticks in a block: the latest runs at once', async () => {
    const bench = new SchedulerBench().lead()
    bench.draws.push(0.9, 0.9, 0.9)
    const scheduledFor: number[] = []
    const handler = (run: Run): void => void scheduledFor.push(+run.scheduledFor - startMs)
    bench.schedule('a', { every: '10s' }, handler, { jitter: '9s' })
    bench.clock.freeze(31_000)
    await bench.pass(0)
    assert.deepEqual(scheduledFor, [30_000])
    assert.equal(bench.logged('run_skipped')[0]?.['count'], 2)
  })
})

describe('overlap', () => {
  test('that queues has one tick wait, the latest, and skips the others', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s' }, runs.handler, { overlap: 'queue' })
    await bench.pass(4_500)
    assert.equal(runs.started, 1)
    const skipped = bench.logged('run_skipped').map((line) => line['scheduledFor'])
    assert.deepEqual(skipped, [
      new Date(startMs + 2_000).toISOString(),
      new Date(startMs + 3_000).toISOString(),
    ])
    assert.deepEqual(bench.skips, ['queue', 'queue'])
    await runs.end()
    assert.equal(runs.started, 2)
    assert.equal(runs.most, 1)
    assert.equal(+(runs.going[0]?.run.scheduledFor ?? 0), startMs + 4_000)
    await runs.end()
    assert.equal(runs.started, 2, 'nothing else has waited')
    await bench.pass(500)
    assert.equal(runs.started, 3)
  })

  test('that is allowed runs so many at once, and skips what is beyond', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s' }, runs.handler, { overlap: { allow: 3 } })
    await bench.pass(5_000)
    assert.equal(runs.going.length, 3)
    assert.deepEqual(bench.skips, ['limit', 'limit'])
    await assert.rejects(bench.scheduler.runNow('a', undefined), { code: 'TENURE_ERR_JOB_RUNNING' })
    await runs.end()
    await bench.pass(1_000)
    assert.equal(runs.going.length, 3)
    assert.equal(runs.most, 3)
  })

  test('of several runs the one that was started last is the last run', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s' }, runs.handler, { overlap: { allow: 2 } })
    await bench.pass(2_000)
    runs.going[0]?.run.progress(0.5)
    await runs.end()
    assert.equal(bench.record('a')?.lastRun?.scheduledForMs, startMs + 2_000)
    assert.equal(bench.record('a')?.running, true)
    await runs.end()
    assert.equal(bench.record('a')?.running, false)
    assert.equal(bench.record('a')?.lastRun?.outcome, 'succeeded')
  })

  test('a tick that waits goes with its term, and with its job', async () => {
    const bench = new SchedulerBench()
    const runs = new Runs()
    for (const [give, reason] of [
      [() => bench.scheduler.end(), 'term-ended'],
      [() => bench.scheduler.remove('a'), 'removed'],
      [() => bench.schedule('a', { every: '1h' }, runs.handler), 'replaced'],
    ] as const) {
      bench.lines.length = 0
      bench.lead()
      bench.schedule('a', { every: '1s' }, runs.handler, { overlap: 'queue' })
      const { started } = runs
      await bench.pass(2_000)
      assert.equal(runs.started, started + 1)
      give()
      assert.deepEqual(bench.skips, [reason])
      await runs.end()
      assert.equal(runs.started, started + 1, reason)
      bench.scheduler.end()
      assert.equal(bench.clock.timers, 0)
    }
  })

  test('a tick that waits is not run while its job is paused, or once the term leads no more', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s' }, runs.handler, { overlap: 'queue' })
    await bench.pass(2_000)
    bench.scheduler.setPaused('a', true)
    await runs.end()
    assert.deepEqual(bench.skips, ['paused'])
    bench.scheduler.setPaused('a', false)
    await bench.pass(2_000)
    bench.term.leads = false
    await runs.end()
    assert.deepEqual(bench.skips, ['paused', 'term-ended'])
    assert.equal(runs.started, 2)
  })
})

describe('retry', () => {
  test('tries a tick that failed again, after a delay that doubles up to its bound', async () => {
    const bench = new SchedulerBench().lead()
    const seen: number[][] = []
    const handler = (run: Run): never => {
      seen.push([run.attempt, bench.clock.wallMs() - startMs, +run.scheduledFor - startMs])
      throw failure
    }
    const retry = { attempts: 5, backoff: '1s', backoffMax: '3s' }
    bench.schedule('a', { every: '1m' }, handler, { retry })
    await bench.pass(60_000)
    assert.equal(bench.record('a')?.retryAtMs, startMs + 61_000)
    for (let i = 0; i < 30; i++) await bench.pass(1_000)
    assert.deepEqual(seen, [
      [1, 60_000, 60_000],
      [2, 61_000, 60_000],
      [3, 63_000, 60_000],
      [4, 66_000, 60_000],
      [5, 69_000, 60_000],
    ])
    assert.deepEqual(
      bench.runs.map(({ attempt, outcome }) => [attempt, outcome]),
      [1, 2, 3, 4, 5].map((attempt) => [attempt, 'failed']),
    )
    const ids = (name: 'id' | 'correlationId'): number =>
      new Set(bench.runs.map((r) => r[name])).size
    assert.deepEqual([ids('id'), ids('correlationId')], [5, 1])
    assert.deepEqual(
      bench.logged('run_retry').map(({ attempt, retryMs }) => [attempt, retryMs]),
      [
        [2, 1_000],
        [3, 2_000],
        [4, 3_000],
        [5, 3_000],
      ],
    )
    assert.equal(bench.record('a')?.retryAtMs, undefined)
  })

  test('ends with the first attempt that succeeds; the next tick begins at 1 again', async () => {
    const bench = new SchedulerBench().lead()
    const attempts: number[] = []
    const handler = (run: Run): void => {
      attempts.push(run.attempt)
      if (attempts.length === 1) fail()
    }
    bench.schedule('a', { every: '10s' }, handler, { retry: { attempts: 3 } })
    for (let i = 0; i < 21; i++) await bench.pass(1_000)
    assert.deepEqual(attempts, [1, 2, 1])
  })

  test('keeps the place of its tick: the next one is skipped, or waits, or has another place', async () => {
    for (const [overlap, started, skips] of [
      ['skip', 2, 4],
      ['queue', 2, 3],
      [{ allow: 2 }, 6, 0],
    ] as const) {
      const bench = new SchedulerBench().lead()
      const runs = new Runs()
      const handler = (run: Run): unknown => {
        const first = runs.started === 0
        const running = runs.handler(run)
        if (first) runs.going[0]?.end(failure)
        else if (run.attempt === 1) runs.going.find((going) => going.run === run)?.end()
        return running
      }
      const retry = { attempts: 2, backoff: '4500ms' }
      bench.schedule('a', { every: '1s' }, handler, { overlap, retry })
      await bench.pass(5_500)
      assert.equal(runs.going.length, 1, 'the second attempt of the first tick')
      assert.equal(runs.going[0]?.run.attempt, 2)
      assert.equal(runs.started, started)
      assert.equal(bench.skips.length, skips)
    }
  })

  test('is not for a run that timed out, was aborted, or was started by hand', async () => {
    const bench = new SchedulerBench().lead()
    const stopped = (run: Run): Promise<void> =>
      new Promise((_resolve, reject) => {
        run.signal.addEventListener('abort', () => reject(failure))
      })
    const retry = { attempts: 3, backoff: 0 }
    bench.schedule('slow', { every: '1s' }, stopped, { retry, timeout: '100ms' })
    await bench.pass(1_500)
    bench.scheduler.remove('slow')
    bench.schedule('aborted', { every: '1s' }, stopped, { retry })
    await bench.pass(1_000)
    bench.term.work.abortAll(new Error('the term has ended'))
    await settle()
    bench.scheduler.remove('aborted')
    bench.schedule('manual', { every: '1h' }, fail, { retry })
    assert.equal((await bench.scheduler.runNow('manual', undefined)).outcome, 'failed')
    await bench.pass(10_000)
    assert.deepEqual(
      bench.runs.map(({ outcome, attempt }) => [outcome, attempt]),
      [
        ['timed-out', 1],
        ['aborted', 1],
        ['failed', 1],
      ],
    )
    assert.equal(bench.logged('run_retry').length, 0)
  })

  test('does not start once the term leads no more, and not in the next term', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { at: new Date(startMs + 1_000) }, fail, { retry: { attempts: 9 } })
    await bench.pass(1_000)
    assert.equal(bench.runs.length, 1)
    bench.term.leads = false
    await bench.pass(1_000)
    assert.equal(bench.runs.length, 1, 'its trust has run out, and nobody has said so yet')
    assert.deepEqual(bench.skips, ['term-ended'])
    assert.equal(bench.logged('run_skipped')[0]?.['attempt'], 2)
    bench.term.leads = true
    bench.schedule('b', { at: new Date(startMs + 3_000) }, fail, { retry: { attempts: 9 } })
    await bench.pass(1_000)
    assert.equal(bench.runs.length, 2)
    bench.scheduler.end()
    assert.equal(bench.clock.timers, 0)
    bench.lead()
    await bench.pass(9_000)
    assert.equal(bench.runs.length, 2)
  })

  test('of a run that fails in the next term is none of that term', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s' }, runs.handler, { retry: { attempts: 3 } })
    await bench.pass(1_000)
    bench.scheduler.end()
    bench.scheduler.begin({ ...bench.term, fencingToken: 8 })
    await runs.end(failure)
    assert.equal(bench.logged('run_retry').length, 0)
  })

  test('is given up with its job, and while that is paused', async () => {
    const bench = new SchedulerBench().lead()
    const options = { retry: { attempts: 9 } }
    const once = (afterMs: number): object => ({ at: new Date(bench.clock.wallMs() + afterMs) })
    bench.schedule('paused', once(1_000), fail, options)
    bench.schedule('removed', once(1_000), fail, options)
    bench.schedule('replaced', once(1_000), fail, options)
    await bench.pass(1_000)
    bench.scheduler.setPaused('paused', true)
    bench.scheduler.remove('removed')
    bench.schedule('replaced', { every: '1h' })
    await bench.pass(9_000)
    assert.equal(bench.runs.length, 3)
    assert.deepEqual(bench.skips, ['removed', 'replaced', 'paused'])
    assert.equal(bench.clock.timers, 1, 'the timer of the next tick')
  })

  test('may wait for longer than a timer of Node.js does', async () => {
    const bench = new SchedulerBench().lead()
    const retry = { attempts: 2, backoff: '30d' }
    bench.schedule('a', { at: new Date(startMs + 1_000) }, fail, { retry })
    await bench.pass(1_000)
    await bench.pass(30 * 86_400_000 - 1)
    assert.equal(bench.runs.length, 1)
    await bench.pass(1)
    assert.equal(bench.runs.length, 2)
  })
})

describe('a run that ignores its timeout', () => {
  test('is called lost after the grace, and still counts as running until it ends', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    const options = { timeout: '1s', timeoutGrace: '2s', retry: { attempts: 3, backoff: 0 } }
    bench.schedule('a', { every: '10s' }, runs.handler, options)
    await bench.pass(10_000)
    await bench.pass(2_750)
    assert.equal(bench.record('a')?.lastRun?.outcome, 'running')
    await bench.pass(250)
    const lost = bench.record('a')
    assert.equal(lost?.lastRun?.outcome, 'lost')
    assert.match(String(lost?.lastRun?.error), /2s after its timeout/)
    assert.equal(lost?.lastRun?.finishedAtMs, undefined)
    assert.equal(lost?.running, true)
    assert.equal(bench.scheduler.recentRuns[0]?.outcome, 'lost')
    assert.equal(bench.logged('run_lost').length, 1)
    assert.equal(bench.lost.length, 1)
    assert.deepEqual(bench.term.work.names, ['a'], 'the lease is not released while it runs')
    await bench.pass(10_000)
    assert.deepEqual(bench.skips, ['overlap'])
    assert.equal(runs.started, 1)
    assert.equal(bench.runs.length, 0)
    await runs.end(failure)
    assert.equal(bench.runs[0]?.outcome, 'lost')
    assert.equal(bench.runs[0]?.error, 'failed on purpose')
    assert.equal(bench.runs[0]?.finishedAtMs, bench.clock.wallMs())
    assert.equal(bench.scheduler.recentRuns.length, 1, 'one run has one record')
    assert.equal(bench.record('a')?.running, false)
    await bench.pass(7_000)
    assert.equal(runs.started, 2, 'the next tick, and no retry')
  })

  test('ends as timed out within the grace, and leaves no timer behind', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1h' }, runs.handler, { timeout: '1s' })
    const run = bench.scheduler.runNow('a', undefined)
    await bench.pass(1_000)
    await bench.pass(9_999)
    await runs.end()
    assert.equal((await run).outcome, 'timed-out')
    assert.equal(bench.clock.timers, 1, 'the timer of the next tick')
    assert.equal(bench.logged('run_lost').length, 0)
  })

  test('is told to who started it by hand when it is lost, and not only if it ever ends', async () => {
    const bench = new SchedulerBench().lead()
    const never = (): Promise<void> => new Promise(() => {})
    bench.schedule('a', { every: '1h' }, never, { timeout: '1s', timeoutGrace: 0 })
    const run = bench.scheduler.runNow('a', undefined)
    await bench.pass(1_000)
    assert.equal(bench.lost.length, 1)
    assert.equal((await run).outcome, 'lost')
  })
})

describe('startAt and endAt', () => {
  const at = (ms: number): string => new Date(startMs + ms).toISOString()

  /** When the ticks of a schedule are, within a minute. */
  async function ticksOf(schedule: object): Promise<number[]> {
    const bench = new SchedulerBench().lead()
    const ticks: number[] = []
    bench.schedule('a', schedule, (run: Run) => void ticks.push(+run.scheduledFor - startMs))
    for (let i = 0; i < 60; i++) await bench.pass(1_000)
    assert.deepEqual(bench.skips, [])
    assert.equal(bench.record('a')?.nextTickAtMs !== undefined, !('endAt' in schedule))
    return ticks
  }

  test('bound the ticks of an interval, whose first is at startAt', async () => {
    const bounds = { startAt: at(15_000), endAt: at(35_000) }
    assert.deepEqual(await ticksOf({ every: '10s', ...bounds }), [15_000, 25_000, 35_000])
    const early = { startAt: new Date(startMs - 3_000), endAt: at(26_999) }
    assert.deepEqual(await ticksOf({ every: '10s', ...early }), [7_000, 17_000])
    assert.deepEqual(await ticksOf({ every: '25s', startAt: at(5_000) }), [5_000, 30_000, 55_000])
    const delay = { every: '10s', mode: 'after-finish' }
    assert.deepEqual(await ticksOf({ ...delay, ...bounds }), [15_000, 25_000, 35_000])
  })

  test('bound the ticks of a cron expression, those at the bounds included', async () => {
    const cron = '*/10 * * * * *'
    const bounds = { startAt: at(20_000), endAt: at(40_000) }
    assert.deepEqual(await ticksOf({ cron, ...bounds }), [20_000, 30_000, 40_000])
    assert.deepEqual(await ticksOf({ cron, endAt: at(19_999) }), [10_000])
    assert.deepEqual(await ticksOf({ cron, endAt: at(-1) }), [])
  })

  test('in the middle of a block: no tick after endAt is the latest', async () => {
    for (const schedule of [{ every: '10s' }, { cron: '*/10 * * * * *' }]) {
      const bench = new SchedulerBench().lead()
      const ticks: number[] = []
      const handler = (run: Run): void => void ticks.push(+run.scheduledFor - startMs)
      bench.schedule('a', { ...schedule, endAt: at(30_000) }, handler)
      bench.clock.freeze(65_000)
      await bench.pass(60_000)
      assert.deepEqual(ticks, [30_000])
    }
  })

  test('an interval waits for startAt by the wall clock, and goes on by elapsed time', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: '10s', startAt: at(3_600_000) }, () => void runs++)
    await bench.pass(10_000)
    assert.equal(runs, 0)
    bench.clock.setWall(startMs + 3_599_000)
    // The wall clock is looked at every 10 s at least.
    await bench.pass(10_000)
    assert.equal(runs, 1)
    bench.clock.setWall(startMs)
    await bench.pass(1_000)
    assert.equal(runs, 2, '10 s after startAt, by elapsed time')
  })

  test('the phase of an interval from startAt is that of every instance, also after a takeover', async () => {
    const bench = new SchedulerBench()
    const ticks: number[] = []
    const handler = (run: Run): void => void ticks.push(+run.scheduledFor - startMs)
    bench.schedule('a', { every: '10s', startAt: at(15_000) }, handler)
    await bench.pass(31_000)
    bench.lead()
    for (let i = 0; i < 20; i++) await bench.pass(1_000)
    assert.deepEqual(ticks, [35_000, 45_000])
  })
})

describe('progress', () => {
  test('is shown while the run goes on and afterwards, and starts anew with the next', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1s' }, runs.handler)
    await bench.pass(1_000)
    const { run } = runs.going[0] ?? assert.fail()
    assert.equal(bench.record('a')?.lastRun?.progress, undefined)
    run.progress(0.25)
    assert.deepEqual(bench.record('a')?.lastRun?.progress, { fraction: 0.25, note: undefined })
    run.progress(1, 'tidying up')
    assert.deepEqual(bench.record('a')?.lastRun?.progress, { fraction: 1, note: 'tidying up' })
    assert.deepEqual(JSON.parse(JSON.stringify(bench.record('a')?.lastRun?.progress)), {
      fraction: 1,
      note: 'tidying up',
    })
    await runs.end()
    run.progress(0, 'after the end')
    assert.deepEqual(bench.runs[0]?.progress, { fraction: 1, note: 'tidying up' })
    assert.deepEqual(bench.record('a')?.lastRun, bench.runs[0])
    await bench.pass(1_000)
    assert.equal(bench.record('a')?.lastRun?.progress, undefined)
  })

  test('of a run that is lost is still told', async () => {
    const bench = new SchedulerBench().lead()
    const runs = new Runs()
    bench.schedule('a', { every: '1h' }, runs.handler, { timeout: 0, timeoutGrace: 0 })
    void bench.scheduler.runNow('a', undefined)
    await bench.pass(1)
    runs.going[0]?.run.progress(0.5)
    assert.equal(bench.scheduler.recentRuns[0]?.outcome, 'lost')
    assert.equal(bench.scheduler.recentRuns[0]?.progress?.fraction, 0.5)
    assert.equal(bench.record('a')?.lastRun?.progress?.fraction, 0.5)
  })

  test('of what is none is refused, and fails a handler that does not care', async () => {
    const bench = new SchedulerBench().lead()
    for (const given of [
      [-0.01],
      [1.01],
      [Number.NaN],
      [Infinity],
      ['0.5'],
      [undefined],
      [50n],
      [0.5, ''],
      [0.5, 'a\nb'],
      [0.5, 7],
      [0.5, 'x'.repeat(256)],
    ]) {
      const report = (run: Run): void => (run.progress as (...args: unknown[]) => void)(...given)
      bench.schedule('a', { every: '1h' }, report)
      const run: RunRecord = await bench.scheduler.runNow('a', undefined)
      assert.equal(run.outcome, 'failed')
      assert.match(String(run.error), /^Expected `(fraction|note)` to be a .+; got /)
      assert.equal(run.progress, undefined)
    }
  })
})

describe('what is wrong with an option of a job', () => {
  test('is named, and nothing is scheduled', () => {
    const bench = new SchedulerBench().lead()
    const every = { every: '1s' }
    const delay = { every: '1s', mode: 'after-finish' }
    const type = 'TENURE_ERR_OPTION_TYPE'
    const relation = 'TENURE_ERR_OPTION_RELATION'
    const wrong: [object, unknown, string, RegExp][] = [
      [{ every: '1s', mode: 'sometimes' }, {}, 'TENURE_ERR_SCHEDULE', /`mode`.*"sometimes"/],
      [{ every: '1s', mode: null }, {}, 'TENURE_ERR_SCHEDULE', /`mode`.*null/],
      [{ cron: '* * * * *', mode: 'after-finish' }, {}, 'TENURE_ERR_SCHEDULE', /one of/],
      [{ at: new Date(), startAt: new Date() }, {}, 'TENURE_ERR_SCHEDULE', /one of/],
      [{ every: '1s', startAt: 'soon' }, {}, 'TENURE_ERR_SCHEDULE', /`startAt`.*"soon"/],
      [{ every: '1s', endAt: 5 }, {}, 'TENURE_ERR_SCHEDULE', /`endAt`.*5 \(number\)/],
      [
        { every: '1s', startAt: '2027-01-02T00:00:00Z', endAt: '2027-01-01T00:00:00Z' },
        {},
        'TENURE_ERR_SCHEDULE',
        /2027-01-02T00:00:00.000Z and 2027-01-01/,
      ],
      [every, { startAt: new Date() }, 'TENURE_ERR_OPTION_UNKNOWN', /startAt/],
      [every, { maxRuns: 3, ledger: false }, relation, /`ledger: true` beside `maxRuns`.*false/],
      [every, { maxRuns: 0, ledger: true }, type, /`maxRuns` .* from 1 to 1000000000; got 0/],
      [every, { maxRuns: '3', ledger: true }, type, /`maxRuns` .*"3"/],
      [every, { jitter: 'some' }, 'TENURE_ERR_DURATION', /`jitter`/],
      [every, { jitter: -1 }, 'TENURE_ERR_DURATION', /`jitter`/],
      [every, { jitter: '1s' }, relation, /`jitter` to be below `every`.*1s and 1s/],
      [every, { overlap: 'wait' }, type, /`overlap`.*"wait"/],
      [every, { overlap: null }, type, /`overlap`.*null/],
      [every, { overlap: true }, type, /`overlap`.*true/],
      [every, { overlap: {} }, type, /\{ allow \}/],
      [every, { overlap: { allow: 0 } }, type, /`overlap.allow`.*from 1 to 1000; got 0/],
      [every, { overlap: { allow: 1.5 } }, type, /1\.5/],
      [every, { overlap: { allow: '3' } }, type, /"3"/],
      [every, { overlap: { allow: 2, queue: 1 } }, 'TENURE_ERR_OPTION_UNKNOWN', /queue/],
      [delay, { overlap: 'queue' }, relation, /after-finish/],
      [delay, { overlap: { allow: 2 } }, relation, /after-finish/],
      [every, { retry: 3 }, type, /`retry` to be an object; got 3/],
      [every, { retry: {} }, type, /`retry.attempts`.*undefined/],
      [every, { retry: { attempts: 101 } }, type, /from 1 to 100; got 101/],
      [every, { retry: { attempts: 2, max: 1 } }, 'TENURE_ERR_OPTION_UNKNOWN', /max/],
      [every, { retry: { attempts: 2, backoff: 'x' } }, 'TENURE_ERR_DURATION', /`retry.backoff`/],
      [
        every,
        { retry: { attempts: 2, backoff: '2s', backoffMax: '1s' } },
        relation,
        /at most `retry.backoffMax`; got 2s and 1s/,
      ],
      [every, { timeoutGrace: '1s' }, relation, /`timeoutGrace`.*`timeout`/],
      [every, { timeout: '1s', timeoutGrace: 'x' }, 'TENURE_ERR_DURATION', /`timeoutGrace`/],
    ]
    for (const [schedule, options, code, message] of wrong) {
      const call = (): void => bench.scheduler.schedule('a', schedule, () => {}, options)
      assert.throws(call, { name: 'TenureError', code, message }, String(message))
    }
    assert.deepEqual(bench.scheduler.records(), [])
  })
})
