// A Tenure for tests of people's own jobs: always leader, its time passes by hand.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { after, describe, mock, test } from 'node:test'

import fastify from 'fastify'

import { tenurePlugin } from '../../src/fastify/tenure-plugin.ts'
import { TenureError, withCorrelationId, type Run, type TenureEvents } from '../../src/index.ts'
import {
  createTestTenure,
  type TestTenure,
  type TestTenureOptions,
} from '../../src/testing/index.ts'
import { faultOfLine } from '../support/check-line.ts'

const AsyncFunction = (async () => {}).constructor as new (
  ...texts: string[]
) => (tenure: TestTenure) => Promise<void>

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** A test Tenure that leads, and the outcomes of its runs. */
async function leading(
  options: TestTenureOptions = {},
): Promise<{ tenure: TestTenure; outcomes: string[]; lost: TenureEvents['term:lost'][] }> {
  const tenure = createTestTenure({ logger: silent, ...options })
  const outcomes: string[] = []
  const lost: TenureEvents['term:lost'][] = []
  tenure.on('run:finished', ({ run }) => void outcomes.push(run.outcome))
  tenure.on('term:lost', (event) => void lost.push(event))
  await tenure.start()
  return { tenure, outcomes, lost }
}

/** A handler that goes on until its signal is aborted, and then takes notice. */
function untilAborted(heard: string[]): (run: Run) => Promise<void> {
  return async (run) => {
    await once(run.signal, 'abort')
    heard.push((run.signal.reason as TenureError).code)
    throw run.signal.reason
  }
}

describe('a test Tenure', () => {
  // Whatever these tests do, nothing may be left that keeps a process alive.
  after(() => assert.ok(!process.getActiveResourcesInfo().includes('Timeout')))

  test('leads when it has started, with the whole interface of a Tenure', async () => {
    const { tenure } = await leading({ lease: 'mine', application: 'billing' })
    assert.equal(tenure.isLeader, true)
    assert.equal(tenure.term?.fencingToken, 1)
    assert.equal(tenure.term.isTrusted, true)
    assert.deepEqual(tenure.health, { role: 'leader', fault: undefined })
    const status = await tenure.status()
    assert.equal(status.lease?.token, 1)
    assert.equal(status.settings.application, 'billing')
    assert.equal(status.settings.heartbeatIn, 'main')
    tenure.reconfigure({ drain: '1s' })
    assert.equal(tenure.settings.drainMs, 1_000)
    await tenure.stop()
    assert.equal(tenure.isLeader, false)
  })

  test('serves in a Fastify application, and stops with it', async () => {
    const tenure = createTestTenure()
    const app = fastify()
    app.register(tenurePlugin, { tenure, routes: ['health/leader'] })
    await app.ready()
    assert.equal(tenure.isLeader, true)
    assert.equal((await app.inject('/tenure/health/leader')).statusCode, 200)
    await app.close()
    assert.equal(tenure.health.role, 'stopped')
  })

  test('keeps to itself: two of them both lead', async () => {
    const [one, other] = [await leading(), await leading()]
    assert.equal(one.tenure.isLeader && other.tenure.isLeader, true)
    await Promise.all([one.tenure.stop(), other.tenure.stop()])
  })

  test('sets no timer, and leads also where the test runner has faked all there are', async () => {
    const fake = (name: 'setTimeout' | 'setInterval' | 'setImmediate' | 'queueMicrotask') =>
      mock.method(globalThis, name, () => {})
    const faked = [fake('setTimeout'), fake('setInterval'), fake('setImmediate')]
    const microtasks = fake('queueMicrotask')
    try {
      const { tenure, outcomes } = await leading()
      await tenure.schedule('job', { every: '1s' }, () => {}, { timeout: '1s' })
      await tenure.advance('2s')
      assert.deepEqual(outcomes, ['succeeded', 'succeeded'])
      await tenure.stop()
      for (const timer of faked) assert.equal(timer.mock.callCount(), 0)
    } finally {
      for (const { mock } of [...faked, microtasks]) mock.restore()
    }
  })

  test('can be stopped and started again, at once and without a start', async () => {
    const { tenure } = await leading()
    await tenure.stop()
    await tenure.stop()
    await tenure.start()
    assert.equal(tenure.term?.fencingToken, 2)
    await tenure.stop()
    await createTestTenure().stop()
  })

  test('refuses a store, a place for the heartbeat, and whatever else it does not know', () => {
    const wrong: [object, string][] = [
      [{ store: 'memory:' }, 'TENURE_ERR_OPTION_UNKNOWN'],
      [{ heartbeatIn: 'main' }, 'TENURE_ERR_OPTION_UNKNOWN'],
      [{ tll: '1s' }, 'TENURE_ERR_OPTION_UNKNOWN'],
      [{ ttl: '1s' }, 'TENURE_ERR_OPTION_RELATION'],
      [{ now: '2026-01-01' }, 'TENURE_ERR_OPTION_TYPE'],
      [{ now: new Date(Number.NaN) }, 'TENURE_ERR_OPTION_TYPE'],
    ]
    for (const [options, code] of wrong) {
      assert.throws(() => createTestTenure(options), { name: 'TenureError', code })
    }
  })
})

describe('the time of a test Tenure', () => {
  test('stands still until it is told to pass', async () => {
    const { tenure } = await leading()
    const before = tenure.now
    await tenure.schedule('job', { every: '1s' }, () => assert.fail('no time has passed'))
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(tenure.now, before)
    await tenure.stop()
  })

  test('fires ticks, exactly and each in its time, also in a thousand odd steps', async () => {
    const { tenure } = await leading({ now: new Date('2026-06-01T00:00:00Z') })
    const every: number[] = []
    const cron: string[] = []
    await tenure.schedule('every', { every: '1m' }, (run) => void every.push(+run.scheduledFor))
    await tenure.schedule('cron', { cron: '*/10 * * * *' }, (run) => {
      assert.deepEqual(run.scheduledFor, tenure.now)
      cron.push(run.scheduledFor.toISOString())
    })
    // A loss makes instants of fractions of a millisecond.
    await tenure.lose('expired')
    await tenure.advance(40_000)
    const startedMs = tenure.now.getTime()
    for (let step = 0; step < 1_000; step++) await tenure.advance(1_234.567)
    await tenure.advance(1_800_000 - 1_234_567)
    assert.equal(Math.round(tenure.now.getTime() - startedMs), 1_800_000)
    assert.equal(every.length, 31)
    assert.deepEqual(cron, [
      '2026-06-01T00:10:00.000Z',
      '2026-06-01T00:20:00.000Z',
      '2026-06-01T00:30:00.000Z',
    ])
    await tenure.stop()
  })

  test('is what cron expressions and instants go by, over a change to summer time', async () => {
    const fewHeartbeats = { ttl: '10d', heartbeat: '1d', stallLimit: '10d' } as const
    const { tenure } = await leading({ now: new Date('2026-03-28T12:00:00Z'), ...fewHeartbeats })
    const ran: string[] = []
    const note = (run: Run): void => void ran.push(`${run.jobId} ${run.scheduledFor.toISOString()}`)
    await tenure.schedule('nightly', { cron: '0 4 * * *', timeZone: 'Europe/Berlin' }, note)
    await tenure.schedule('once', { at: '2026-03-29T00:00:00Z' }, note)
    await tenure.advance('2d')
    assert.deepEqual(ran, [
      'once 2026-03-29T00:00:00.000Z',
      'nightly 2026-03-29T02:00:00.000Z',
      'nightly 2026-03-30T02:00:00.000Z',
    ])
    await tenure.stop()
  })

  test('goes on when a run that awaits nothing real has ended', async () => {
    const { tenure, outcomes } = await leading()
    await tenure.schedule('job', { every: '1m' }, async () => {
      for (let i = 0; i < 1_000; i++) await Promise.resolve()
      await new Promise((resolve) => setImmediate(resolve))
    })
    await tenure.advance('1h')
    assert.deepEqual(
      outcomes,
      Array.from({ length: 60 }, () => 'succeeded'),
    )
    await tenure.stop()
  })

  test('does not wait for what is real: idle() does', async () => {
    const { tenure, outcomes } = await leading()
    const { promise, resolve } = Promise.withResolvers<void>()
    await tenure.schedule('real', { every: '1m' }, async () => {
      await promise
      await readFile(new URL(import.meta.url))
    })
    await tenure.advance('1m')
    assert.deepEqual(outcomes, [])
    let idle = false
    const waiting = tenure.idle().then(() => (idle = true))
    await tenure.advance('1s')
    assert.equal(idle, false)
    resolve()
    await waiting
    assert.deepEqual(outcomes, ['succeeded'])
    await tenure.idle()
    await tenure.stop()
  })

  test('lets the timeout of a run pass', async () => {
    const { tenure, outcomes } = await leading()
    const heard: string[] = []
    await tenure.schedule('slow', { every: '1h' }, untilAborted(heard), { timeout: '10s' })
    const run = tenure.runNow('slow')
    await tenure.advance('9s')
    assert.deepEqual(heard, [])
    await tenure.advance('1s')
    assert.deepEqual(heard, ['TENURE_ERR_RUN_TIMEOUT'])
    assert.equal((await run).outcome, 'timed-out')
    assert.deepEqual(outcomes, ['timed-out'])
    await tenure.stop()
  })

  test('renews the lease as it passes: an hour later it is the same term', async () => {
    const { tenure, lost } = await leading()
    let renewals = 0
    tenure.on('term:renewed', () => void renewals++)
    await tenure.advance('1h')
    assert.equal(renewals, 720)
    assert.equal(tenure.term?.fencingToken, 1)
    assert.deepEqual(lost, [])
    await tenure.stop()
  })

  test('passes as far as a stop needs: a run that goes on is aborted after the drain', async () => {
    const { tenure, outcomes } = await leading()
    const heard: string[] = []
    await tenure.schedule('job', { every: '1m' }, untilAborted(heard))
    await tenure.advance('1m')
    const before = tenure.now.getTime()
    await tenure.stop({ drain: '7s' })
    assert.equal(tenure.now.getTime() - before, 7_000)
    assert.deepEqual(heard, ['TENURE_ERR_TERM_ENDED'])
    assert.deepEqual(outcomes, ['aborted'])
  })

  test('passes as far as a resignation needs, and then as far as its cool-down is wanted', async () => {
    const { tenure, lost } = await leading()
    await tenure.resign({ coolDown: '1m' })
    assert.equal(tenure.isLeader, false)
    assert.deepEqual(
      lost.map(({ reason }) => reason),
      ['resigned'],
    )
    await tenure.advance('59s')
    assert.equal(tenure.isLeader, false)
    await tenure.advance('2s')
    assert.equal(tenure.term?.fencingToken, 2)
    await tenure.stop()
  })
})

describe('a term lost on purpose', () => {
  for (const reason of ['stolen', 'expired', 'store-unreachable'] as const) {
    test(`is over for the reason "${reason}": runs are aborted, and it leads again`, async () => {
      const { tenure, outcomes, lost } = await leading()
      const heard: string[] = []
      const term = tenure.term
      await tenure.schedule('job', { every: '1h' }, untilAborted(heard))
      const run = tenure.runNow('job')
      await tenure.lose(reason)
      assert.equal(tenure.isLeader, false)
      assert.equal(tenure.term, undefined)
      assert.equal(term?.isTrusted, false)
      assert.equal(term?.signal.aborted, true)
      assert.deepEqual(heard, ['TENURE_ERR_TERM_ENDED'])
      assert.equal((await run).outcome, 'aborted')
      assert.deepEqual(outcomes, ['aborted'])
      assert.deepEqual(
        lost.map((event) => event.reason),
        [reason],
      )
      await tenure.advance('21s')
      const { terms, term: next } = await tenure.status()
      assert.ok(next !== undefined && next.fencingToken > 1)
      assert.equal(terms.at(-1)?.reason, reason)
      await tenure.stop()
    })
  }

  test('is "stolen" unless it is said otherwise; while another leads no tick is run', async () => {
    const { tenure, outcomes, lost } = await leading()
    await tenure.schedule('job', { every: '1s' }, () => {})
    await tenure.lose()
    assert.deepEqual(
      lost.map(({ reason }) => reason),
      ['stolen'],
    )
    await tenure.advance('15s')
    assert.equal(tenure.isLeader, false)
    assert.deepEqual(outcomes, [])
    await tenure.advance('15s')
    assert.ok(outcomes.length > 5)
    await tenure.stop()
  })

  test('leaves a run its grace where the store is unreachable: still trusted when aborted', async () => {
    const { tenure } = await leading()
    const trusted: unknown[] = []
    await tenure.schedule('job', { every: '1h' }, async (run) => {
      await once(run.signal, 'abort')
      trusted.push(tenure.term?.isTrusted, tenure.isLeader)
    })
    void tenure.runNow('job')
    await tenure.lose('store-unreachable')
    assert.deepEqual(trusted, [true, false])
    assert.equal((await tenure.status()).storeError, undefined)
    await tenure.stop()
  })

  test('is over also for a run that does not obey its signal', async () => {
    for (const reason of ['stolen', 'expired', 'store-unreachable'] as const) {
      const { tenure, lost } = await leading()
      const { promise, resolve } = Promise.withResolvers<void>()
      await tenure.schedule('deaf', { every: '1h' }, () => promise)
      void tenure.runNow('deaf')
      await tenure.lose(reason)
      assert.deepEqual(
        lost.map((event) => event.reason),
        [reason],
      )
      resolve()
      await tenure.idle()
      await tenure.stop()
    }
  })

  test('ends and begins the work of whileLeader', async () => {
    const { tenure } = await leading()
    const seen: string[] = []
    const done = tenure.whileLeader(async (term) => {
      seen.push(`begin ${term.fencingToken}`)
      await once(term.signal, 'abort')
      seen.push(`end ${term.fencingToken}`)
    })
    await tenure.lose('expired')
    await tenure.advance('1s')
    await tenure.stop()
    await done
    assert.deepEqual(seen, ['begin 1', 'end 1', 'begin 2', 'end 2'])
  })

  test('has to be held, and to be lost for a reason that there is', async () => {
    const idle = createTestTenure()
    await assert.rejects(idle.lose(), { code: 'TENURE_ERR_NOT_LEADER' })
    const { tenure } = await leading()
    await assert.rejects(tenure.lose('boredom' as 'stolen'), { code: 'TENURE_ERR_OPTION_TYPE' })
    await assert.rejects(tenure.advance('soon' as '1m'), { code: 'TENURE_ERR_DURATION' })
    await tenure.lose()
    await assert.rejects(tenure.lose(), { code: 'TENURE_ERR_NOT_LEADER' })
    await tenure.stop()
  })

  test('a run has its correlation id, its fencing token and its data, as always', async () => {
    const { tenure } = await leading()
    const runs: Run<number>[] = []
    await tenure.schedule<number>('job', { every: '1h' }, (run) => void runs.push(run), { data: 7 })
    await withCorrelationId('request-1', () => tenure.runNow('job'))
    assert.equal(runs[0]?.correlationId, 'request-1')
    assert.equal(runs[0]?.fencingToken, 1)
    assert.equal(runs[0]?.data, 7)
    await tenure.stop()
  })
})

describe('the jobs of a test Tenure', () => {
  test('have no jitter, so that their ticks come when the schedule says', async () => {
    const { tenure } = await leading()
    const at: number[] = []
    const startedMs = tenure.now.getTime()
    const handler = (): void => void at.push(tenure.now.getTime() - startedMs)
    await tenure.schedule('job', { every: '1m' }, handler, { jitter: '59s' })
    await tenure.advance('3m')
    assert.deepEqual(at, [60_000, 120_000, 180_000])
    await tenure.stop()
  })

  test('that are lost are told, logged, and shown in the status', async () => {
    const lines: { event: string; fields: object }[] = []
    const error = (fields: object, event: string): void => void lines.push({ event, fields })
    const { tenure, outcomes } = await leading({ logger: { ...silent, error } })
    const told: string[] = []
    tenure.on('run:lost', ({ run }) => void told.push(run.outcome))
    const { promise, resolve } = Promise.withResolvers<void>()
    const options = { timeout: '1s', timeoutGrace: '2s' } as const
    await tenure.schedule('deaf', { every: '1h' }, () => promise, options)
    const run = tenure.runNow('deaf')
    await tenure.advance('3s')
    assert.equal((await run).outcome, 'lost')
    assert.deepEqual([told, outcomes], [['lost'], []])
    assert.deepEqual(
      lines.map(({ event, fields }) => [event, faultOfLine(event, 'error', fields as never)]),
      [
        ['run_timeout', undefined],
        ['run_lost', undefined],
      ],
    )
    const { recentRuns, jobs } = await tenure.status()
    assert.equal(recentRuns[0]?.outcome, 'lost')
    assert.equal(jobs[1]?.running, true)
    resolve()
    await tenure.idle()
    assert.deepEqual(outcomes, ['lost'])
    await tenure.stop()
  })

  test('log each line of theirs with its level and its fields', async () => {
    const faults: unknown[] = []
    const seen = new Set<string>()
    const at = (level: string) => (fields: object, event: string) => {
      seen.add(event)
      faults.push(faultOfLine(event, level, fields as never))
    }
    const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
    const { tenure } = await leading({ logger })
    const fail = (): never => {
      throw new Error('failed on purpose')
    }
    await tenure.schedule('fails', { every: '5s' }, fail, { retry: { attempts: 9, backoff: '4s' } })
    await tenure.advance('20s')
    for (const event of ['run_started', 'run_failed', 'run_retry', 'run_skipped']) {
      assert.ok(seen.has(event), event)
    }
    assert.deepEqual([...new Set(faults)], [undefined])
    await tenure.stop()
  })

  test('are those of the example in docs/scheduling.md, which runs as it stands', async () => {
    const text = await readFile(new URL('../../docs/scheduling.md', import.meta.url), 'utf8')
    const example = /```js\n([\s\S]*?)```/.exec(text)?.[1] ?? ''
    // A module can neither be given a test Tenure nor be run from a text without a file.
    const body = example.replace(/^import .*$/m, '').replace(/^const tenure = .*$/m, '')
    assert.notEqual(body.length, example.length)
    const { tenure, outcomes } = await leading({ now: new Date('2026-06-01T03:59:00Z') })
    await new AsyncFunction('tenure', body)(tenure)
    await tenure.advance('2m')
    assert.deepEqual(outcomes, ['succeeded'])
    const progress = tenure.jobs().find(({ id }) => id === 'import-prices')?.lastRun?.progress
    assert.deepEqual(progress, { fraction: 1, note: 'page 40 of 40' })
    await tenure.stop()
  })
})
