import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { describe, test } from 'node:test'

import { createSystemClock } from '../../src/clock.ts'
import { correlationId, withCorrelationId } from '../../src/correlation.ts'
import type { Run, RunRecord } from '../../src/schedule/run.ts'
import { SchedulerBench, settle } from '../support/scheduler-bench.ts'

describe('ticks', () => {
  test('an interval is run at a fixed rate, counted from when it was scheduled', async () => {
    const bench = new SchedulerBench().lead()
    const at: number[] = []
    const startMs = bench.clock.wallMs()
    bench.schedule('a', { every: '1s' }, (run: Run) => {
      at.push(run.scheduledFor.getTime() - startMs)
    })
    await bench.pass(3_500)
    assert.deepEqual(at, [1_000, 2_000, 3_000])
  })

  test('lateness does not add up', async () => {
    const bench = new SchedulerBench().lead()
    const at: number[] = []
    const startMs = bench.clock.monotonicMs()
    bench.schedule('a', { every: 1_000 }, () => void at.push(bench.clock.monotonicMs() - startMs))
    for (let i = 0; i < 3; i++) {
      bench.clock.freeze(1_040)
      await bench.pass(0)
    }
    await bench.pass(0)
    assert.deepEqual(at, [1_040, 2_080, 3_120])
    await bench.pass(880)
    assert.equal(at[3], 4_000)
  })

  test('a cron expression is due in its time zone', async () => {
    const bench = new SchedulerBench().lead()
    const at: string[] = []
    bench.schedule('a', { cron: '0 3 * * *', timeZone: 'Asia/Tokyo' }, (run: Run) => {
      at.push(run.scheduledFor.toISOString())
    })
    for (let hours = 0; hours < 48; hours++) await bench.pass(3_600_000)
    assert.deepEqual(at, ['2026-01-01T18:00:00.000Z', '2026-01-02T18:00:00.000Z'])
  })

  test('a cron expression without a time zone is in UTC', async () => {
    const bench = new SchedulerBench().lead()
    const at: string[] = []
    bench.schedule('a', { cron: '30 3 * * *' }, (run: Run) => {
      at.push(run.scheduledFor.toISOString())
    })
    for (let hours = 0; hours < 24; hours++) await bench.pass(3_600_000)
    assert.deepEqual(at, ['2026-01-01T03:30:00.000Z'])
  })

  test('an instant is due once, and one that has passed never', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { at: new Date(bench.clock.wallMs() + 5_000) }, () => void runs++)
    bench.schedule('b', { at: '2020-01-01T00:00:00Z' }, () => void runs++)
    await bench.pass(20_000)
    assert.equal(runs, 1)
    assert.equal(bench.scheduler.records()[0]?.nextTickAtMs, undefined)
  })

  test('a wall clock that is set forward is noticed within 10 s; intervals do not care', async () => {
    const bench = new SchedulerBench().lead()
    const ran: string[] = []
    bench.schedule('cron', { cron: '0 3 * * *' }, () => void ran.push('cron'))
    bench.schedule('every', { every: '1h' }, () => void ran.push('every'))
    bench.clock.setWall(Date.parse('2026-01-01T03:00:00Z'))
    await bench.pass(10_000)
    assert.deepEqual(ran, ['cron'])
  })

  test('of the ticks that were missed in a block the latest is run, and the rest is logged', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: 200 }, () => void runs++)
    bench.clock.freeze(5_000)
    await bench.pass(0)
    assert.equal(runs, 1)
    assert.deepEqual(bench.logged('run_skipped')[0]?.['count'], 24)
    bench.schedule('b', { cron: '* * * * * *' }, () => void runs++)
    bench.clock.freeze(5_500)
    await bench.pass(0)
    assert.equal(bench.logged('run_skipped').find(({ jobId }) => jobId === 'b')?.['count'], 4)
  })

  test('no run starts unless the term leads at that very moment', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    for (const id of ['a', 'b', 'c']) {
      bench.schedule(id, { every: 1_000 }, () => {
        runs++
        bench.term.leads = false
      })
    }
    await bench.pass(10_000)
    assert.equal(runs, 1, 'trust ran out between jobs that were due together')
  })

  test('after the end of a term nothing is due, and in the next one everything is again', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: 1_000 }, () => void runs++)
    await bench.pass(1_000)
    bench.scheduler.end()
    await bench.pass(10_000)
    assert.equal(runs, 1)
    assert.equal(bench.clock.timers, 0)
    bench.lead()
    await bench.pass(1_000)
    assert.equal(runs, 2)
  })
})

describe('jobs', () => {
  test('scheduling an id again replaces the job; the same schedule keeps its next tick', async () => {
    const bench = new SchedulerBench().lead()
    const ran: string[] = []
    bench.schedule('a', { every: 1_000 }, () => void ran.push('old'))
    await bench.pass(900)
    bench.schedule('a', { every: '1s' }, () => void ran.push('new'))
    await bench.pass(100)
    assert.deepEqual(ran, ['new'])
    bench.schedule('a', { every: 2_000 }, () => void ran.push('slow'))
    await bench.pass(1_900)
    assert.deepEqual(ran, ['new'])
    await bench.pass(100)
    assert.deepEqual(ran, ['new', 'slow'])
    assert.equal(bench.scheduler.records().length, 1)
  })

  test('onConflict keeps the job, or throws', async () => {
    const bench = new SchedulerBench().lead()
    const ran: string[] = []
    bench.schedule('a', { every: 1_000 }, () => void ran.push('first'))
    bench.schedule('a', { every: 1_000 }, () => void ran.push('second'), { onConflict: 'keep' })
    assert.throws(() => bench.schedule('a', { every: 1_000 }, () => {}, { onConflict: 'error' }), {
      code: 'TENURE_ERR_JOB_EXISTS',
    })
    await bench.pass(1_000)
    assert.deepEqual(ran, ['first'])
  })

  test('a run that goes on is not overlapped, also not by the job that replaced it', async () => {
    const bench = new SchedulerBench().lead()
    let running = 0
    let most = 0
    const endings: (() => void)[] = []
    const handler = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => endings.push(resolve))
      running--
    }
    bench.schedule('a', { every: 1_000 }, handler)
    await bench.pass(1_000)
    bench.schedule('a', { every: 1_000 }, handler)
    await bench.pass(3_000)
    assert.equal(most, 1)
    assert.equal(bench.logged('run_skipped').filter(({ reason }) => reason === 'overlap').length, 3)
    await assert.rejects(bench.scheduler.runNow('a', undefined), { code: 'TENURE_ERR_JOB_RUNNING' })
    for (const end of endings) end()
    await settle()
    await bench.pass(1_000)
    assert.equal(endings.length, 2)
  })

  test('a paused job lets its ticks pass; resumed, it makes up for the latest', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: 1_000 }, () => void runs++)
    bench.scheduler.setPaused('a', true)
    await bench.pass(5_500)
    assert.equal(runs, 0)
    assert.equal(bench.scheduler.records()[0]?.paused, true)
    bench.scheduler.setPaused('a', false)
    await bench.pass(0)
    assert.equal(runs, 1)
    assert.equal(bench.logged('run_skipped')[0]?.['count'], 4)
    await bench.pass(500)
    assert.equal(runs, 2)
  })

  test('a job that was removed is not run any more, and is unknown', async () => {
    const bench = new SchedulerBench().lead()
    let runs = 0
    bench.schedule('a', { every: 1_000 }, () => void runs++)
    bench.scheduler.remove('a')
    await bench.pass(5_000)
    assert.equal(runs, 0)
    for (const call of ['remove', 'setPaused'] as const) {
      assert.throws(() => bench.scheduler[call]('a', true), { code: 'TENURE_ERR_JOB_UNKNOWN' })
    }
    await assert.rejects(bench.scheduler.runNow('a', undefined), { code: 'TENURE_ERR_JOB_UNKNOWN' })
  })

  test('a handler may schedule and remove jobs, also its own', async () => {
    const bench = new SchedulerBench().lead()
    const ran: string[] = []
    bench.schedule('a', { every: 1_000 }, () => {
      ran.push('a')
      bench.scheduler.remove('a')
      bench.schedule('b', { every: 1_000 }, () => void ran.push('b'))
    })
    await bench.pass(3_000)
    assert.deepEqual(ran, ['a', 'b', 'b'])
  })

  test('what is wrong with a job is named, and nothing is scheduled', () => {
    const bench = new SchedulerBench().lead()
    const every = { every: '1s' }
    const wrong: [unknown, unknown, unknown, unknown, string][] = [
      ['', every, () => {}, {}, 'TENURE_ERR_JOB_ID'],
      ['a\n', every, () => {}, {}, 'TENURE_ERR_JOB_ID'],
      [7, every, () => {}, {}, 'TENURE_ERR_JOB_ID'],
      ['a', undefined, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', {}, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { every: '1s', cron: '* * * * *' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { every: '1s', timeZone: 'UTC' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { every: '1 second' }, () => {}, {}, 'TENURE_ERR_DURATION'],
      ['a', { every: 5 }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '* * * *' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '61 * * * *' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '0 0 31 2 *' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '2027-01-01T00:00:00' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: 5 }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '@yearlyish' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '0 3 * * *', timeZone: 'Mars/Olympus' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { cron: '0 3 * * *', timeZone: 3 }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { at: 'tomorrow' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { at: '2027-01-01T00:00:00' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { at: '2027-02-30T00:00:00Z' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { at: 'Tue Jan 05 2027 00:00:00 GMT+0100' }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { at: new Date(Number.NaN) }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', { at: 5 }, () => {}, {}, 'TENURE_ERR_SCHEDULE'],
      ['a', every, undefined, {}, 'TENURE_ERR_OPTION_TYPE'],
      ['a', every, () => {}, undefined, 'TENURE_ERR_OPTION_TYPE'],
      ['a', every, () => {}, { timeout: 'soon' }, 'TENURE_ERR_DURATION'],
      ['a', every, () => {}, { onConflict: 'ignore' }, 'TENURE_ERR_OPTION_TYPE'],
      ['a', every, () => {}, { maxTicks: 3 }, 'TENURE_ERR_OPTION_UNKNOWN'],
    ]
    for (const [id, schedule, handler, options, code] of wrong) {
      const call = (): void => bench.scheduler.schedule(id, schedule, handler, options)
      assert.throws(call, { code }, JSON.stringify([id, schedule, options]))
    }
    assert.deepEqual(bench.scheduler.records(), [])
  })
})

describe('runs', () => {
  test('a run knows its job, its data, its tick and the token of its term', async () => {
    const bench = new SchedulerBench().lead()
    let seen: Run | undefined
    bench.schedule('a', { every: 1_000 }, (run: Run) => void (seen = run), { data: { to: 'all' } })
    await bench.pass(1_000)
    assert.equal(seen?.jobId, 'a')
    assert.deepEqual(seen.data, { to: 'all' })
    assert.equal(seen.fencingToken, 7)
    assert.equal(seen.scheduledFor.getTime(), bench.clock.wallMs())
    assert.match(seen.id, /^[0-9a-f-]{36}$/)
    assert.equal(seen.signal.aborted, false)
  })

  test('a handler that fails in any way is logged, and the schedule goes on', async () => {
    const bench = new SchedulerBench().lead()
    const failures: (() => unknown)[] = [
      () => {
        throw new Error('thrown')
      },
      () => Promise.reject(new Error('rejected')),
      () => Promise.reject('not an error'),
      () => {
        throw undefined
      },
    ]
    for (const [i, handler] of failures.entries())
      bench.schedule(`job ${i}`, { every: 1_000 }, handler)
    await bench.pass(1_000)
    await bench.pass(1_000)
    const errors = bench.logged('run_failed').map(({ error }) => error)
    assert.equal(errors.length, 8)
    assert.deepEqual(
      new Set(errors),
      new Set(['thrown', 'rejected', '"not an error" (string)', 'undefined']),
    )
    assert.ok(bench.runs.every((run) => run.outcome === 'failed'))
  })

  test('a run is under its own correlation id, and afterwards the one from before is back', async () => {
    const bench = new SchedulerBench().lead()
    const seen: (string | undefined)[] = []
    bench.schedule('a', { every: '1h' }, async () => {
      seen.push(correlationId())
      await settle()
      seen.push(correlationId())
      throw new Error('the id from before is back, also when a handler throws')
    })
    await withCorrelationId('request-7', async () => {
      const run = await bench.scheduler.runNow('a', undefined)
      assert.equal(run.correlationId, 'request-7')
      assert.equal(correlationId(), 'request-7')
    })
    assert.deepEqual(seen, ['request-7', 'request-7'])
    await bench.scheduler.runNow('a', undefined)
    assert.match(String(seen[2]), /^[0-9a-f-]{36}$/)
    assert.equal(correlationId(), undefined)
  })

  test('a tick has an id of its own, also where its job was scheduled within a request', async () => {
    const bench = new SchedulerBench().lead()
    let seen: string | undefined
    withCorrelationId('request-7', () => {
      bench.schedule('a', { every: 1_000 }, () => void (seen = correlationId()))
    })
    await bench.pass(1_000)
    assert.match(String(seen), /^[0-9a-f-]{36}$/)
  })

  test('a timer that is set within a request carries nothing of it', async () => {
    const request = new AsyncLocalStorage<string>()
    const clock = createSystemClock()
    const seen = await new Promise((resolve) => {
      request.run('request-7', () => clock.setTimer(0, () => resolve(request.getStore())))
    })
    assert.equal(seen, undefined)
  })

  test('at its timeout the signal is aborted, and the run is recorded as timed out', async () => {
    const bench = new SchedulerBench().lead()
    let reason: unknown
    const handler = (run: Run): Promise<void> =>
      new Promise((_resolve, reject) => {
        run.signal.addEventListener('abort', () => {
          reason = run.signal.reason
          reject(run.signal.reason as Error)
        })
      })
    bench.schedule('a', { every: '1h' }, handler, { timeout: '5s' })
    await bench.pass(3_600_000)
    await bench.pass(4_999)
    assert.equal(bench.runs.length, 0)
    await bench.pass(1)
    assert.equal((reason as { code?: string }).code, 'TENURE_ERR_RUN_TIMEOUT')
    assert.equal(bench.runs[0]?.outcome, 'timed-out')
    assert.equal(bench.logged('run_timeout').length, 1)
  })

  test('a run that ends in time leaves no timer behind', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { every: '1h' }, () => {}, { timeout: '5s' })
    await bench.scheduler.runNow('a', undefined)
    assert.equal(bench.clock.timers, 1, 'the timer of the next tick')
  })

  test('work that is aborted with its term is recorded as aborted', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { every: 1_000 }, (run: Run) => {
      return new Promise((_resolve, reject) => {
        run.signal.addEventListener('abort', () => reject(new Error('aborted')))
      })
    })
    await bench.pass(1_000)
    assert.deepEqual(bench.term.work.names, ['a'])
    bench.term.work.abortAll(new Error('the term has ended'))
    await bench.term.work.whenIdle()
    await settle()
    assert.equal(bench.runs[0]?.outcome, 'aborted')
    assert.deepEqual(bench.term.work.names, [])
  })

  test('runNow runs with the data of the call, on the leader only', async () => {
    const bench = new SchedulerBench()
    const data: unknown[] = []
    bench.schedule('a', { every: '1h' }, (run: Run) => void data.push(run.data), { data: 'own' })
    await assert.rejects(bench.scheduler.runNow('a', 1), { code: 'TENURE_ERR_NOT_LEADER' })
    bench.lead()
    const run = await bench.scheduler.runNow('a', 'given')
    assert.equal(run.trigger, 'manual')
    assert.equal(run.outcome, 'succeeded')
    await bench.scheduler.runNow('a', undefined)
    assert.deepEqual(data, ['given', 'own'])
    bench.term.leads = false
    await assert.rejects(bench.scheduler.runNow('a', 1), { code: 'TENURE_ERR_NOT_LEADER' })
  })

  test('the last runs are remembered, within bounds', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { every: 1_000 })
    for (let i = 0; i < 60; i++) await bench.pass(1_000)
    assert.equal(bench.scheduler.recentRuns.length, 50)
    assert.equal(bench.scheduler.records()[0]?.lastRun?.id, bench.scheduler.recentRuns[0]?.id)
  })

  test('the last ticks that were not run are remembered, with the reason, within bounds', async () => {
    const bench = new SchedulerBench().lead()
    bench.schedule('a', { every: 1_000 }, () => new Promise(() => {}))
    const startMs = bench.clock.wallMs()
    await bench.pass(1_000)
    await bench.pass(1_000)
    const skippedAtMs = startMs + 2_000
    assert.deepEqual(bench.scheduler.recentSkips, [
      {
        jobId: 'a',
        reason: 'overlap',
        scheduledForMs: skippedAtMs,
        untilMs: skippedAtMs,
        count: 1,
        attempt: 1,
        skippedAtMs,
      },
    ])
    for (let i = 0; i < 60; i++) await bench.pass(1_000)
    assert.equal(bench.scheduler.recentSkips.length, 50)
    assert.equal(bench.scheduler.recentSkips[0]?.skippedAtMs, startMs + 62_000)
  })
})

describe('system jobs', () => {
  test('stand before the others, are never doubled, and cannot be changed', async () => {
    const bench = new SchedulerBench().lead()
    const fired: string[] = []
    const record = { id: 'beat', system: true } as never
    for (let i = 0; i < 3; i++) {
      bench.scheduler.putSystem({
        id: 'beat',
        record: () => record,
        fire: async (id) => {
          fired.push(id)
          return {} as RunRecord
        },
      })
    }
    bench.schedule('a', { every: 1_000 })
    assert.deepEqual(
      bench.scheduler.records().map(({ id }) => id),
      ['beat', 'a'],
    )
    for (const call of [
      () => bench.scheduler.remove('beat'),
      () => bench.scheduler.setPaused('beat', true),
      () => bench.schedule('beat', { every: 1_000 }),
    ]) {
      assert.throws(call, { code: 'TENURE_ERR_JOB_SYSTEM' })
    }
    await withCorrelationId('request-7', () => bench.scheduler.runNow('beat', undefined))
    assert.deepEqual(fired, ['request-7'])
  })
})
