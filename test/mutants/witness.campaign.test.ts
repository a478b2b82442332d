// Broken variants of rules of the witness that only real processes show.
import { testMutants } from './test-mutants.ts'
import { witnessMutants } from './witness-mutants.ts'

testMutants(witnessMutants.filter(({ suite }) => suite.startsWith('processes/')))
