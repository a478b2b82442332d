import { ofKind, type Fact, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'

type Of<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>

const height = { none: 0, trusted: 1, leader: 2 } as const

/** At most one instance trusts its term at any instant, and trust that is gone does not come back. */
export function checkTrust({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  for (const { atMs, who, standing, others } of ofKind(facts, 'both')) {
    const rule = standing === 'leader' ? 'at most one leads' : 'at most one term is trusted'
    violations.push({ rule, atMs, who, what: `so does ${others}` })
  }
  const isSetAt = (who: string, atMs: number): boolean =>
    facts.some((fact) => fact.kind === 'wall-set' && fact.who === who && fact.atMs === atMs)
  const last = new Map<string, Of<'standing'>>()
  for (const fact of ofKind(facts, 'standing')) {
    const { atMs, who, token, standing } = fact
    const key = `${who} ${token}`
    const before = last.get(key)
    last.set(key, fact)
    if (before === undefined || height[standing] <= height[before.standing]) continue
    // Whether a wall clock was set, or its machine suspended, is known as coarsely as the uptime: one
    // that is set to and fro ends trust up to a second early, and brings it back.
    if (isSetAt(who, atMs)) continue
    const rule = 'a soft stop and a hard fence are final'
    violations.push({
      rule,
      atMs,
      who,
      what: `${before.standing}, and then ${standing} again with ${token}`,
    })
  }
  return violations
}
