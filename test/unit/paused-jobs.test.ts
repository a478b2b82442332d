// Jobs that are paused on one instance of many, by whole instances on a fake clock.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { NotingGroup, type Member } from '../support/memory-group.ts'

/** A group of instances with the same job in their code, each of which notes that it runs it. */
class PausingGroup extends NotingGroup {
  async member(ledger = true, handlers: readonly string[] = []): Promise<Member> {
    const member = this.add()
    for (const name of handlers) this.handle(member, name)
    const run = (given: Parameters<typeof this.note>[1]): void => this.note(member, given)
    await member.tenure.schedule('purge', { every: '10s' }, run, { ledger })
    await member.tenure.start()
    await this.pass(100)
    return member
  }
}

describe('a job that is paused', () => {
  test('on a candidate, is paused on the leader within a heartbeat interval, and on the next', async () => {
    const group = new PausingGroup()
    const first = await group.member()
    const second = await group.member()
    await group.pass(10_000)
    assert.deepEqual(group.take(), [['a', 'purge', 10]])
    await second.tenure.pause('purge')
    await group.pass(2_000)
    const [, job] = first.tenure.jobs()
    assert.deepEqual([job?.id, job?.paused], ['purge', true])
    await group.pass(30_000)
    await group.stop(first)
    assert.ok(second.tenure.isLeader)
    await group.pass(30_000)
    await group.stop(second)
    const third = await group.member()
    await group.pass(30_000)
    assert.deepEqual(group.take(), [])
    await third.tenure.resume('purge')
    await group.pass(10_000)
    assert.deepEqual(
      group.take().map(([who, , atS]) => [who, atS]),
      [
        ['c', 100],
        ['c', 110],
      ],
      'it makes up for the latest tick',
    )
  })

  test('and resumed elsewhere, is run by the leader again', async () => {
    const group = new PausingGroup()
    const first = await group.member()
    const second = await group.member()
    await first.tenure.pause('purge')
    await group.pass(25_000)
    assert.deepEqual(group.take(), [])
    await second.tenure.resume('purge')
    await group.pass(2_000)
    assert.deepEqual(group.take(), [['a', 'purge', 20]])
  })

  test('before anybody led, in the code, is not run at all', async () => {
    const group = new PausingGroup()
    const member = group.add()
    await member.tenure.schedule('purge', { every: '10s' }, (run) => group.note(member, run))
    await member.tenure.pause('purge')
    await member.tenure.start()
    await group.pass(30_000)
    assert.deepEqual(group.take(), [])
    await member.tenure.resume('purge')
    await group.pass(100)
    assert.deepEqual(group.take(), [['a', 'purge', 30]])
  })

  test('without the ledger, is paused on that instance only', async () => {
    const group = new PausingGroup()
    const first = await group.member(false, ['note'])
    const second = await group.member(false, ['note'])
    await second.tenure.pause('purge')
    await group.pass(10_000)
    assert.deepEqual(group.take(), [['a', 'purge', 10]])
    await group.stop(first)
    await group.pass(30_000)
    assert.deepEqual(group.take(), [])
  })

  test('and is a stored one, may be so by an instance that does not run it', async () => {
    const group = new PausingGroup()
    await group.start()
    const clerk = await group.start(['note'], { eligible: false })
    await clerk.tenure.stored.schedule('report', { every: '10s' }, 'note')
    await clerk.tenure.pause('report')
    await group.pass(25_000)
    assert.deepEqual(group.take(), [])
    await clerk.tenure.resume('report')
    await group.pass(1_000)
    assert.deepEqual(group.take(), [['a', 'report', 20]])
  })

  test('while the store does not answer, is not: the call says so', async () => {
    const group = new PausingGroup()
    const { tenure } = await group.member()
    group.memory.fault = new Error('the store is away')
    await assert.rejects(tenure.pause('purge'), { message: 'the store is away' })
    group.memory.fault = undefined
    await group.pass(10_000)
    assert.deepEqual(group.take(), [['a', 'purge', 10]])
  })

  test('has to be there, and not to be the heartbeat', async () => {
    const group = new PausingGroup()
    const { tenure } = await group.member()
    await assert.rejects(tenure.pause('nothing'), { code: 'TENURE_ERR_JOB_UNKNOWN' })
    await assert.rejects(tenure.resume('scheduler_lock_heartbeat'), {
      code: 'TENURE_ERR_JOB_SYSTEM',
    })
  })
})
