import { ofKind, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'

const height = { none: 0, trusted: 1, leader: 2 } as const

/** At most one instance trusts its term at any instant, and trust that is gone does not come back. */
export function checkTrust(recording: Recording): Violation[] {
  const { facts } = recording
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
  return [...violations, ...checkSuccesses(recording)]
}

/** The store keeps what it acknowledged: what is trusted does not end by a renewal that succeeds. */
function checkSuccesses({ facts, scenario }: Recording): Violation[] {
  const calls = ofKind(facts, 'call')
  const settled = calls.filter(({ verb, reply }) => verb === 'renew' && reply === 'renewed')
  const successes = new Set(settled.map(({ who, settledAtMs }) => `${who} ${settledAtMs}`))
  // Where all work has ended, the release waited for the renewal only.
  const releases = new Set(
    calls.filter(({ verb }) => verb === 'release').map(({ who, atMs }) => `${who} ${atMs}`),
  )
  const violations: Violation[] = []
  const trusting = new Set<string>()
  for (const { atMs, who, standing } of ofKind(facts, 'standing')) {
    const trusted = trusting.delete(who)
    if (standing !== 'none') trusting.add(who)
    // Where only whole seconds of uptime are known, trust may end as one of them begins.
    if (scenario.instances[who.charCodeAt(0) - 97]?.uptimeGrainMs === 1_000) continue
    const at = `${who} ${atMs}`
    if (!trusted || standing !== 'none' || !successes.has(at) || releases.has(at)) continue
    const rule = 'a renewal that succeeds takes no trust back'
    violations.push({ rule, atMs, who, what: 'nothing is trusted from its reply on' })
  }
  return violations
}
