// Seeds that ever failed, and some fresh ones.
import { describe, test } from 'node:test'

import { assertClean, testFreshSeeds } from './clean.ts'
import { keptSeeds } from './seeds.ts'

describe('seeds that ever failed are clean', () => {
  for (const { seed, found } of keptSeeds) {
    test(`${seed}: ${found}`, () => assertClean(seed))
  }
})

testFreshSeeds(10)
