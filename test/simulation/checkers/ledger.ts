import { discrepancies } from '../../support/ledger-accounts.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'
import type { LedgerHabits } from '../ledger-habits.ts'
import { ttlMsMax } from '../scenario.ts'
import type { Recording } from '../simulation.ts'
import { Hindrances } from './hindrances.ts'
import { cooledMs } from './progress.ts'

type Of<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>

/** What the ledger says of a run that was claimed and may not start any more. */
const unbegun = 'It did not begin'

/** What stands in the ledger at the end; `undefined` if no job of the scenario does. */
function ledgerOf({ facts }: Recording): Of<'ledger'> | undefined {
  return ofKind(facts, 'ledger').at(-1)
}

/** Runs of jobs that stand in the ledger, as the application began them. */
function begunRuns({ facts }: Recording): (Of<'run-started'> & { claim: object })[] {
  return ofKind(facts, 'run-started').filter(
    (fact): fact is Of<'run-started'> & { claim: object } => fact.claim !== undefined,
  )
}

/** All ticks of a job that are accounted for, from when it was entered on. */
function ticksOf(job: LedgerHabits, entered: Of<'entered'>, cursorMs: number): number[] {
  const { everyMs, on } = job
  const { anchorMs: ratedFromMs, cursorMs: fromMs } = entered
  const anchorMs = on === 'wall' ? 0 : ratedFromMs
  const first = Math.max(Math.floor((fromMs - anchorMs) / everyMs) + 1, on === 'wall' ? 0 : 1)
  const ticks: number[] = []
  for (let ms = anchorMs + first * everyMs; ms <= cursorMs; ms += everyMs) ticks.push(ms)
  return ticks
}

/** Each tick is accounted for exactly once: it ran, was skipped with a reason, or was abandoned. */
export function checkAccounts(recording: Recording): Violation[] {
  const { facts, scenario } = recording
  const ledger = ledgerOf(recording)
  const rule = 'every tick is accounted for exactly once'
  const entered = ofKind(facts, 'entered')
  return scenario.ledger.flatMap((job) => {
    const row = ledger?.jobs.find(({ jobId }) => jobId === job.id)
    const first = entered.find((fact) => fact.job === job.id)
    if (ledger === undefined || row === undefined || first === undefined) {
      return [{ rule, atMs: scenario.endMs, who: 'store', what: `${job.id} was never entered` }]
    }
    const ticks = ticksOf(job, first, row.cursorMs)
    const runs = ledger.runs.filter(({ jobId }) => jobId === job.id)
    const skips = ledger.skips.filter(({ jobId }) => jobId === job.id)
    return discrepancies(ticks, runs, skips).map(({ tickMs, what }) => ({
      rule,
      atMs: whenWritten(facts, job.id, tickMs) ?? scenario.endMs,
      who: 'store',
      what: `${job.id}, ${tickMs}: ${what}`,
    }))
  })
}

/** When a tick, or one after it, was first written. */
function whenWritten(facts: readonly Fact[], job: string, tickMs: number): number | undefined {
  return facts.find(
    (fact) =>
      (fact.kind === 'claimed' && fact.job === job && fact.tickMs >= tickMs) ||
      (fact.kind === 'skipped' && fact.jobId === job && fact.untilTickMs >= tickMs),
  )?.atMs
}

/** No run of the application begins without a claim that its own term was granted before. */
export function checkClaims(recording: Recording): Violation[] {
  const claims = new Map<string, Of<'claimed'>>()
  for (const fact of ofKind(recording.facts, 'claimed')) {
    if (!claims.has(fact.id)) claims.set(fact.id, fact)
  }
  return begunRuns(recording).flatMap(({ atMs, who, run, job, token, claim: begun }) => {
    const claim = claims.get(begun.id)
    const isOwn =
      claim !== undefined &&
      claim.atMs <= atMs &&
      claim.token === token &&
      claim.job === job &&
      claim.tickMs === begun.tickMs &&
      claim.attempt === begun.attempt
    const rule = 'no run begins without a claim of its own term'
    return isOwn ? [] : [{ rule, atMs, who, what: `${run} with ${token}, as ${begun.id}` }]
  })
}

/** No attempt begins twice; and what the ledger says of a run is what became of it. */
export function checkOnce(recording: Recording): Violation[] {
  const violations: Violation[] = []
  const { facts, scenario } = recording
  const rows = new Map(ledgerOf(recording)?.runs.map((run) => [run.runId, run]))
  const begun = new Map<string, string>()
  const ids = new Set<string>()
  for (const { atMs, who, run, job, claim } of begunRuns(recording)) {
    const { id, tickMs, attempt } = claim
    const byHand = rows.get(id)?.trigger === 'manual'
    const key = byHand ? id : `${job}, ${tickMs}, attempt ${attempt}`
    const before = begun.get(key)
    if (before !== undefined) {
      const what = `${run}: ${key}, which ${before} has begun`
      violations.push({ rule: 'no attempt begins twice', atMs, who, what })
    }
    begun.set(key, who)
    ids.add(id)
  }
  const ended = new Set(ofKind(facts, 'run-ended').map(({ claim }) => claim?.id))
  for (const { runId: id, outcome, error } of rows.values()) {
    const isSaidUnbegun = error?.startsWith(unbegun) === true
    const isTrue =
      isSaidUnbegun === !ids.has(id) || outcome === 'running' || outcome === 'abandoned'
    const hasEnded = !['succeeded', 'failed'].includes(outcome) || ended.has(id)
    if (isTrue && hasEnded) continue
    const rule = 'what the ledger says of a run is true'
    violations.push({ rule, atMs: scenario.endMs, who: 'store', what: `${id} is ${outcome}` })
  }
  return violations
}

/** What lost its leader is found out: once, by a later term, and once nobody trusts its own. */
export function checkAbandoned(recording: Recording): Violation[] {
  const { facts, scenario } = recording
  const violations: Violation[] = []
  const add = (rule: string, { atMs, who }: Pick<Fact, 'atMs' | 'who'>, what: string): void =>
    void violations.push({ rule, atMs, who, what })
  const trusted = new TrustedTokens(recording)
  const marked = new Map<string, number>()
  const told = new Set<string>()
  let granted = 0
  for (const fact of facts) {
    trusted.hear(fact)
    if (fact.kind === 'granted') granted = fact.token
    if ((fact.kind === 'claimed' || fact.kind === 'skipped') && fact.token !== granted) {
      add('only the last term writes', fact, `${fact.token} after ${granted}`)
    }
    if (fact.kind === 'abandoned') {
      const { id, token, by } = fact
      const who = trusted.by(token, fact.atMs)
      if (who !== undefined || by <= token || by !== granted) {
        add('no run is abandoned while its term may be trusted', fact, `${id}, by ${who ?? by}`)
      }
      if (marked.has(id)) add('a run is abandoned exactly once', fact, id)
      marked.set(id, by)
    }
    if (fact.kind === 'told-abandoned') {
      if (told.has(fact.id)) add('a run is abandoned exactly once', fact, `${fact.id} is told`)
      told.add(fact.id)
    }
  }
  const end = { atMs: scenario.endMs, who: 'store' }
  // While the only one that is left is no candidate, nobody finds it out.
  const isCooling = cooledMs(facts) > scenario.calmFromMs
  for (const { runId: id, token, outcome, abandonedBy } of ledgerOf(recording)?.runs ?? []) {
    if (marked.get(id) !== abandonedBy || (outcome === 'abandoned') !== marked.has(id)) {
      add('a run is abandoned exactly once', end, `${id} is ${outcome}`)
    }
    if (outcome !== 'running' || token === granted || isCooling) continue
    add('a run whose leader was lost is found out', end, `${id} of ${token} is said to go on`)
  }
  return violations
}

/** Who trusts which term, as a history goes on. */
class TrustedTokens {
  readonly #hindrances: Hindrances
  readonly #tokenOf = new Map<string, number>()

  constructor(recording: Recording) {
    this.#hindrances = new Hindrances(recording)
  }

  hear(fact: Fact): void {
    if (fact.kind !== 'standing') return
    if (fact.standing === 'none') this.#tokenOf.delete(fact.who)
    else this.#tokenOf.set(fact.who, fact.token)
  }

  /** Who trusts the term with a token. A machine that is suspended is looked at as it wakes. */
  by(token: number, atMs: number): string | undefined {
    for (const [who, held] of this.#tokenOf) {
      const suspended = this.#hindrances
        .spans(who, 'main')
        .some((span) => span.why === 'suspended' && span.fromMs <= atMs && atMs <= span.toMs)
      if (held === token && !suspended) return who
    }
    return undefined
  }
}

/** Once all faults have ended and somebody leads, each job with an interval has ticks again. */
export function checkGoesOn({ facts, scenario }: Recording): Violation[] {
  // While the only one that is left is no candidate, none has.
  if (cooledMs(facts) > scenario.calmFromMs) return []
  const sinceMs = scenario.calmFromMs + 2 * ttlMsMax(scenario)
  const alive = new Set<string>()
  for (const fact of facts) {
    if (fact.atMs < sinceMs) continue
    if (fact.kind === 'claimed') alive.add(fact.job)
    if (fact.kind === 'skipped') alive.add(fact.jobId)
  }
  return scenario.ledger
    .filter(({ id, on }) => on === 'monotonic' && !alive.has(id))
    .map(({ id }) => ({
      rule: 'after the faults the jobs in the ledger go on',
      atMs: scenario.endMs,
      who: 'store',
      what: `${id} has had no tick`,
    }))
}
