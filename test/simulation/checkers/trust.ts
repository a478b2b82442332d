import { ofKind, type Fact, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'
import { Hindrances } from './hindrances.ts'

type Of<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>

const height = { none: 0, trusted: 1, leader: 2 } as const

/** At most one instance trusts its term at any instant, and trust that is gone does not come back. */
export function checkTrust(recording: Recording): Violation[] {
  const { facts } = recording
  const violations: Violation[] = []
  for (const { atMs, who, standing, others } of ofKind(facts, 'both')) {
    const rule = standing === 'leader' ? 'at most one leads' : 'at most one term is trusted'
    violations.push({ rule, atMs, who, what: `so does ${others}` })
  }
  const stoodStill = stillness(recording)
  const last = new Map<string, Of<'standing'>>()
  for (const fact of ofKind(facts, 'standing')) {
    const { atMs, who, token, standing } = fact
    const key = `${who} ${token}`
    const before = last.get(key)
    last.set(key, fact)
    if (before === undefined || height[standing] <= height[before.standing]) continue
    // Final is what somebody has seen. A wall clock that was set, and is set back, ends and brings
    // back trust by a clock that is read with care; who stands still meanwhile sees none of it.
    if (stoodStill(fact, before.atMs)) continue
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

/** Tells whether no thread of a process has run from an instant on until what is noted of it. */
function stillness(recording: Recording): (fact: Of<'standing'>, sinceMs: number) => boolean {
  const hindrances = new Hindrances(recording)
  const led = ofKind(recording.facts, 'led')
  return ({ atMs, who, token }, sinceMs) => {
    const heart = led.find((fact) => fact.who === who && fact.token === token)?.heart
    if (heart === undefined) return false
    return ['main', hindrances.threadOf(who, heart)].every(
      (thread) => hindrances.ms(who, thread, sinceMs, atMs) >= atMs - sinceMs,
    )
  }
}
