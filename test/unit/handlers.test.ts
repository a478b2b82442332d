// Handlers that misbehave: the scheduler goes on, and each run is recorded as what it was. Those that
// end their process are in test/processes/handlers.test.ts.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Run, RunOutcome } from '../../src/schedule/run.ts'
import { LedgerBench } from '../support/ledger-bench.ts'
import { SchedulerBench, settle } from '../support/scheduler-bench.ts'

const never = (): Promise<never> => new Promise(() => {})

/** How the runs of a job stand in the ledger, the oldest first. */
async function outcomesOf(ledger: LedgerBench, jobId: string): Promise<string[]> {
  return (await ledger.runs(jobId)).map(({ outcome }) => outcome)
}

/** Values whose every look at them throws. */
const hostile = new Proxy(
  Object.assign(() => {}, {}),
  {
    get: () => assert.fail('looked at'),
    ownKeys: () => assert.fail('listed'),
    getPrototypeOf: () => assert.fail('tested'),
  },
)
class SilentError extends Error {
  override get message(): string {
    throw new Error('no message for you')
  }
}

interface Case {
  readonly name: string
  readonly handler: (run: Run) => unknown
  readonly outcome: RunOutcome
  readonly error: string | undefined
}

const thrower =
  (value: unknown): (() => never) =>
  () => {
    throw value
  }
const unspeakable = 'something that throws when it is looked at'

const cases: readonly Case[] = [
  {
    name: 'throws synchronously',
    handler: thrower(new Error('thrown')),
    outcome: 'failed',
    error: 'thrown',
  },
  {
    name: 'rejects',
    handler: () => Promise.reject(new Error('rejected')),
    outcome: 'failed',
    error: 'rejected',
  },
  {
    name: 'rejects with a non-error',
    handler: () => Promise.reject('a text'),
    outcome: 'failed',
    error: '"a text" (string)',
  },
  { name: 'throws nothing', handler: thrower(undefined), outcome: 'failed', error: 'undefined' },
  { name: 'throws null', handler: thrower(null), outcome: 'failed', error: 'null' },
  {
    name: 'throws an object without a prototype',
    handler: thrower(Object.create(null)),
    outcome: 'failed',
    error: 'an object with the keys []',
  },
  {
    name: 'throws an error whose message throws',
    handler: thrower(new SilentError()),
    outcome: 'failed',
    error: unspeakable,
  },
  {
    name: 'throws what must not be looked at',
    handler: thrower(hostile),
    outcome: 'failed',
    error: unspeakable,
  },
  {
    name: 'returns what must not be awaited',
    handler: () => ({
      // oxlint-disable-next-line unicorn/no-thenable
      get then(): never {
        throw new Error('no then')
      },
    }),
    outcome: 'failed',
    error: 'no then',
  },
  {
    name: 'returns a thenable that settles twice and throws',
    handler: () => ({
      // oxlint-disable-next-line unicorn/no-thenable
      then(resolve: () => void, reject: (error: Error) => void) {
        resolve()
        reject(new Error('too late'))
        throw new Error('too late as well')
      },
    }),
    outcome: 'succeeded',
    error: undefined,
  },
  { name: 'returns whatever it likes', handler: () => 7n, outcome: 'succeeded', error: undefined },
]

describe('a handler that', () => {
  for (const { name, handler, outcome, error } of cases) {
    test(`${name}: its run is recorded, it runs again, and so do the others`, async () => {
      const ledger = new LedgerBench()
      let others = 0
      const bench = await ledger.lead((one) => {
        one.schedule('bad', { every: '1s' }, handler)
        one.schedule('good', { every: '1s' }, () => void others++)
      })
      await bench.pass(2_000)
      const runs = bench.runs.filter(({ jobId }) => jobId === 'bad')
      assert.deepEqual(
        runs.map((run) => [run.outcome, run.error]),
        [
          [outcome, error],
          [outcome, error],
        ],
      )
      assert.equal(others, 2)
      assert.equal(bench.record('bad')?.running, false)
      assert.deepEqual(bench.record('bad')?.lastRun, runs[1])
      const written = await ledger.runs('bad')
      assert.deepEqual(
        written.map((run) => [run.outcome, run.error]),
        runs.map((run) => [run.outcome, run.error]),
      )
      assert.deepEqual(await ledger.discrepancies('bad', 1_000), [])
    })
  }

  test('never settles keeps its own place only, and is shown as running', async () => {
    const ledger = new LedgerBench()
    let others = 0
    const bench = await ledger.lead((one) => {
      one.schedule('bad', { every: '1s' }, never)
      one.schedule('good', { every: '1s' }, () => void others++)
    })
    await bench.pass(5_000)
    assert.equal(others, 5)
    assert.equal(bench.record('bad')?.running, true)
    assert.equal(bench.record('bad')?.lastRun?.outcome, 'running')
    assert.deepEqual(bench.skips, ['overlap', 'overlap', 'overlap', 'overlap'])
    assert.deepEqual(await outcomesOf(ledger, 'bad'), ['running'])
    assert.deepEqual(await ledger.discrepancies('bad', 1_000), [])
  })

  test('never settles is lost after its timeout, in this term and the next, which finds it abandoned', async () => {
    const ledger = new LedgerBench()
    const bench = await ledger.lead((one) =>
      one.schedule('bad', { every: '1s' }, never, { timeout: '1s', timeoutGrace: '1s' }),
    )
    await bench.pass(3_000)
    assert.equal(bench.record('bad')?.lastRun?.outcome, 'lost')
    // It goes on, and nobody knows how it will end.
    assert.deepEqual(await outcomesOf(ledger, 'bad'), ['running'])
    bench.scheduler.end()
    await ledger.leadAgain(bench)
    await bench.pass(3_000)
    assert.equal(bench.lost.length, 1)
    assert.ok(bench.skips.every((reason) => reason === 'overlap'))
    assert.deepEqual(await outcomesOf(ledger, 'bad'), ['abandoned'])
    assert.deepEqual(await ledger.discrepancies('bad', 1_000), [])
  })

  test('ends long after it was called lost is written down as lost, and its job runs again', async () => {
    const ledger = new LedgerBench()
    const gate = Promise.withResolvers<void>()
    const bench = await ledger.lead((one) =>
      one.schedule('bad', { every: '1s' }, () => gate.promise, {
        timeout: '1s',
        timeoutGrace: '1s',
      }),
    )
    await bench.pass(4_000)
    gate.resolve()
    await settle()
    assert.deepEqual(await outcomesOf(ledger, 'bad'), ['lost'])
    await bench.pass(1_000)
    assert.deepEqual(await outcomesOf(ledger, 'bad'), ['lost', 'succeeded'])
    assert.deepEqual(await ledger.discrepancies('bad', 1_000), [])
  })

  test('throws inside an abort listener: the others are aborted, and its run ends as it does', async () => {
    const ledger = new LedgerBench()
    const bench = await ledger.lead()
    const uncaught: unknown[] = []
    // For Node.js it is an uncaught exception, which nobody else can catch.
    process.setUncaughtExceptionCaptureCallback((error) => void uncaught.push(error))
    try {
      const bad = (run: Run): Promise<never> => {
        run.signal.addEventListener('abort', thrower(new Error('in a listener')))
        return new Promise((_resolve, reject) => {
          run.signal.addEventListener('abort', () => reject(new Error('aborted')))
        })
      }
      bench.schedule('bad', { every: '1s' }, bad, { timeout: '500ms' })
      bench.schedule('good', { every: '1s' })
      await bench.pass(1_500)
      assert.equal(bench.runs.find(({ jobId }) => jobId === 'bad')?.outcome, 'timed-out')
      await bench.pass(500)
      bench.term.work.abortAll(new Error('the term has ended'))
      await bench.term.work.whenIdle()
      await settle()
      assert.deepEqual(
        bench.runs.filter(({ jobId }) => jobId === 'bad').map(({ outcome }) => outcome),
        ['timed-out', 'aborted'],
      )
      assert.deepEqual(await outcomesOf(ledger, 'bad'), ['timed-out', 'aborted'])
      assert.equal(bench.runs.filter(({ jobId }) => jobId === 'good').length, 2)
      assert.deepEqual(
        uncaught.map((error) => (error as Error).message),
        ['in a listener', 'in a listener'],
      )
    } finally {
      process.setUncaughtExceptionCaptureCallback(null)
    }
  })

  test('removes its own job ends as it would have, and is not run or tried again', async () => {
    const ledger = new LedgerBench()
    const bench = await ledger.lead()
    const handler = async (): Promise<never> => {
      bench.scheduler.remove('a')
      await settle()
      throw new Error('failed after that')
    }
    bench.schedule('a', { every: '1s' }, handler, { retry: { attempts: 3, backoff: 0 } })
    await bench.pass(5_000)
    assert.deepEqual(
      bench.runs.map(({ outcome }) => outcome),
      ['failed'],
    )
    assert.deepEqual(bench.scheduler.records(), [])
    assert.equal(bench.clock.timers, 1, 'for nothing but the history, which is shortened')
    const [run, ...others] = await ledger.runs('a')
    assert.deepEqual([run?.outcome, run?.retryAtMs, others], ['failed', undefined, []])
  })

  test('schedules its own job again, with every schedule: one tick a second, and none twice', async () => {
    for (const schedule of [
      { every: '1s' },
      { every: '1s', mode: 'after-finish' },
      { cron: '* * * * * *' },
    ]) {
      const ledger = new LedgerBench()
      const bench = await ledger.lead()
      const ticks: number[] = []
      const handler = (run: Run): void => {
        ticks.push(+run.scheduledFor - 1_767_225_600_000)
        bench.schedule('a', schedule, handler)
      }
      bench.schedule('a', schedule, handler)
      await bench.pass(4_500)
      assert.deepEqual(ticks, [1_000, 2_000, 3_000, 4_000], JSON.stringify(schedule))
      const succeeded = ticks.map(() => 'succeeded')
      assert.deepEqual(await outcomesOf(ledger, 'a'), succeeded)
    }
  })

  test('removes its own job and schedules it anew has its interval counted from then', async () => {
    const ledger = new LedgerBench()
    const bench = await ledger.lead()
    let runs = 0
    const handler = (): void => {
      runs++
      bench.scheduler.remove('a')
      bench.schedule('a', { every: '3s' }, handler)
    }
    bench.schedule('a', { every: '1s' }, handler)
    await bench.pass(1_000)
    assert.equal(runs, 1)
    await bench.pass(2_750)
    assert.equal(runs, 1)
    await bench.pass(250)
    assert.equal(runs, 2)
    assert.deepEqual(await outcomesOf(ledger, 'a'), ['succeeded', 'succeeded'])
  })

  test('and another that remove, replace and run each other: both come to their end', async () => {
    const bench = new SchedulerBench().lead()
    const refused: unknown[] = []
    const runNow = (id: string): Promise<unknown> =>
      bench.scheduler.runNow(id, undefined).catch((error) => refused.push(error.code))
    const one = async (): Promise<void> => {
      bench.scheduler.remove('two')
      bench.schedule('two', { every: '1s' }, two)
      await runNow('two')
    }
    const two = async (): Promise<void> => {
      bench.schedule('one', { every: '1s' }, one)
      // It may be running, and be waiting for this one.
      await runNow('one')
    }
    bench.schedule('one', { every: '1s' }, one)
    bench.schedule('two', { every: '1s' }, two)
    await bench.pass(3_000)
    assert.ok(bench.runs.filter(({ jobId }) => jobId === 'one').length >= 3)
    assert.ok(bench.runs.every(({ outcome }) => outcome === 'succeeded'))
    assert.ok(refused.every((code) => code === 'TENURE_ERR_JOB_RUNNING'))
    assert.deepEqual(
      bench.scheduler.records().map(({ running }) => running),
      [false, false],
    )
  })

  test('pauses its job or ends the term: no further run starts', async () => {
    for (const act of ['pause', 'end'] as const) {
      const bench = new SchedulerBench().lead()
      let runs = 0
      const handler = (): void => {
        runs++
        if (act === 'pause') bench.scheduler.setPaused('a', true)
        else bench.scheduler.end()
      }
      bench.schedule('a', { every: '1s' }, handler)
      await bench.pass(5_000)
      assert.equal(runs, 1, act)
      assert.equal(bench.record('a')?.nextTickAtMs, undefined)
      assert.equal(bench.clock.timers, 0)
    }
  })
})
