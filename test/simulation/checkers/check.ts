import { messageOf } from '../../../src/errors.ts'
import { ofKind, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'
import { checkCalls } from './calls.ts'
import { checkAbandoned, checkAccounts, checkClaims, checkGoesOn, checkOnce } from './ledger.ts'
import { checkEndings, checkHung, checkLeads, checkTold } from './progress.ts'
import { checkReasons } from './reasons.ts'
import {
  checkFencing,
  checkHolders,
  checkOwnTokens,
  checkRenewals,
  checkTokens,
  checkWriters,
} from './tokens.ts'
import { checkTrust } from './trust.ts'
import { checkObedientWork, checkReleases, checkRuns } from './work.ts'

/** A rule, held against what happened: a pure function. */
export type Checker = (recording: Recording) => Violation[]

/** What holds whatever the store forgets and however its clock jumps. */
const always: readonly Checker[] = [
  checkNothingFails,
  checkFencing,
  checkOwnTokens,
  checkRuns,
  checkCalls,
  checkHolders,
  checkClaims,
]

/** What holds within the promise. */
const withinPromise: readonly Checker[] = [
  checkTrust,
  checkTokens,
  checkRenewals,
  checkWriters,
  checkReleases,
  checkObedientWork,
  checkReasons,
  checkLeads,
  checkHung,
  checkEndings,
  checkTold,
  checkAccounts,
  checkOnce,
  checkAbandoned,
  checkGoesOn,
]

/** Everything that is wrong with what happened, the first first. */
export function check(recording: Recording): Violation[] {
  const { beyondPromise } = recording.scenario
  const checkers = beyondPromise ? always : [...always, ...withinPromise]
  return checkers
    .flatMap((checker) => checker(recording))
    .toSorted((one, other) => one.atMs - other.atMs)
}

/** Nothing throws, dies or logs an alarm that was not told to. */
export function checkNothingFails({ facts, thrown }: Recording): Violation[] {
  const rule = 'nothing fails by itself'
  const violations: Violation[] = []
  for (const { atMs, who, heart, onPurpose } of ofKind(facts, 'heart-died')) {
    if (!onPurpose) violations.push({ rule, atMs, who, what: `${heart} died` })
  }
  for (const { atMs, who, line } of ofKind(facts, 'alarming-line')) {
    violations.push({ rule, atMs, who, what: line })
  }
  if (thrown !== undefined) {
    const atMs = facts.at(-1)?.atMs ?? 0
    violations.push({ rule, atMs, who: 'store', what: `thrown: ${messageOf(thrown)}` })
  }
  return violations
}
