// Each broken variant of a rule is caught, by the unit tests or by the kits on memory.
import { allMutants } from './all-mutants.ts'
import { isQuick } from './mutant.ts'
import { testMutants } from './test-mutants.ts'

testMutants(allMutants.filter(isQuick))
