import assert from 'node:assert/strict'
import { test } from 'node:test'

import { check } from './checkers/check.ts'
import { drawScenario } from './scenario.ts'
import { simulate } from './simulation.ts'

/** Fails with the first rule that a seed breaks, and with how to see it again. */
export async function assertClean(seed: number): Promise<void> {
  const [violation] = check(await simulate(drawScenario(seed)))
  if (violation === undefined) return
  const { rule, atMs, who, what } = violation
  const when = `at ${(atMs / 1_000).toFixed(3)} s, ${who}`
  assert.fail(`${rule}: ${when}: ${what}\nReplay: npm run simulate -- --seed ${seed}`)
}

/** Defines the test of so many fresh seeds: ten are an hour of simulated time. */
export function testFreshSeeds(count: number): void {
  test(`${count} fresh seeds are clean`, async (t) => {
    const first = Math.floor(Date.now() / 100)
    t.diagnostic(`seeds ${first} to ${first + count - 1}`)
    for (let seed = first; seed < first + count; seed++) await assertClean(seed)
  })
}
