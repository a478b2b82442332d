// Jobs that are stored while the application runs, by whole instances on a fake clock.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { NotingGroup, type Member } from '../support/memory-group.ts'

const idsOf = ({ tenure }: Member): string[] =>
  tenure.jobs().flatMap(({ id, system }) => (system ? [] : [id]))

describe('a job that is stored while the application runs', () => {
  test('is stored, changed and removed by any instance; the leader follows within a second', async () => {
    const group = new NotingGroup()
    const leader = await group.start()
    const { tenure } = await group.start()
    await tenure.stored.schedule('report', { every: '10s' }, 'note', { data: { customer: 7 } })
    await group.pass(1_000)
    assert.deepEqual(idsOf(leader), ['report'])
    assert.deepEqual(idsOf({ tenure } as Member), [], 'only the leader runs it')
    await group.pass(20_000)
    assert.deepEqual(group.take(), [
      ['a', 'report', 10, { customer: 7 }],
      ['a', 'report', 20, { customer: 7 }],
    ])
    await tenure.stored.schedule('report', { every: '5s' }, 'note')
    await group.pass(6_000)
    assert.deepEqual(group.take(), [['a', 'report', 26]])
    for (const each of [leader.tenure, tenure]) {
      await assert.rejects(each.unschedule('report'), { code: 'TENURE_ERR_JOB_UNKNOWN' })
    }
    await assert.rejects(leader.tenure.unschedule('report'), {
      message: /tenure\.stored\.unschedule/,
    })
    await group.pass(1_000)
    assert.deepEqual(idsOf(leader), ['report'], 'a stored job is removed from the store only')
    await tenure.stored.unschedule('report')
    await group.pass(1_000)
    assert.deepEqual(idsOf(leader), [])
    await group.pass(60_000)
    assert.deepEqual(group.take(), [])
    await assert.rejects(tenure.stored.unschedule('report'), {
      code: 'TENURE_ERR_JOB_UNKNOWN',
      message: /`tenure\.stored\.list`.*"report".*`tenure\.unschedule`/,
    })
  })

  test('outlives its leader, and the next one makes up for what nobody ran', async () => {
    const group = new NotingGroup()
    const first = await group.start()
    await first.tenure.stored.schedule('report', { every: '10s' }, 'note')
    await group.pass(10_500)
    await group.stop(first)
    assert.deepEqual(idsOf(first), [], 'it does not lead any more')
    await group.pass(25_000)
    await group.start()
    await group.pass(5_000)
    assert.deepEqual(group.take(), [
      ['a', 'report', 10],
      ['b', 'report', 30],
      ['b', 'report', 40],
    ])
  })

  test('is run by an instance that leads again', async () => {
    const group = new NotingGroup()
    const { tenure } = await group.start()
    await tenure.stored.schedule('report', { every: '10s' }, 'note')
    await group.pass(10_500)
    const resigned = tenure.resign({ coolDown: '15s' })
    await group.pass(20_000)
    await resigned
    assert.equal(tenure.term?.fencingToken, 2)
    assert.deepEqual(group.take(), [
      ['a', 'report', 10],
      ['a', 'report', 20],
      ['a', 'report', 30],
    ])
  })

  test('is run at its instant though nobody led when it was stored, or when it was due', async () => {
    const group = new NotingGroup()
    const member = group.add()
    group.handle(member, 'note')
    const soon = new Date(group.clock.wallMs() + 5_000)
    await member.tenure.stored.schedule('once', { at: soon }, 'note')
    await group.pass(60_000)
    await group.start()
    assert.deepEqual(group.take(), [['b', 'once', 5]])
  })

  test('keeps its next tick when each deploy stores it again', async () => {
    const group = new NotingGroup()
    const { tenure } = await group.start()
    for (let deploy = 0; deploy < 4; deploy++) {
      await tenure.stored.schedule('report', { every: '10s' }, 'note', { data: deploy })
      await group.pass(4_000)
    }
    assert.deepEqual(group.take(), [['a', 'report', 10, 2]])
  })

  test('begins anew when it was removed and is stored again, also where nobody saw it', async () => {
    const group = new NotingGroup()
    const first = await group.start()
    const schedule = { every: '1h' } as const
    await first.tenure.stored.schedule('report', schedule, 'note')
    await group.pass(3_600_000)
    assert.equal(group.take().length, 1)
    await group.stop(first)
    await group.pass(3_600_000)
    await first.tenure.stored.unschedule('report')
    await first.tenure.stored.schedule('report', schedule, 'note')
    await group.start()
    await group.pass(3_590_000)
    assert.deepEqual(group.take(), [])
    await group.pass(20_000)
    assert.equal(group.take().length, 1)
  })

  test('has an interval on one grid over takeovers, also without the ledger', async () => {
    const group = new NotingGroup()
    const first = await group.start()
    await first.tenure.stored.schedule('report', { every: '10s' }, 'note', { ledger: false })
    await group.pass(13_000)
    await group.stop(first)
    await group.start()
    await group.pass(8_000)
    assert.deepEqual(
      group.take().map(([who, , atS]) => [who, atS]),
      [
        ['a', 10],
        ['b', 20],
      ],
    )
  })

  test('is tried again by the next leader where it has failed', async () => {
    const group = new NotingGroup()
    const attempts: [string, number][] = []
    const start = async (): Promise<Member> => {
      const member = group.add()
      // It has taken over before it knows of the stored job.
      await member.tenure.schedule('own', { every: '1d' }, () => {})
      await member.tenure.start()
      await group.pass(100)
      member.tenure.handle('fail', ({ attempt }) => {
        attempts.push([member.name, attempt])
        if (attempt === 1) throw new Error('not yet')
      })
      await group.pass(600)
      return member
    }
    const first = await start()
    const retry = { attempts: 2, backoff: '30s' } as const
    await first.tenure.stored.schedule('report', { every: '1h' }, 'fail', { retry })
    await group.pass(3_600_500)
    await group.stop(first)
    await start()
    await group.pass(40_000)
    assert.deepEqual(attempts, [
      ['a', 1],
      ['b', 2],
    ])
  })
})

describe('a leader that cannot run a stored job', () => {
  test('without its handler it says so once in a term; the next one makes up for the tick', async () => {
    const group = new NotingGroup()
    const first = await group.start(['other'])
    const clerk = await group.start(['note'], { eligible: false })
    for (const id of ['x', 'y']) await clerk.tenure.stored.schedule(id, { every: '10s' }, 'note')
    await group.pass(25_000)
    assert.deepEqual(group.take(), [])
    const told = first.logged('stored_job_not_run')
    assert.deepEqual(
      told.map(({ jobId, handler }) => [jobId, handler]),
      [['x', 'note']],
    )
    await group.stop(first)
    await group.start()
    assert.deepEqual(group.take(), [
      ['c', 'x', 20],
      ['c', 'y', 20],
    ])
  })

  test('runs it when it is given the handler', async () => {
    const group = new NotingGroup()
    const first = await group.start(['other'])
    const clerk = await group.start(['note'], { eligible: false })
    await clerk.tenure.stored.schedule('report', { every: '10s' }, 'note')
    await group.pass(15_000)
    group.handle(first, 'note')
    await group.pass(100)
    assert.deepEqual(group.take(), [['a', 'report', 10]])
  })

  test('runs a job of its own in the stead of one with the same id, and says so', async () => {
    const group = new NotingGroup()
    const first = await group.start()
    await first.tenure.schedule('report', { every: '10s' }, (run) => group.note(first, run), {
      data: 'own',
    })
    const clerk = await group.start(['note'], { eligible: false })
    await clerk.tenure.stored.schedule('report', { every: '10s' }, 'note')
    await group.pass(10_000)
    assert.deepEqual(group.take(), [['a', 'report', 10, 'own']])
    assert.match(String(first.logged('stored_job_not_run')[0]?.['message']), /run in its stead/)
    await assert.rejects(first.tenure.stored.schedule('report', { every: '10s' }, 'note'), {
      code: 'TENURE_ERR_JOB_EXISTS',
      message: /scheduled one in its code/,
    })
    await first.tenure.unschedule('report')
    assert.equal((await clerk.tenure.stored.list()).length, 1, 'its own one is what it removes')
    await first.tenure.schedule('report', { every: '10s' }, () => {})
    await first.tenure.stored.unschedule('report')
    assert.deepEqual([await clerk.tenure.stored.list(), idsOf(first)], [[], ['report']])
  })

  test('says what it does not understand, as of a later version, and runs the others', async () => {
    const group = new NotingGroup()
    const first = await group.start()
    const ledger = new MemoryLedgerStore(group.memory)
    const text = JSON.stringify({ schedule: { every: '10s' }, options: { telepathy: true } })
    const schedule = { jobId: 'new', handler: 'note', words: 'every 10s', text, storedAtMs: 0 }
    const request = { lease: 'scheduler', schedule, onConflict: 'replace' } as const
    await ledger.tryStoreSchedule(request, AbortSignal.timeout(20_000))
    await first.tenure.stored.schedule('old', { every: '10s' }, 'note')
    await group.pass(10_500)
    assert.deepEqual(group.take(), [['a', 'old', 10]])
    const [told] = first.logged('stored_job_not_run')
    assert.equal(told?.['jobId'], 'new')
    assert.match(String(told?.['message']), /telepathy/)
  })

  test('tells of a store that does not answer, and follows when it does', async () => {
    const group = new NotingGroup()
    const first = await group.start()
    first.ledgerFails = true
    await group.pass(1_000)
    await first.tenure.stored.schedule('report', { every: '10s' }, 'note')
    await group.pass(2_000)
    assert.deepEqual(idsOf(first), [])
    assert.match(String(first.logged('ledger_failed')[0]?.['message']), /no ledger here/)
    first.ledgerFails = false
    await group.pass(1_000)
    assert.deepEqual(idsOf(first), ['report'])
  })

  test('follows while it stores without end, though each look takes longer than that', async () => {
    const group = new NotingGroup()
    const member = await group.start()
    member.ledgerTakesMs = 100
    for (let i = 0; i < 30; i++) {
      await member.tenure.stored.schedule(`job ${i}`, { every: '1h' }, 'note', { ledger: false })
      await group.pass(50)
    }
    assert.ok(idsOf(member).length >= 10, `${idsOf(member).length} are followed after 1.5 s`)
  })

  test('asks the store for nothing where no handler was given', async () => {
    const group = new NotingGroup()
    const first = await group.start([])
    await group.pass(60_000)
    assert.deepEqual(first.verbs, [])
  })
})

describe('what is stored', () => {
  test('is listed as it was given, on any instance, and is removed without a leader', async () => {
    const group = new NotingGroup()
    const member = group.add()
    group.handle(member, 'note')
    const { tenure } = member
    const storedAtMs = Math.round(group.clock.wallMs())
    const startAt = new Date('2030-01-01T00:00:00Z')
    await tenure.stored.schedule('a', { cron: '0 8 * * *', startAt }, 'note', {
      data: { customer: 7 },
      overdue: 'skip',
      onConflict: 'error',
    })
    const onceAt = '2030-01-01T00:00:00Z'
    await tenure.stored.schedule('b', { at: onceAt }, 'note')
    assert.deepEqual(await group.add().tenure.stored.list(), [
      {
        id: 'a',
        handler: 'note',
        schedule: { cron: '0 8 * * *', startAt: '2030-01-01T00:00:00.000Z' },
        options: { data: { customer: 7 }, overdue: 'skip' },
        storedAtMs,
      },
      { id: 'b', handler: 'note', schedule: { at: onceAt }, options: {}, storedAtMs },
    ])
    await tenure.stored.unschedule('a')
    assert.deepEqual(
      (await tenure.stored.list()).map(({ id }) => id),
      ['b'],
    )
  })

  test('is listed whole, however much it is', async () => {
    const group = new NotingGroup()
    const member = await group.start()
    for (let i = 0; i < 250; i++) {
      await member.tenure.stored.schedule(`job ${i}`, { every: '1h' }, 'note')
    }
    assert.equal((await member.tenure.stored.list()).length, 250)
    await group.pass(1_000)
    assert.equal(idsOf(member).length, 250)
  })

  test('may be kept, or be an error, where there is one', async () => {
    const group = new NotingGroup()
    const { tenure } = await group.start()
    await tenure.stored.schedule('a', { every: '1m' }, 'note')
    await tenure.stored.schedule('a', { every: '2m' }, 'note', { onConflict: 'keep' })
    const [kept] = await tenure.stored.list()
    assert.deepEqual(kept?.schedule, { every: '1m' })
    await assert.rejects(
      tenure.stored.schedule('a', { every: '2m' }, 'note', { onConflict: 'error' }),
      {
        code: 'TENURE_ERR_JOB_EXISTS',
      },
    )
  })

  test('has to be understood, and to be what JSON can hold: else nothing is stored', async () => {
    const group = new NotingGroup()
    const { tenure } = await group.start()
    const every = { every: '1m' } as const
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    const unfit = [new Date(), () => {}, 7n, circular, { at: undefined }, Number.NaN, new Map()]
    for (const data of unfit) {
      await assert.rejects(tenure.stored.schedule('a', every, 'note', { data }), {
        code: 'TENURE_ERR_OPTION_TYPE',
        message: /Expected `data` of a stored job to be what JSON can hold, unchanged; got /,
      })
    }
    await assert.rejects(tenure.stored.schedule('a', every, 'note', { data: 'x'.repeat(70_000) }), {
      code: 'TENURE_ERR_OPTION_TYPE',
      message: /at most 65536 characters of JSON; got 700\d\d/,
    })
    await assert.rejects(tenure.stored.schedule('a', every, 'nobody'), {
      code: 'TENURE_ERR_HANDLER_UNKNOWN',
      message: /one of the handlers \[note\].*got "nobody"/,
    })
    await assert.rejects(tenure.stored.schedule('', every, 'note'), { code: 'TENURE_ERR_JOB_ID' })
    await assert.rejects(tenure.stored.schedule('a', { cron: 'soon' }, 'note'), {
      code: 'TENURE_ERR_SCHEDULE',
    })
    await assert.rejects(
      tenure.stored.schedule('a', every, 'note', { telepathy: true } as object),
      {
        code: 'TENURE_ERR_OPTION_UNKNOWN',
      },
    )
    await assert.rejects(tenure.stored.schedule('scheduler_lock_heartbeat', every, 'note'), {
      code: 'TENURE_ERR_JOB_EXISTS',
    })
    assert.throws(() => tenure.handle('', () => {}), { code: 'TENURE_ERR_OPTION_TYPE' })
    assert.throws(() => tenure.handle('a', 'b' as never), { code: 'TENURE_ERR_OPTION_TYPE' })
    assert.deepEqual(await tenure.stored.list(), [])
  })
})
