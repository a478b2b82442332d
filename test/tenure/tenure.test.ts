import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'

import {
  createTenure,
  heartbeatIntervalSeconds,
  heartbeatJobId,
  heartbeatTimeoutSeconds,
  registerHeartbeat,
  TenureError,
  type Handler,
  type LogEventName,
  type TenureEvents,
  type TenureOptions,
  type Term,
} from '../../src/index.ts'
import { runHeart, runInMain, type RunHeart } from '../../src/heart/running-heart.ts'
import { createSystemSurroundings } from '../../src/heart/surroundings.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import { systemDeps } from '../../src/instance/instance.ts'
import { Tenure } from '../../src/tenure.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { faultOfLine } from '../support/check-line.ts'

interface Line {
  readonly level: string
  readonly event: LogEventName
  readonly fields: Record<string, unknown>
}

let memories = 0

/** What is wrong with lines that were logged in any test of this file. */
const faults: string[] = []

after(() => assert.deepEqual(faults, []))

/** A Tenure on a memory of its own, with what it logs. */
function tenureOn(
  options: Partial<TenureOptions> = {},
  store = `memory:tenure-${++memories}`,
): { tenure: Tenure; lines: Line[]; logged: (event: LogEventName) => Line[]; store: string } {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, event: string) => {
    lines.push({ level, event: event as LogEventName, fields: { ...fields } })
    const fault = faultOfLine(event, level, { ...fields })
    if (fault !== undefined) faults.push(fault)
  }
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const tenure = createTenure({ store, logger, ...options })
  return { tenure, lines, logged: (event) => lines.filter((line) => line.event === event), store }
}

/** The next event of a kind. */
function next<Name extends keyof TenureEvents>(
  tenure: Tenure,
  event: Name,
): Promise<TenureEvents[Name]> {
  return new Promise((resolve) => {
    const remove = tenure.on(event, (payload) => {
      remove()
      resolve(payload)
    })
  })
}

/** Starts a Tenure, and waits until it leads. */
async function lead(tenure: Tenure): Promise<Term> {
  const acquired = next(tenure, 'term:acquired')
  await tenure.start()
  return (await acquired).term
}

describe('start and stop', () => {
  test('start resolves when the heartbeat runs; stop leaves nothing behind', async () => {
    const { tenure, logged } = tenureOn()
    assert.equal(tenure.isLeader, false)
    assert.equal((await tenure.status()).role, 'stopped')
    const term = await lead(tenure)
    assert.equal(tenure.isLeader, true)
    assert.equal(tenure.term, term)
    assert.equal((await tenure.status()).role, 'leader')
    await tenure.stop()
    assert.equal(tenure.isLeader, false)
    assert.equal(tenure.term, undefined)
    assert.equal((await tenure.status()).role, 'stopped')
    assert.equal(logged('lease_acquired').length, 1)
    assert.equal(logged('lease_released').length, 1)
  })

  test('both may be called in any order and number; a stopped Tenure can be started again', async () => {
    const { tenure } = tenureOn()
    await tenure.stop()
    await tenure.stop()
    await Promise.all([tenure.start(), tenure.start()])
    await Promise.all([tenure.stop(), tenure.stop()])
    const term = await lead(tenure)
    assert.equal(term.fencingToken, 2)
    await tenure.stop()
  })

  test('stopping while starting is fine', async () => {
    const { tenure } = tenureOn()
    const starting = tenure.start()
    await tenure.stop()
    await starting
    assert.equal(tenure.isLeader, false)
  })

  test('two instances share the lease: one leads, and the other after it', async () => {
    const first = tenureOn()
    const second = tenureOn({}, first.store)
    await lead(first.tenure)
    await second.tenure.start()
    assert.equal(second.tenure.isLeader, false)
    assert.equal((await second.tenure.status()).role, 'candidate')
    const acquired = next(second.tenure, 'term:acquired')
    await first.tenure.stop()
    assert.equal((await acquired).term.fencingToken, 2)
    await second.tenure.stop()
  })

  test('a second Tenure for the same lease in one process is reported', async () => {
    const first = tenureOn()
    const second = tenureOn({}, first.store)
    await first.tenure.start()
    await second.tenure.start()
    assert.equal(first.logged('instance_duplicate').length, 0)
    assert.equal(second.logged('instance_duplicate').length, 1)
    await first.tenure.stop()
    await second.tenure.stop()
    const third = tenureOn({}, first.store)
    await third.tenure.start()
    assert.equal(third.logged('instance_duplicate').length, 0)
    await third.tenure.stop()
  })

  test('options of stop, resign and requestResign are checked', async () => {
    const { tenure } = tenureOn()
    assert.throws(() => tenure.stop({ drain: 'long' as never }), { code: 'TENURE_ERR_DURATION' })
    assert.throws(() => tenure.stop({ wait: 5 } as never), { code: 'TENURE_ERR_OPTION_UNKNOWN' })
    await assert.rejects(tenure.resign({ cooldown: 5 } as never), {
      code: 'TENURE_ERR_OPTION_UNKNOWN',
    })
    assert.throws(() => tenure.requestResign({ coolDown: -1 }), { code: 'TENURE_ERR_DURATION' })
    await tenure.stop()
  })
})

describe('a term', () => {
  test('is trusted while it lasts, and says so when it does not', async () => {
    const { tenure } = tenureOn()
    const term = await lead(tenure)
    assert.equal(term.fencingToken, 1)
    assert.match(term.holder, /^.+:\d+:[0-9a-f]{12}$/)
    assert.equal(term.isTrusted, true)
    assert.ok(term.remainingMs > 0 && term.remainingMs <= 19_000)
    term.assertTrusted()
    assert.equal(term.signal.aborted, false)
    const lost = next(tenure, 'term:lost')
    await tenure.stop()
    assert.deepEqual(await lost, { term, reason: 'stopped' })
    assert.equal(term.isTrusted, false)
    assert.equal(term.remainingMs, 0)
    assert.throws(() => term.assertTrusted(), { code: 'TENURE_ERR_NOT_TRUSTED' })
    assert.ok(term.signal.reason instanceof TenureError)
    assert.equal(term.signal.reason.code, 'TENURE_ERR_TERM_ENDED')
    assert.match(term.signal.reason.message, /token 1 has ended: stopped/)
  })

  test('is aborted by the first sign of life after a suspension, not when its timers are due', async (t) => {
    const clock = new FakeClock()
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const folder = mkdtempSync(join(tmpdir(), 'tenure-suspended-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const options = { store: `sqlite:${folder}/tenure.db`, logger }
    // The heart is on the fake clock as well, beside the main thread, which shows life all the same.
    const beside: RunHeart = (config, ...rest) =>
      runHeart({ ...config, fixed: { ...config.fixed, heartbeatIn: 'main' } }, ...rest)
    const tenure = new Tenure(options, { ...systemDeps(clock), runHeart: beside })
    const term = await lead(tenure)
    assert.equal(tenure.isLeader, true)
    clock.suspend(60_000)
    assert.equal(tenure.isLeader, false)
    assert.equal(term.signal.aborted, false)
    // Far less than what was left to the soft stop, and to the next renewal, as it fell asleep.
    clock.advance(500)
    assert.equal(term.signal.aborted, true)
    await tenure.stop()
  })

  test('each has a higher token than the last; resign waits until it is over', async () => {
    const { tenure } = tenureOn()
    const tokens = [(await lead(tenure)).fencingToken]
    for (let i = 0; i < 3; i++) {
      const acquired = next(tenure, 'term:acquired')
      await tenure.resign({ coolDown: 0 })
      assert.equal(
        tenure.term === undefined || tenure.term.fencingToken > (tokens.at(-1) ?? 0),
        true,
      )
      tokens.push((await acquired).term.fencingToken)
    }
    assert.deepEqual(tokens, [1, 2, 3, 4])
    await tenure.stop()
    await tenure.resign()
  })

  test('whileLeader calls a function once in each term, with the signal of that term', async () => {
    const { tenure } = tenureOn()
    const tokens: number[] = []
    const ended = tenure.whileLeader(async (term) => {
      tokens.push(term.fencingToken)
      await new Promise((resolve) => term.signal.addEventListener('abort', resolve))
    })
    await lead(tenure)
    const acquired = next(tenure, 'term:acquired')
    await tenure.resign({ coolDown: 0 })
    await acquired
    await tenure.stop()
    await ended
    assert.deepEqual(tokens, [1, 2])
  })

  test('whileLeader begins at once where the instance leads already, and outlives a failure', async () => {
    const { tenure, logged } = tenureOn()
    await lead(tenure)
    let calls = 0
    void tenure.whileLeader(() => {
      calls++
      throw new Error('on purpose')
    })
    assert.equal(calls, 1)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(logged('while_leader_failed').length, 1)
    const acquired = next(tenure, 'term:acquired')
    await tenure.resign({ coolDown: 0 })
    await acquired
    assert.equal(calls, 2)
    await tenure.stop()
  })

  test('a listener that throws or rejects is logged, and disturbs nobody', async () => {
    const { tenure, logged } = tenureOn()
    let heard = 0
    tenure.on('term:acquired', () => {
      throw new Error('thrown')
    })
    tenure.on('term:acquired', async () => {
      throw new Error('rejected')
    })
    tenure.on('term:acquired', () => void heard++)
    await lead(tenure)
    await tenure.stop()
    assert.equal(heard, 1)
    assert.deepEqual(
      logged('listener_failed').map(({ fields }) => fields['error']),
      ['thrown', 'rejected'],
    )
  })
})

test('a heartbeat on the event loop outlives a block past its hard fence', async () => {
  const times = { ttl: 1_000, heartbeat: 100, attemptTimeout: 50, stallLimit: 1_000 } as const
  const { tenure, logged } = tenureOn(times)
  await lead(tenure)
  const lost = next(tenure, 'term:lost')
  const again = next(tenure, 'term:acquired')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
  assert.equal(tenure.isLeader, false)
  assert.equal((await lost).reason, 'expired')
  assert.equal((await again).term.fencingToken, 2)
  assert.equal(logged('heart_died').length, 0)
  assert.equal((await tenure.status()).terms[1]?.reason, 'expired')
  await tenure.stop()
})

describe('health', () => {
  test('is told at once, by the last attempt on the store', async () => {
    const { tenure } = tenureOn()
    assert.deepEqual(tenure.health, { role: 'stopped', fault: undefined })
    await lead(tenure)
    assert.deepEqual(tenure.health, { role: 'leader', fault: undefined })
    await tenure.stop()
    assert.equal(tenure.health.role, 'stopped')
  })
})

describe('draining', () => {
  test('stop waits for a run, and meanwhile the lease is kept and renewed', async () => {
    const { tenure, logged } = tenureOn({ heartbeat: 100, attemptTimeout: 100 })
    await lead(tenure)
    let end = (): void => {}
    await tenure.schedule(
      'slow',
      { every: '1h' },
      () => new Promise<void>((resolve) => (end = resolve)),
    )
    const run = tenure.runNow('slow')
    await next(tenure, 'run:started')
    const stopping = tenure.stop()
    await next(tenure, 'term:renewed')
    assert.equal(tenure.isLeader, false, 'but nothing new may start')
    assert.equal(tenure.term?.isTrusted, true)
    await assert.rejects(tenure.runNow('slow'), { code: 'TENURE_ERR_NOT_LEADER' })
    end()
    await stopping
    assert.equal((await run).outcome, 'succeeded')
    assert.equal(logged('lease_released').length, 1)
  })

  test('what outlasts drain is aborted, and then the lease is released', async () => {
    const { tenure, logged } = tenureOn()
    await lead(tenure)
    await tenure.schedule('slow', { every: '1h' }, (run) => {
      return new Promise((_resolve, reject) => {
        run.signal.addEventListener('abort', () => reject(run.signal.reason as Error))
      })
    })
    const run = tenure.runNow('slow')
    await next(tenure, 'run:started')
    await tenure.stop({ drain: 10 })
    assert.equal((await run).outcome, 'aborted')
    assert.equal(logged('lease_released').length, 1)
  })

  test('what drains is aborted at the soft stop, where the store keeps the lease from being renewed', async () => {
    const clock = new FakeClock()
    const store = new MemoryLeaseStore(new Memory(clock))
    const logger = { debug() {}, info() {}, warn() {}, error() {} }
    const tenure = new Tenure(
      { store: 'memory:', logger },
      {
        ...systemDeps(clock),
        runHeart: (config, _clock, hear) =>
          runInMain(
            config,
            {
              ...createSystemSurroundings(clock),
              openStore: async () => store,
              openLedger: async () => undefined,
            },
            hear,
          ),
      },
    )
    let signal: AbortSignal | undefined
    const handler: Handler = (run) => {
      signal = run.signal
      return new Promise((resolve) => run.signal.addEventListener('abort', resolve, { once: true }))
    }
    await tenure.schedule('long', { every: '1s' }, handler, { ledger: false })
    const term = await lead(tenure)
    store.tryRenew = () => new Promise(() => {})
    clock.advance(1_000)
    const resigning = tenure.resign({ drain: '60s' })
    await new Promise(setImmediate)
    assert.equal(term.signal.aborted, true)
    // Trust is counted from the acquisition: the soft stop is 17 s after it, by the default times.
    clock.advance(15_500)
    assert.equal(signal?.aborted, false)
    clock.advance(600)
    assert.equal(signal?.aborted, true)
    assert.equal(term.isTrusted, true)
    clock.advance(5_000)
    await resigning
    await tenure.stop()
  })

  test('what outlasts even its abort keeps the lease from being released', async () => {
    const { tenure, logged, store } = tenureOn({ stopGrace: 20 })
    await lead(tenure)
    let end = (): void => {}
    await tenure.schedule(
      'stuck',
      { every: '1h' },
      () => new Promise<void>((resolve) => (end = resolve)),
    )
    void tenure.runNow('stuck')
    await next(tenure, 'run:started')
    await tenure.stop({ drain: 10 })
    assert.deepEqual(logged('drain_exceeded')[0]?.fields['jobs'], ['stuck'])
    assert.equal(logged('lease_released').length, 0)
    const other = tenureOn({}, store)
    assert.ok((await other.tenure.status()).lease, 'it stands until it expires')
    // When the work ends after all, before the hard fence, there is nothing to wait for any more.
    const acquired = next(other.tenure, 'term:acquired')
    await other.tenure.start()
    end()
    await acquired
    await other.tenure.stop()
  })
})

describe('the heartbeat among the jobs', () => {
  test('has a stable id, stands there once, and shows its last and next firing', async () => {
    const { tenure, logged } = tenureOn({ heartbeat: 100, attemptTimeout: 100 })
    assert.deepEqual(tenure.jobs(), [])
    await lead(tenure)
    await next(tenure, 'term:renewed')
    const [job, ...others] = tenure.jobs()
    assert.deepEqual(others, [])
    assert.equal(job?.id, heartbeatJobId)
    assert.equal(job.system, true)
    assert.equal(job.schedule, 'every 100ms')
    assert.equal(job.lastRun?.outcome, 'succeeded')
    assert.ok((job.nextTickAtMs ?? 0) > (job.lastRun?.startedAtMs ?? 0))
    assert.equal(logged('scheduler_lock_heartbeat_scheduled')[0]?.fields['intervalSeconds'], 0.1)
    await tenure.stop()
  })

  test('can be fired by hand on the leader, and cannot be changed', async () => {
    const { tenure } = tenureOn()
    await lead(tenure)
    const run = await tenure.runNow(heartbeatJobId)
    assert.equal(run.outcome, 'succeeded')
    assert.equal(run.trigger, 'manual')
    for (const call of ['pause', 'resume', 'unschedule'] as const) {
      await assert.rejects(tenure[call](heartbeatJobId), { code: 'TENURE_ERR_JOB_SYSTEM' })
    }
    await assert.rejects(
      tenure.schedule(heartbeatJobId, { every: '1s' }, () => {}),
      {
        code: 'TENURE_ERR_JOB_SYSTEM',
      },
    )
    await tenure.stop()
    await assert.rejects(tenure.runNow(heartbeatJobId), { code: 'TENURE_ERR_NOT_LEADER' })
  })

  test('the constants are those of the classic heartbeat', () => {
    assert.equal(heartbeatJobId, 'scheduler_lock_heartbeat')
    assert.equal(heartbeatIntervalSeconds, 5)
    assert.equal(heartbeatTimeoutSeconds, 5)
  })
})

describe('registerHeartbeat', () => {
  test('finds the Tenure of an application, before and after its start, and never doubles', async () => {
    for (const where of ['tenure', 'state'] as const) {
      const { tenure, logged } = tenureOn()
      const app = where === 'tenure' ? { tenure } : { state: { scheduler: tenure } }
      assert.equal(registerHeartbeat(app), 'pending')
      assert.equal(logged('scheduler_lock_heartbeat_scheduled').length, 0)
      await tenure.start()
      assert.equal(logged('scheduler_lock_heartbeat_scheduled').length, 1)
      assert.equal(registerHeartbeat(app), 'scheduled')
      assert.equal(tenure.jobs().length, 1)
      await tenure.stop()
    }
  })

  test('warns on an application that has no scheduler, and nothing crashes', () => {
    const warned: string[] = []
    const log = { warn: (_fields: object, event: string) => void warned.push(event) }
    for (const app of [
      {},
      { tenure: null },
      { tenure: {} },
      { state: {} },
      { state: { scheduler: 7 } },
    ]) {
      assert.equal(registerHeartbeat({ ...app, log }), 'no-scheduler')
    }
    assert.deepEqual(new Set(warned), new Set(['scheduler_lock_heartbeat_no_scheduler']))
    assert.equal(warned.length, 5)
  })
})

describe('the log', () => {
  test('a logger that throws ends nothing', async (t) => {
    const write = t.mock.method(process.stderr, 'write', () => true)
    const fail = (): never => {
      throw new Error('the disk of the log is full')
    }
    const { tenure } = tenureOn({ logger: { debug: fail, info: fail, warn: fail, error: fail } })
    await lead(tenure)
    await tenure.stop()
    const lines = write.mock.calls.map((call) => String(call.arguments[0]))
    assert.ok(
      lines.some((line) => line.includes('lease_acquired') && line.includes('disk of the log')),
    )
  })

  test('a logger that throws or rejects fails no run that writes to it', async (t) => {
    const write = t.mock.method(process.stderr, 'write', () => true)
    const fail = (): never => {
      throw new Error('the disk of the log is full')
    }
    const reject = (): Promise<never> => Promise.reject(new Error('the log has gone away'))
    const { tenure } = tenureOn({
      logger: { debug: fail, info: fail, warn: reject, error: fail },
    })
    await lead(tenure)
    await tenure.schedule('writes', { every: '1h' }, (run) => {
      run.log.info({ step: 1 }, 'a line that throws')
      run.log.warn('a line that rejects')
    })
    assert.equal((await tenure.runNow('writes')).outcome, 'succeeded')
    await tenure.stop()
    const lines = write.mock.calls.map((call) => String(call.arguments[0]))
    for (const text of ['a line that throws', 'a line that rejects']) {
      assert.ok(
        lines.some((line) => line.includes(text) && line.includes('loggerError')),
        text,
      )
    }
  })

  test('without a logger, warnings, errors, who leads and what jobs log go to stderr, and the rest nowhere', async (t) => {
    const write = t.mock.method(process.stderr, 'write', () => true)
    const store = `memory:tenure-${++memories}`
    const tenure = createTenure({ store })
    await lead(tenure)
    await tenure.schedule('circle', { every: '1h' }, (run) => {
      const circle: Record<string, unknown> = {}
      circle['self'] = circle
      run.log.warn(circle, 'a line with a circle')
      run.log.warn('a line of its message alone')
      run.log.info({}, 'a line that is not urgent')
      run.log.debug({}, 'a line for nobody')
      throw new Error('on purpose')
    })
    await tenure.runNow('circle')
    await tenure.stop()
    const lines = write.mock.calls.map(
      (call) => JSON.parse(String(call.arguments[0])) as { msg: string },
    )
    assert.deepEqual(
      lines.map(({ msg }) => msg),
      [
        'lease_acquired',
        'a line with a circle',
        'a line of its message alone',
        'a line that is not urgent',
        'run_failed',
        'lease_released',
      ],
    )
  })

  test('the status holds the last lines, the runs, the terms and the settings as plain data', async () => {
    const { tenure } = tenureOn({ label: 'blue' })
    await lead(tenure)
    await tenure.schedule('job', { cron: '0 3 * * *', timeZone: 'Europe/Berlin' }, () => {})
    await tenure.runNow('job')
    const status = JSON.parse(JSON.stringify(await tenure.status())) as Awaited<
      ReturnType<Tenure['status']>
    >
    assert.equal(status.instance.label, 'blue')
    assert.equal(status.instance.pid, process.pid)
    assert.equal(status.lease?.token, 1)
    assert.equal(status.lastToken, 1)
    assert.equal(status.terms[0]?.label, 'blue')
    assert.equal(status.recentRuns[0]?.jobId, 'job')
    assert.equal(status.jobs[1]?.schedule, 'cron 0 3 * * * (Europe/Berlin)')
    assert.ok(status.recentLines.some(({ event }) => event === 'lease_acquired'))
    assert.equal(status.settings.ttlMs, 20_000)
    await tenure.stop()
  })
})

test('two applications on one lease are an error in the log of the candidate', async () => {
  const first = tenureOn({ application: 'billing' })
  const second = tenureOn({ application: 'shop' }, first.store)
  await lead(first.tenure)
  await second.tenure.start()
  await first.tenure.status()
  await second.tenure.stop()
  await first.tenure.stop()
  const [line] = second.logged('lease_other_application')
  assert.equal(line?.level, 'error')
  assert.equal(line.fields['otherApplication'], 'billing')
  assert.match(
    String(line.fields['message']),
    /"shop".*"billing".*only one|Only one.*`lease: 'shop'`/s,
  )
})

test('an event that does not exist is an error, of `on`, `once` and `off` alike', () => {
  const { tenure } = tenureOn()
  for (const name of ['term:aquired', 'toString', '', undefined, 7]) {
    for (const method of ['on', 'once', 'off'] as const) {
      assert.throws(() => tenure[method](name as never, () => {}), {
        code: 'TENURE_ERR_OPTION_TYPE',
        message: /`event` to be one of \[term:acquired, .*run:finished.*\]; got /,
      })
    }
  }
  for (const listener of [undefined, 'f', {}]) {
    assert.throws(() => tenure.on('term:lost', listener as never), /`listener` to be a function/)
    assert.throws(() => tenure.whileLeader(listener as never), /`work` to be a function/)
  }
})

test('`once` hears one event, and `off` removes what `on` and `once` have added', async () => {
  const { tenure } = tenureOn()
  const heard: string[] = []
  const never = (): void => void heard.push('removed')
  tenure.once('term:acquired', () => void heard.push('once'))
  tenure.on('term:acquired', never)
  tenure.once('term:acquired', never)
  tenure.off('term:acquired', never)
  tenure.off('term:lost', never)
  tenure.on('term:acquired', () => void heard.push('on'))
  await lead(tenure)
  await tenure.resign({ coolDown: 1 })
  await next(tenure, 'term:acquired')
  await tenure.stop()
  assert.deepEqual(heard, ['once', 'on', 'on'])
})
