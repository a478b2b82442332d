import type { Fact, Violation } from '../history.ts'
import { checkHealth } from './health.ts'
import { checkLeads } from './progress.ts'
import { checkReasons } from './reasons.ts'
import { checkTokens } from './tokens.ts'
import { checkOwners, checkStaleTrust, checkTrust } from './trust.ts'
import { checkFencing, checkOverlaps, checkStarts } from './work.ts'

/** A rule, held against what happened: a pure function of the history. */
export type Checker = (facts: readonly Fact[]) => Violation[]

/** All rules. */
export const checkers: readonly Checker[] = [
  checkTrust,
  checkStaleTrust,
  checkOwners,
  checkTokens,
  checkOverlaps,
  checkStarts,
  checkFencing,
  checkLeads,
  checkReasons,
  checkHealth,
]

/** Everything that is wrong with what happened, the first first. */
export function check(facts: readonly Fact[]): Violation[] {
  return checkers
    .flatMap((checker) => checker(facts))
    .toSorted((one, other) => one.atMs - other.atMs)
}
