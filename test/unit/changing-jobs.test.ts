// "Changing a job" of docs/scheduling.md, line by line: what keeps the next tick, and what resets it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Run } from '../../src/schedule/run.ts'
import { SchedulerBench, settle } from '../support/scheduler-bench.ts'

const startMs = 1_767_225_600_000
const iso = (afterMs: number): string => new Date(startMs + afterMs).toISOString()

/** When the job is due, from the beginning on. */
function nextOf(bench: SchedulerBench): number {
  return (bench.record('a')?.nextTickAtMs ?? Number.NaN) - startMs
}

describe('scheduling a job again', () => {
  for (const schedule of [
    { every: '10m' },
    { every: '10m', mode: 'after-finish' },
    { every: '10m', startAt: iso(60_000), endAt: iso(1e9) },
    { cron: '*/10 * * * *', timeZone: 'Europe/Berlin' },
    { at: iso(600_000) },
  ]) {
    test(`by the same schedule keeps its next tick: ${JSON.stringify(schedule)}`, async () => {
      const bench = new SchedulerBench().lead()
      bench.schedule('a', schedule)
      await bench.pass(200_000)
      const next = nextOf(bench)
      for (let deploy = 0; deploy < 3; deploy++) {
        bench.schedule('a', { ...schedule })
        assert.equal(nextOf(bench), next)
        await bench.pass(20_000)
      }
      assert.equal(nextOf(bench), next)
    })

    test(`by another schedule resets it: ${JSON.stringify(schedule)}`, async () => {
      const bench = new SchedulerBench().lead()
      bench.schedule('a', schedule)
      await bench.pass(200_000)
      bench.schedule('a', { every: '5m' })
      assert.equal(nextOf(bench), 500_000)
    })
  }

  test('by the same schedule in other words keeps it: what counts is what it means', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { every: '60s', startAt: new Date(startMs - 5_000) })
    await bench.pass(20_000)
    bench.schedule('a', { every: 60_000, mode: 'fixed-rate', startAt: iso(-5_000) })
    assert.equal(nextOf(bench), 55_000)
  })

  test('with other options, another handler or other data never moves it, and they count at once', async () => {
    const bench = new SchedulerBench().lead()
    const ran: unknown[] = []
    bench.schedule('a', { every: '10s' }, () => void ran.push('old'), { data: 1 })
    await bench.pass(4_000)
    const options = {
      data: 2,
      timeout: '1s',
      timeoutGrace: '1s',
      overlap: { allow: 2 },
      retry: { attempts: 2 },
    }
    bench.schedule('a', { every: '10s' }, (run: Run) => void ran.push(run.data), options)
    assert.equal(nextOf(bench), 10_000)
    await bench.pass(6_000)
    assert.deepEqual(ran, [2])
  })

  test('keeps a tick that jitter delays: it is neither lost nor run twice', async () => {
    const bench = new SchedulerBench().lead()
    const ticks: number[] = []
    const handler = (run: Run): void => void ticks.push(+run.scheduledFor - startMs)
    bench.draws.push(0.5)
    bench.schedule('a', { every: '10s' }, handler, { jitter: '8s' })
    for (let i = 0; i < 13; i++) {
      await bench.pass(1_000)
      bench.schedule('a', { every: '10s' }, handler, { jitter: '8s' })
    }
    assert.deepEqual(ticks, [])
    await bench.pass(1_000)
    assert.deepEqual(ticks, [10_000])
    await bench.pass(5_000)
    assert.deepEqual(ticks, [10_000])
  })

  test('with another jitter draws the delay of the same tick anew', async () => {
    const bench = new SchedulerBench().lead()
    bench.draws.push(0.5, 0.25)
    bench.schedule('a', { every: '10s' }, () => {}, { jitter: '8s' })
    await bench.pass(11_000)
    assert.equal(nextOf(bench), 14_000)
    bench.schedule('a', { every: '10s' }, () => {}, { jitter: '4s' })
    await bench.pass(0)
    assert.equal(bench.runs.length, 1)
    assert.equal(bench.runs[0]?.scheduledForMs, startMs + 10_000)
  })

  test('keeps a tick that is overdue, because the event loop was blocked', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { cron: '*/10 * * * * *' }, () => void runs++)
    bench.clock.freeze(12_000)
    bench.schedule('a', { cron: '*/10 * * * * *' }, () => void runs++)
    await bench.pass(0)
    assert.equal(runs, 1)
  })

  test('leaves a run that goes on alone, which is not overlapped, and ends by its own timeout', async () => {
    const bench = new SchedulerBench().lead()
    let aborted = 0
    const going = (run: Run): Promise<void> =>
      new Promise((resolve) => {
        run.signal.addEventListener('abort', () => {
          aborted++
          resolve()
        })
      })
    bench.schedule('a', { every: '1s' }, going, { timeout: '5s' })
    await bench.pass(1_000)
    bench.schedule('a', { every: '2s' }, () => {}, { timeout: '1h' })
    await bench.pass(4_500)
    assert.deepEqual([aborted, bench.runs.length], [0, 0])
    assert.deepEqual(bench.skips, ['overlap', 'overlap'])
    await bench.pass(500)
    assert.deepEqual([aborted, bench.runs[0]?.outcome], [1, 'timed-out'])
    await bench.pass(1_000)
    assert.equal(bench.runs.length, 2)
  })

  test('by the same schedule keeps what waits, which runs as the job is now', async () => {
    const bench = new SchedulerBench().lead()
    const ran: string[] = []
    let end = (): void => {}
    const first = (): Promise<void> => new Promise((resolve) => (end = resolve))
    bench.schedule('a', { every: '1s' }, first, { overlap: 'queue' })
    await bench.pass(2_000)
    bench.schedule('a', { every: '1s' }, () => void ran.push('queued'))
    end()
    await settle()
    assert.deepEqual(ran, ['queued'])
    const retry = { attempts: 2, backoff: '500ms' }
    bench.schedule('a', { every: '1s' }, () => Promise.reject(new Error('failed')), { retry })
    await bench.pass(1_000)
    bench.schedule('a', { every: '1s' }, (run: Run) => void ran.push(`attempt ${run.attempt}`))
    await bench.pass(500)
    assert.deepEqual(ran, ['queued', 'attempt 2'])
  })

  test('to fewer places has what waits go on waiting until there is one', async () => {
    const bench = new SchedulerBench().lead()
    const ends: (() => void)[] = []
    const going = (): Promise<void> => new Promise((resolve) => void ends.push(resolve))
    bench.schedule('a', { every: '1s' }, going, { overlap: { allow: 3 } })
    await bench.pass(2_000)
    bench.schedule('a', { every: '1s' }, going, { overlap: 'queue' })
    await bench.pass(1_000)
    assert.equal(ends.length, 2)
    ends[0]?.()
    await settle()
    assert.equal(ends.length, 2, 'one of the two runs still goes on')
    ends[1]?.()
    await settle()
    assert.equal(ends.length, 3)
  })

  test('to fewer places gives a retry up that would be one too many', async () => {
    const bench = new SchedulerBench().lead()
    const ends: ((error: Error) => void)[] = []
    const going = (): Promise<never> => new Promise((_resolve, reject) => void ends.push(reject))
    const retry = { attempts: 3, backoff: 0 }
    bench.schedule('a', { every: '1s' }, going, { overlap: { allow: 3 }, retry })
    await bench.pass(2_000)
    bench.schedule('a', { every: '1s' }, going, { retry })
    ends[0]?.(new Error('failed'))
    await bench.pass(0)
    await bench.pass(0)
    assert.equal(ends.length, 2)
    assert.deepEqual(bench.skips, ['overlap'])
    ends[1]?.(new Error('failed'))
    await bench.pass(0)
    await bench.pass(0)
    assert.equal(ends.length, 3, 'this one is alone')
  })

  test('by another schedule gives up what waits; a job that was removed starts anew', async () => {
    const bench = new SchedulerBench().lead()
    const fail = (): Promise<never> => Promise.reject(new Error('failed'))
    bench.schedule('a', { every: '1s' }, fail, { retry: { attempts: 2, backoff: '10s' } })
    await bench.pass(1_000)
    bench.schedule('a', { every: '2s' }, fail, { retry: { attempts: 2, backoff: '10s' } })
    assert.deepEqual(bench.skips, ['replaced'])
    await bench.pass(500)
    bench.scheduler.remove('a')
    bench.schedule('a', { every: '2s' })
    assert.equal(nextOf(bench), 3_500)
    assert.equal(bench.record('a')?.lastRun, undefined)
  })

  test('keeps that it is paused, and its last run', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { every: '1s' })
    await bench.pass(1_000)
    bench.scheduler.setPaused('a', true)
    bench.schedule('a', { every: '2s' })
    assert.equal(bench.record('a')?.paused, true)
    assert.equal(bench.record('a')?.lastRun?.outcome, 'succeeded')
  })

  test("with onConflict: 'keep' changes nothing, and with 'error' throws", async () => {
    const bench = new SchedulerBench().lead()
    const ran: string[] = []
    bench.schedule('a', { every: '10s' }, () => void ran.push('first'))
    await bench.pass(5_000)
    const other = (): void => void ran.push('other')
    bench.schedule('a', { every: '1s' }, other, { onConflict: 'keep', retry: { attempts: 2 } })
    assert.throws(() => bench.schedule('a', { every: '1s' }, other, { onConflict: 'error' }), {
      code: 'TENURE_ERR_JOB_EXISTS',
    })
    assert.equal(nextOf(bench), 10_000)
    await bench.pass(5_000)
    assert.deepEqual(ran, ['first'])
  })
})

describe('a fixed delay', () => {
  test('keeps being counted from the last end, also where it was scheduled again meanwhile', async () => {
    const bench = new SchedulerBench().lead()
    let end = (): void => {}
    const going = (): Promise<void> => new Promise((resolve) => (end = resolve))
    const schedule = { every: '10s', mode: 'after-finish' }
    bench.schedule('a', schedule, going)
    await bench.pass(10_000)
    bench.schedule('a', schedule, going)
    assert.equal(bench.record('a')?.nextTickAtMs, undefined)
    await bench.pass(3_000)
    end()
    await settle()
    assert.equal(nextOf(bench), 23_000)
    await bench.pass(2_000)
    bench.schedule('a', schedule, going)
    assert.equal(nextOf(bench), 23_000)
  })
})
