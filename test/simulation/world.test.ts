// The simulation itself: it is decided by its seed, and its clocks and threads are as they should.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { check } from './checkers/check.ts'
import { ofKind } from './history.ts'
import { Machine } from './machine.ts'
import { quietScenario } from './quiet.ts'
import { Random } from './random.ts'
import { drawScenario } from './scenario.ts'
import { simulate } from './simulation.ts'
import { SimThread } from './thread.ts'
import { timeline } from './timeline.ts'
import { World } from './world.ts'

describe('a seed', () => {
  test('decides everything that happens, to the last digit', async () => {
    for (const seed of [1, 3, 6]) {
      const first = await simulate(drawScenario(seed))
      const second = await simulate(drawScenario(seed))
      assert.equal(timeline(second), timeline(first))
      assert.deepEqual(second.facts, first.facts)
      assert.ok(first.facts.length > 500)
    }
  })

  test('reads no real clock, and waits for none', async (t) => {
    const refuse = (): never => {
      throw new Error('a real clock')
    }
    t.mock.method(Date, 'now', refuse)
    t.mock.method(performance, 'now', refuse)
    t.mock.method(globalThis, 'setTimeout', refuse)
    t.mock.method(globalThis, 'setInterval', refuse)
    t.mock.method(AbortSignal, 'timeout', refuse)
    t.mock.method(Math, 'random', refuse)
    const recording = await simulate(drawScenario(4))
    t.mock.restoreAll()
    assert.deepEqual(check(recording), [])
  })

  test('is not another', async () => {
    const one = await simulate(drawScenario(1))
    const other = await simulate(drawScenario(2))
    assert.notEqual(timeline(one), timeline(other))
  })

  test('has a timeline with a column for each instance and one for the store', async () => {
    const recording = await simulate(quietScenario())
    const [head, ...lines] = timeline(recording).split('\n')
    assert.match(head ?? '', /seconds {2}a +b +store/)
    assert.ok(lines.some((line) => /^ +\d\.\d{3} {2}LEADS with 1$/.test(line)))
  })
})

describe('without faults', () => {
  test('one instance leads from the beginning to the end, works, and nothing is wrong', async () => {
    const recording = await simulate(quietScenario())
    assert.deepEqual(check(recording), [])
    const { facts } = recording
    assert.deepEqual(
      ofKind(facts, 'led').map(({ who, token }) => `${who} ${token}`),
      ['a1 1'],
    )
    assert.equal(ofKind(facts, 'ended').length, 0)
    const renewals = ofKind(facts, 'call').filter(({ verb }) => verb === 'renew')
    // One in two seconds, and those that somebody fires by hand.
    assert.ok(renewals.length >= 29 && renewals.length <= 60, `${renewals.length} renewals`)
    assert.ok(ofKind(facts, 'write').length > 100)
    assert.ok(ofKind(facts, 'write').every(({ accepted }) => accepted))
  })

  test('every instance of a store without pushes looks once a heartbeat interval', async () => {
    const store = { drift: 0, pushes: 'none', commonClock: true } as const
    const { facts } = await simulate(quietScenario({ store }))
    const looks = ofKind(facts, 'call').filter(
      ({ who, verb }) => who === 'b1' && verb === 'acquire',
    )
    assert.ok(looks.length >= 25 && looks.length <= 30, `${looks.length} looks`)
  })
})

/** A machine whose clocks are half a percent fast. */
function fastMachine(world: World): Machine {
  return new Machine({ world, drift: 0.005, wallMs: 1_000_000, uptimeGrainMs: 10 })
}

describe('a machine', () => {
  test('has clocks of its own rate; suspended, only its monotonic clock stands still', async () => {
    const world = new World()
    const machine = fastMachine(world)
    const [monotonicMs, wallMs, bootMs] = [
      machine.monotonicMs(),
      machine.wallMs(),
      machine.bootMs(),
    ]
    world.at(10_000, () => machine.suspend())
    world.at(20_000, () => machine.resume())
    await world.run(30_000, () => true)
    const near = (one: number, other: number): boolean => Math.abs(one - other) < 1
    assert.ok(near(machine.monotonicMs() - monotonicMs, 20_000 * 1.005))
    assert.ok(near(machine.bootMs() - bootMs, 30_000 * 1.005))
    assert.ok(near(machine.wallMs() - wallMs, 30_000 * 1.005))
    assert.equal(machine.uptimeMs() % 10, 0)
  })

  test('rings by its monotonic clock, whatever its rate becomes meanwhile', async () => {
    const world = new World()
    const machine = fastMachine(world)
    const setMs = machine.monotonicMs()
    const rung: number[] = []
    machine.setAlarm(10_000, () => rung.push(machine.monotonicMs() - setMs, world.nowMs))
    machine.setAlarm(5_000, () => rung.push(-1)).cancel()
    world.at(2_000, () => (machine.drift = -0.005))
    world.at(3_000, () => machine.suspend())
    world.at(8_000, () => machine.resume())
    await world.run(30_000, () => true)
    assert.deepEqual(
      rung.map((ms) => Math.round(ms)),
      [10_000, 15_030],
    )
  })
})

describe('a thread', () => {
  test('does nothing while it is blocked, and then first what comes after the block', async () => {
    const world = new World()
    const thread = new SimThread(world, fastMachine(world), new Random('thread'))
    const done: string[] = []
    thread.send(() => {
      void thread.block(1_000).then(() => done.push(`unblocked at ${Math.round(world.nowMs)}`))
    })
    thread.clock.setTimer(500, () => done.push('timer'))
    world.at(600, () => thread.receive(() => done.push('message')))
    await world.run(900, () => true)
    assert.deepEqual(done, [])
    await world.run(2_000, () => true)
    assert.equal(done.length, 3)
    assert.match(done[0] ?? '', /^unblocked at 1000|^unblocked at 1001/)
  })

  test('that is held does nothing until it is released, and after its end nothing ever', async () => {
    const world = new World()
    const thread = new SimThread(world, fastMachine(world), new Random('thread'))
    let done = 0
    world.at(100, () => thread.hold('paused'))
    world.at(200, () => thread.receive(() => done++))
    await world.run(1_000, () => true)
    assert.equal(done, 0)
    world.at(1_100, () => thread.release('paused'))
    await world.run(1_200, () => true)
    assert.equal(done, 1)
    assert.deepEqual(thread.hindrances, [{ why: 'paused', fromMs: 100, toMs: 1_100 }])
    thread.end()
    thread.receive(() => done++)
    thread.send(() => done++)
    await world.run(2_000, () => true)
    assert.equal(done, 1)
  })
})
