// Seeds that ever failed, and a share of fresh ones.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { check } from './checkers/check.ts'
import { drawScenario } from './scenario.ts'
import { keptSeeds } from './seeds.ts'
import { simulate } from './simulation.ts'

/** How many fresh seeds a run of the tests has: some hours of simulated time. */
const freshSeeds = 60

async function assertClean(seed: number): Promise<void> {
  const [violation] = check(await simulate(drawScenario(seed)))
  if (violation === undefined) return
  const { rule, atMs, who, what } = violation
  const when = `at ${(atMs / 1_000).toFixed(3)} s, ${who}`
  assert.fail(`${rule}: ${when}: ${what}\nReplay: npm run simulate -- --seed ${seed}`)
}

describe('seeds that ever failed are clean', () => {
  for (const { seed, found } of keptSeeds) {
    test(`${seed}: ${found}`, () => assertClean(seed))
  }
})

test(`${freshSeeds} fresh seeds are clean`, async (t) => {
  const first = Math.floor(Date.now() / 100)
  t.diagnostic(`seeds ${first} to ${first + freshSeeds - 1}`)
  for (let seed = first; seed < first + freshSeeds; seed++) await assertClean(seed)
})
