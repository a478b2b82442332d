import { ofKind, type Fact, type Violation } from '../history.ts'
import { gapsOf, meet, without, type Span } from './spans.ts'

interface RunSpan extends Span {
  readonly who: string
  readonly token: number
  readonly job: string
  /** The stretches of it in which its process ran. */
  readonly active: readonly Span[]
}

/** While a run goes on its process looks every few milliseconds; after so long it did not run. */
const silenceMsMin = 100

/** The runs of jobs that obey their signal; one that was cut off lasts to its process's last look. */
function obedientRuns(facts: readonly Fact[]): RunSpan[] {
  const gaps = gapsOf(facts)
  const lastLookMs = new Map<string, number>()
  const ends = new Map<string, { atMs: number; lookedMs: number }>()
  for (const fact of facts) {
    const { who, atMs } = fact
    if (fact.kind === 'look') lastLookMs.set(who, fact.toMs)
    if (fact.kind !== 'run-ended') continue
    ends.set(fact.run, { atMs, lookedMs: lastLookMs.get(who) ?? atMs })
  }
  return ofKind(facts, 'run-started')
    .filter(({ obeys }) => obeys)
    .map(({ who, token, job, run, atMs: fromMs }) => {
      const end = ends.get(run)
      const toMs = end?.atMs ?? lastLookMs.get(who) ?? fromMs
      // It has ended in the first turn of its loop after a gap, and before a look could tell.
      const silent = end !== undefined && end.atMs - end.lookedMs > silenceMsMin
      const silence = silent ? [{ fromMs: end.lookedMs, toMs: Infinity }] : []
      const active = without({ fromMs, toMs }, [...(gaps.get(who) ?? []), ...silence])
      return { who, token, job, fromMs, toMs, active }
    })
}

/**
 * Runs that obey their signal do not overlap those of another token, but while their process did
 * not run: a signal cannot reach a process that is frozen, or a loop that is blocked.
 */
export function checkOverlaps(facts: readonly Fact[]): Violation[] {
  const rule = 'runs of two terms do not overlap'
  const violations: Violation[] = []
  const runs = obedientRuns(facts).toSorted((one, other) => one.fromMs - other.fromMs)
  let open: RunSpan[] = []
  for (const run of runs) {
    open = open.filter(({ toMs }) => toMs > run.fromMs)
    for (const other of open) {
      if (other.token === run.token) continue
      const [old, young] = other.token < run.token ? [other, run] : [run, other]
      const both = old.active.find((span) => meet(span, young))
      if (both === undefined) continue
      const { who, job, token } = old
      const atMs = Math.max(both.fromMs, young.fromMs)
      const what =
        `a run of "${job}" by the token ${token} goes on beside one of "${young.job}" of ` +
        `${young.who} by ${young.token}`
      violations.push({ rule, atMs, who, what })
    }
    open.push(run)
  }
  return violations
}

/** The soft stop is final: after a look has found that a term does not lead, none of its runs starts. */
export function checkStarts(facts: readonly Fact[]): Violation[] {
  const rule = 'no run starts after the soft stop'
  const violations: Violation[] = []
  const leads = new Map<string, number>()
  const endedMs = new Map<string, number>()
  for (const fact of facts) {
    const { who, atMs } = fact
    if (fact.kind === 'look') {
      const token = leads.get(who)
      if (token !== undefined && (fact.standing !== 'leader' || fact.token !== token)) {
        endedMs.set(`${who} ${token}`, fact.toMs)
      }
      if (fact.standing === 'leader') leads.set(who, fact.token)
      else leads.delete(who)
    } else if (fact.kind === 'run-started') {
      const lastMs = endedMs.get(`${who} ${fact.token}`)
      if (lastMs === undefined) continue
      const ago = (atMs - lastMs).toFixed(1)
      violations.push({ rule, atMs, who, what: `one of ${fact.token} starts ${ago} ms after it` })
    }
  }
  return violations
}

/** The resource never accepts a lower token after a higher one, nor that of two instances. */
export function checkFencing(facts: readonly Fact[]): Violation[] {
  const violations: Violation[] = []
  const writes = ofKind(facts, 'write').toSorted((one, other) => one.sequence - other.sequence)
  const owners = new Map<number, string>()
  let highest = 0
  for (const { atMs, who, token, accepted } of writes) {
    const owner = owners.get(token) ?? who
    owners.set(token, owner)
    if (owner !== who) {
      const rule = 'a token belongs to one instance'
      violations.push({ rule, atMs, who, what: `it writes with ${token}, as ${owner} did` })
    }
    if (accepted && token < highest) {
      const rule = 'the resource accepts no lower token after a higher one'
      violations.push({ rule, atMs, who, what: `${token} was accepted after ${highest}` })
    }
    if (accepted) highest = Math.max(highest, token)
  }
  return violations
}
