// Each broken variant of a rule that only real processes or servers show is caught.
import { allMutants } from './all-mutants.ts'
import { isQuick } from './mutant.ts'
import { testMutants } from './test-mutants.ts'

// They wait for the most part: more of them at a time.
testMutants(
  allMutants.filter((mutant) => !isQuick(mutant)),
  4,
)
