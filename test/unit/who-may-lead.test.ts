// Which instance may lead, by whole instances that share a memory on a fake clock.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { pageDataOf } from '../../src/dashboard/page-data.ts'
import { startCoolDownMs } from '../../src/schedule/start-failures.ts'
import { MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import { Group, type Member } from '../support/memory-group.ts'

describe('an instance that is not eligible', () => {
  test('never leads, also where the leader is gone; an eligible one that comes does', async () => {
    const group = new Group()
    const leader = group.add()
    const observer = group.add({ eligible: false })
    let worked = 0
    void observer.tenure.whileLeader(() => void worked++)
    await leader.tenure.start()
    await observer.tenure.start()
    await group.pass(10_000)
    assert.deepEqual(group.leaders, ['a'])
    group.memory.table.deleteRecord('scheduler')
    void leader.tenure.stop()
    await group.pass(60_000)
    assert.deepEqual(group.leaders, [])
    assert.equal(observer.tenure.health.role, 'observer')
    await group.add().tenure.start()
    await group.pass(100)
    assert.deepEqual(group.leaders, ['c'])
    assert.equal(worked, 0)
    assert.deepEqual(observer.logged('lease_held'), [], 'it asks the store for nothing')
  })

  test('shows the lease as stored, says that it is not eligible, and can ask for a resignation', async () => {
    const group = new Group()
    const leader = group.add()
    await leader.tenure.start()
    const memory = group.memory
    await group.pass(100)
    // What looks at the lease opens the store by its URL.
    const { provideMemory } = await import('../../src/store/memory/memory-store.ts')
    provideMemory('may-lead-b', memory)
    const observer = group.add({ eligible: false })
    await observer.tenure.start()
    await group.pass(100)
    const status = await observer.tenure.status()
    assert.equal(status.lease?.label, 'a')
    assert.equal(status.role, 'observer')
    assert.equal(status.settings.eligible, false)
    assert.equal(pageDataOf(status).instances[0]?.role, 'observer')
    const asked = await observer.tenure.requestResign({ coolDown: '1s' })
    assert.equal(asked.kind, 'requested')
    await group.pass(500)
    assert.deepEqual(leader.losses, ['resigned'])
    assert.deepEqual(group.leaders, [])
    await group.pass(1_000)
    assert.deepEqual(group.leaders, ['a'])
  })

  test('is what a leader becomes that is told so: it resigns, and may lead again once told', async () => {
    const group = new Group()
    const { tenure, losses } = group.add()
    await tenure.start()
    await group.pass(100)
    tenure.reconfigure({ eligible: false })
    await group.pass(60_000)
    assert.deepEqual(losses, ['resigned'])
    assert.deepEqual(group.leaders, [])
    assert.equal(tenure.health.role, 'observer')
    tenure.reconfigure({ eligible: true })
    await group.pass(100)
    assert.deepEqual(group.leaders, ['a'])
  })

  test('is told by a flag, and nothing else compiles', () => {
    // @ts-expect-error It is no text.
    assert.throws(() => new Group().add({ eligible: 'no' }), { code: 'TENURE_ERR_OPTION_TYPE' })
  })
})

describe('the jobs of two instances', () => {
  const nothing = (): void => {}

  test('that differ are told by the candidate, once, by a line, an event and the status', async () => {
    const group = new Group()
    const leader = group.add()
    await leader.tenure.schedule('purge', { every: '1h' }, nothing)
    await leader.tenure.start()
    await group.pass(100)
    const candidate = group.add()
    await candidate.tenure.schedule('purge', { every: '2h' }, nothing)
    await candidate.tenure.start()
    await group.pass(3_900)
    assert.deepEqual(candidate.differences, [])
    await group.pass(60_000)
    const { jobsHash } = await leader.tenure.status()
    const own = (await candidate.tenure.status()).jobsHash
    const difference = { holder: 'a:1', jobsHash: own, leaderJobsHash: jobsHash }
    assert.deepEqual(candidate.differences, [difference])
    const lines = candidate.logged('jobs_differ')
    assert.equal(lines.length, 1)
    assert.deepEqual({ ...lines[0], ...difference }, lines[0])
    assert.deepEqual([leader.differences, leader.logged('jobs_differ')], [[], []])
    const record = (await new MemoryLeaseStore(group.memory).read('scheduler', signal())).record
    assert.equal(record?.jobsHash, jobsHash)
    assert.notEqual(own, jobsHash)
  })

  test('that are the same, in whatever order and however late, are nothing to tell', async () => {
    const group = new Group()
    const leader = group.add()
    const candidate = group.add()
    await leader.tenure.start()
    await group.pass(100)
    await candidate.tenure.start()
    await group.pass(100)
    // One after the other, as an application does that waits for something in between.
    for (const [id, member] of [
      ['one', leader],
      ['two', candidate],
      ['two', leader],
      ['one', candidate],
    ] as const) {
      await member.tenure.schedule(id, { every: '1h' }, nothing)
      await group.pass(400)
    }
    await group.pass(60_000)
    assert.deepEqual(candidate.logged('jobs_differ'), [])
    const { jobsHash } = await candidate.tenure.status()
    assert.equal(jobsHash, (await leader.tenure.status()).jobsHash)
    assert.ok(jobsHash !== undefined)
    await leader.tenure.schedule('three', { every: '1h' }, nothing)
    await group.pass(20_000)
    assert.equal(candidate.differences.length, 1, 'a change of the leader is seen')
  })

  test('are not compared where one of them has none, or is of another application', async () => {
    const group = new Group()
    const leader = group.add()
    await leader.tenure.schedule('purge', { every: '1h' }, nothing)
    await leader.tenure.start()
    await group.pass(100)
    const bare = group.add()
    const other = group.add({ application: 'another' })
    await other.tenure.schedule('other', { every: '1h' }, nothing)
    for (const { tenure } of [bare, other]) await tenure.start()
    await group.pass(60_000)
    assert.deepEqual([...bare.differences, ...other.differences], [])
  })

  test('that differ are a notice of the page, but for the leader', async () => {
    const group = new Group()
    const { tenure } = group.add()
    await tenure.schedule('purge', { every: '1h' }, nothing)
    const status = await tenure.status()
    const holder = { holder: 'x:1:y', token: 1, application: 'tenure', label: undefined }
    const times = { ttlMs: 1, renewals: 0, ageMs: 0, remainingMs: 1, resignRequest: undefined }
    const lease = { ...holder, ...times, jobsHash: 'f00d' }
    assert.match(pageDataOf({ ...status, lease }).notice ?? '', /other jobs.*\(f00d\)/)
    assert.equal(pageDataOf({ ...status, lease, role: 'leader' }).notice, undefined)
    for (const same of [
      { ...lease, jobsHash: status.jobsHash },
      { ...lease, jobsHash: undefined },
      { ...lease, application: 'another' },
    ]) {
      assert.equal(pageDataOf({ ...status, lease: same }).notice, undefined)
    }
  })
})

describe('a leader whose ledger fails', () => {
  /** Runs jobs, with a ledger that works for some only. */
  async function start(group: Group, fails: boolean): Promise<Member> {
    const member = group.add()
    member.ledgerFails = fails
    await member.tenure.schedule('purge', { every: '1s' }, () => {})
    await member.tenure.start()
    await group.pass(10)
    return member
  }

  test('resigns when three attempts have, though the lease is renewed; another one leads', async () => {
    const group = new Group()
    const broken = await start(group, true)
    const other = await start(group, false)
    await group.pass(1_900)
    assert.ok(broken.verbs.length > 3)
    assert.deepEqual(group.leaders, ['a'], 'the lease was not renewed yet')
    await group.pass(4_000)
    assert.deepEqual(group.leaders, ['b'])
    assert.deepEqual(broken.losses, ['resigned'])
    const [line] = broken.logged('jobs_cannot_start')
    assert.equal(line?.['coolDownMs'], startCoolDownMs)
    assert.ok(Number(line['failures']) >= 3)
    await group.pass(3_000)
    assert.ok(other.tenure.jobs().some(({ lastRun }) => lastRun?.outcome === 'succeeded'))
    broken.ledgerFails = false
    void other.tenure.stop()
    await group.pass(40_000)
    assert.deepEqual(group.leaders, [], 'it is no candidate in its cool-down')
    await group.pass(startCoolDownMs - 40_000)
    assert.equal(broken.tenure.term?.fencingToken, 3)
  })

  test('that claims ticks and fails from then on resigns, too', async () => {
    const group = new Group()
    const member = await start(group, false)
    await group.pass(5_000)
    assert.ok(member.verbs.includes('tryClaim'))
    member.ledgerFails = true
    await group.pass(12_000)
    assert.deepEqual(member.losses, ['resigned'])
  })

  test('does not where a failure passes: each success begins anew', async () => {
    const group = new Group()
    const member = await start(group, false)
    for (let round = 0; round < 20; round++) {
      member.ledgerFails = true
      await group.pass(1_150)
      member.ledgerFails = false
      await group.pass(2_200)
    }
    assert.deepEqual(member.losses, [])
    assert.ok(member.logged('ledger_failed').length >= 20)
    assert.deepEqual(group.leaders, ['a'])
  })

  test('does not for what no job waits for', async () => {
    const group = new Group()
    const member = group.add()
    await member.tenure.schedule('rare', { every: '1h' }, () => {})
    await member.tenure.start()
    await group.pass(10)
    member.ledgerFails = true
    await group.pass(300_000)
    assert.ok(member.verbs.filter((verb) => verb === 'tryPrune').length > 10)
    assert.deepEqual(member.losses, [])
  })

  test('does not while it is stopped', async () => {
    const group = new Group()
    const member = await start(group, true)
    await group.pass(1_990)
    void member.tenure.stop()
    await group.pass(20_000)
    assert.deepEqual(member.losses, ['stopped'])
    assert.deepEqual(member.logged('jobs_cannot_start'), [])
  })

  test('leads on where there is nobody else; of many each resigns once in a cool-down', async () => {
    const alone = new Group()
    const sole = await start(alone, true)
    await alone.pass(300_000)
    assert.deepEqual(alone.leaders, ['a'])
    assert.deepEqual(sole.losses, ['resigned'])
    const group = new Group()
    const members = [await start(group, true), await start(group, true), await start(group, true)]
    await group.pass(10 * startCoolDownMs)
    for (const { losses } of members) {
      assert.ok(losses.length >= 8 && losses.length <= 10, `resigned ${losses.length} times`)
      assert.ok(losses.every((reason) => reason === 'resigned'))
    }
    assert.ok(group.memory.table.tokenOf('scheduler') <= 31)
  })
})

function signal(): AbortSignal {
  return AbortSignal.timeout(20_000)
}
