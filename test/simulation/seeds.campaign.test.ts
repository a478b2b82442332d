import { testFreshSeeds } from './clean.ts'

testFreshSeeds(300)
