import { longestWithoutLeaderMs } from './checkers/progress.ts'
import { ofKind, type Fact, type Violation } from './history.ts'

/** How many lines of what happened around a violation are shown. */
const excerptLines = 30
const excerptMs = 10_000

/** What a run has done and seen, in lines. */
export function totalsOf(facts: readonly Fact[]): string {
  const missed = new Set(
    ofKind(facts, 'fault-over').flatMap((over) => (over.missed ? [over.id] : [])),
  )
  const struck = ofKind(facts, 'fault').filter(({ id }) => !missed.has(id))
  const byFault = Map.groupBy(struck, ({ fault, how }) => `${fault} (${how})`)
  const faultLines = [...byFault]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, found]) => `  ${name.padEnd(46)}${String(found.length).padStart(6)}`)
  const writes = ofKind(facts, 'write')
  const looks = ofKind(facts, 'counted').reduce((sum, counted) => sum + counted.looks, 0)
  const losses = Map.groupBy(ofKind(facts, 'lost'), ({ reason }) => reason)
  const lossText = [...losses].map(([reason, found]) => `${reason} ${found.length}`).join(', ')
  const seconds = ((facts.at(-1)?.atMs ?? 0) - (facts[0]?.atMs ?? 0)) / 1_000
  return [
    `faults: ${struck.length} done, ${missed.size} found nobody to be done to`,
    ...faultLines,
    `terms that an instance led: ${ofKind(facts, 'led').length}`,
    `losses that an instance told of: ${lossText || 'none'}`,
    `runs of jobs: ${ofKind(facts, 'run-started').length}`,
    `writes accepted: ${writes.filter(({ accepted }) => accepted).length}, ` +
      `refused: ${writes.filter(({ accepted }) => !accepted).length}`,
    `looks at the own leadership: ${looks}`,
    `longest time without a leader: ${(longestWithoutLeaderMs(facts) / 1_000).toFixed(1)} s`,
    `in all: ${seconds.toFixed(0)} s`,
  ].join('\n')
}

/** A violation, with what happened around it. */
export function describeViolation(violation: Violation, facts: readonly Fact[]): string {
  const { rule, who, what, atMs } = violation
  const beginMs = facts[0]?.atMs ?? 0
  const near = facts.filter(
    (fact) =>
      Math.abs(fact.atMs - atMs) < excerptMs && fact.kind !== 'counted' && fact.kind !== 'write',
  )
  const told = withoutRepetition(near)
  const at = told.findIndex((fact) => fact.atMs >= atMs)
  const from = Math.max(0, (at === -1 ? told.length : at) - excerptLines)
  const excerpt = told
    .slice(from, from + excerptLines + 10)
    .map((fact) => `  ${((fact.atMs - beginMs) / 1_000).toFixed(3).padStart(9)} s  ${lineOf(fact)}`)
  const seconds = ((atMs - beginMs) / 1_000).toFixed(3)
  return [`BROKEN: ${rule}`, `  at ${seconds} s, ${who}: ${what}`, ...excerpt].join('\n')
}

/** Of looks that show the same, one after the other, the first and the last. Runs are left out. */
function withoutRepetition(facts: readonly Fact[]): Fact[] {
  const told = facts.filter(({ kind }) => kind !== 'run-started' && kind !== 'run-ended')
  const looks = Map.groupBy(ofKind(told, 'look'), ({ who }) => who)
  const kept = new Set<Fact>()
  for (const own of looks.values()) {
    for (const [index, look] of own.entries()) {
      const same = [own[index - 1], own[index + 1]].every(
        (other) => other?.token === look.token && other.standing === look.standing,
      )
      if (!same) kept.add(look)
    }
  }
  return told.filter((fact) => fact.kind !== 'look' || kept.has(fact))
}

function lineOf({ who, atMs: _atMs, kind, ...rest }: Fact): string {
  const words = Object.entries(rest).map(([name, value]) =>
    name === 'toMs' ? '' : `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return `${who.padEnd(8)} ${kind.padEnd(10)} ${words.filter(Boolean).join(', ')}`.slice(0, 160)
}
