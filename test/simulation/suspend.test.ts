// A machine that is suspended, with clocks that are passed in: what its instance knows on waking.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { check } from './checkers/check.ts'
import { ofKind } from './history.ts'
import { quietScenario } from './quiet.ts'
import { Simulation } from './simulation.ts'

const asleepMs = 12_000

/** What the leader knows as it wakes, before anything else runs there, and half a second later. */
async function suspendLeader(forMs: number, wallByMs: number, uptimeGrainMs: number) {
  const quiet = quietScenario()
  const scenario = {
    ...quiet,
    instances: quiet.instances.map((instance) => ({ ...instance, uptimeGrainMs })),
    faults: [
      { kind: 'suspend', atMs: asleepMs, forMs, target: 0, wallByMs, inRenewal: false } as const,
    ],
  }
  const simulation = new Simulation(scenario)
  const seen = { leads: true, trusted: true, isLeader: true, isTrusted: true, aborted: false }
  simulation.world.at(asleepMs - 1, () => {
    const process = simulation.processOf(0)
    const term = process?.tenure.term
    assert.equal(process?.tenure.isLeader, true)
    simulation.world.at(asleepMs + forMs + 0.001, () => {
      seen.isLeader = process.tenure.isLeader
      seen.isTrusted = term?.isTrusted ?? true
    })
    simulation.world.at(
      asleepMs + forMs + 700,
      () => (seen.aborted = term?.signal.aborted === true),
    )
  })
  await simulation.run(() => true)
  const facts = simulation.facts()
  return { seen, facts, violations: check({ scenario, facts, thrown: undefined }) }
}

describe('an instance whose machine was suspended', () => {
  for (const uptimeGrainMs of [10, 1_000]) {
    for (const wallByMs of [0, 3_600_000, -3_600_000, -5_000, -30_000]) {
      const wall =
        wallByMs === 0 ? 'a wall clock that is right' : `the wall clock off by ${wallByMs}`
      test(`knows in its first look that it leads no more, with ${wall} and uptime by ${uptimeGrainMs} ms`, async () => {
        const { seen, facts, violations } = await suspendLeader(20_000, wallByMs, uptimeGrainMs)
        assert.equal(seen.isLeader, false)
        assert.equal(seen.isTrusted, false)
        assert.equal(seen.aborted, true, 'its work was told within 700 ms')
        assert.deepEqual(violations, [])
        const led = ofKind(facts, 'led').map(({ who }) => who)
        assert.deepEqual(led.slice(0, 2), ['a1', 'b1'])
        assert.equal(ofKind(facts, 'lost')[0]?.reason, 'expired')
      })
    }
  }

  test('keeps its term if it slept for less than is left of it', async () => {
    for (const wallByMs of [0, 3_600_000, -3_600_000]) {
      const { seen, facts, violations } = await suspendLeader(1_500, wallByMs, 10)
      assert.equal(seen.isLeader, true)
      assert.equal(seen.aborted, false)
      assert.deepEqual(violations, [])
      assert.equal(ofKind(facts, 'ended').length, 0)
    }
  })
})
