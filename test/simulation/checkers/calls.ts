import { ofKind, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'

const windowMs = 60_000

/**
 * How many calls of the store a process may make in any minute: three for each heartbeat interval,
 * as many as its back-off allows after everything that may have begun anew, and some.
 */
function callsMax(heartbeatMs: number, beginnings: number): number {
  return 3 * (windowMs / heartbeatMs) + 6 * beginnings + 20
}

/** Nobody calls the store again and again without waiting. */
export function checkCalls({ facts, scenario }: Recording): Violation[] {
  const violations: Violation[] = []
  const heartbeatMs = Math.min(...scenario.times.map(({ heartbeat }) => heartbeat))
  const calls = Map.groupBy(ofKind(facts, 'call'), ({ who }) => who)
  // What wakes everybody: a release, a wish, a term, a fault that begins.
  const beginnings = facts.filter(({ kind }) =>
    ['released', 'wish', 'ended', 'fault', 'led', 'process', 'hindered'].includes(kind),
  )
  for (const [who, own] of calls) {
    let first = 0
    for (const [index, { atMs }] of own.entries()) {
      while ((own[first]?.atMs ?? 0) < atMs - windowMs) first++
      const count = index - first + 1
      if (count <= callsMax(heartbeatMs, 0)) continue
      const recent = beginnings.filter((fact) => fact.atMs >= atMs - windowMs && fact.atMs <= atMs)
      if (count <= callsMax(heartbeatMs, recent.length)) continue
      const rule = 'nobody calls the store without end'
      violations.push({ rule, atMs, who, what: `${count} calls within a minute` })
      break
    }
  }
  return violations
}
