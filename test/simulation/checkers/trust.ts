import { ofKind, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'

const height = { none: 0, trusted: 1, leader: 2 } as const

/** At most one instance trusts its term at any instant, and trust that is gone does not come back. */
export function checkTrust({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  for (const { atMs, who, standing, others } of ofKind(facts, 'both')) {
    const rule = standing === 'leader' ? 'at most one leads' : 'at most one term is trusted'
    violations.push({ rule, atMs, who, what: `so does ${others}` })
  }
  const last = new Map<string, keyof typeof height>()
  for (const { atMs, who, token, standing } of ofKind(facts, 'standing')) {
    const key = `${who} ${token}`
    const before = last.get(key)
    last.set(key, standing)
    if (before === undefined || height[standing] <= height[before]) continue
    const rule = 'a soft stop and a hard fence are final'
    violations.push({
      rule,
      atMs,
      who,
      what: `${before}, and then ${standing} again with ${token}`,
    })
  }
  return violations
}
