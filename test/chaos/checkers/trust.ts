import { times } from '../arena.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'

/**
 * Whoever trusts a term does so at some instant between the two readings of the clock around its
 * look. So if a look that began after another one had ended shows a lower token, two terms were
 * trusted at once. A process that was frozen between the two readings has a wide look, which
 * accuses nobody.
 */
export function checkTrust(facts: readonly Fact[]): Violation[] {
  const rule = 'trusted tokens never go back in time'
  const looks = ofKind(facts, 'look').filter(({ standing }) => standing !== 'none')
  const byEnd = looks.toSorted((one, other) => one.toMs - other.toMs)
  const violations: Violation[] = []
  const accused = new Set<string>()
  let highest: (typeof looks)[number] | undefined
  let ended = 0
  for (const look of looks) {
    for (; (byEnd[ended]?.toMs ?? Infinity) < look.atMs; ended++) {
      const other = byEnd[ended]
      if (other !== undefined && other.token > (highest?.token ?? 0)) highest = other
    }
    if (highest === undefined || look.token >= highest.token) continue
    const { atMs, who, token, standing } = look
    const pair = `${token} ${highest.token}`
    if (accused.has(pair)) continue
    accused.add(pair)
    const since = (atMs - highest.toMs).toFixed(1)
    const what =
      `it is ${standing} by the token ${token}, ${since} ms after ${highest.who} was ` +
      `${highest.standing} by ${highest.token}`
    violations.push({ rule, atMs, who, what })
  }
  return violations
}

/** Two processes never share a token. */
export function checkOwners(facts: readonly Fact[]): Violation[] {
  const rule = 'a token belongs to one instance'
  const owners = new Map<number, string>()
  const violations: Violation[] = []
  for (const { atMs, who, token, standing } of ofKind(facts, 'look')) {
    if (standing === 'none') continue
    const owner = owners.get(token)
    if (owner === undefined) owners.set(token, who)
    else if (owner !== who) {
      owners.set(token, who)
      violations.push({ rule, atMs, who, what: `${token} was that of ${owner}` })
    }
  }
  return violations
}

/** Trust cannot outlast the ttl of the last renewal before somebody else got a token. */
export function checkStaleTrust(facts: readonly Fact[]): Violation[] {
  const rule = 'nobody trusts a term a ttl after a newer token was handed out'
  const granted = [...ofKind(facts, 'granted'), ...ofKind(facts, 'led')].toSorted(
    (one, other) => one.atMs - other.atMs,
  )
  const violations: Violation[] = []
  const accused = new Set<number>()
  let highest = 0
  let passed = 0
  for (const { atMs, who, token, standing } of ofKind(facts, 'look')) {
    for (; (granted[passed]?.atMs ?? Infinity) + times.ttl < atMs; passed++) {
      highest = Math.max(highest, granted[passed]?.token ?? 0)
    }
    if (standing === 'none' || token >= highest || accused.has(token)) continue
    accused.add(token)
    violations.push({ rule, atMs, who, what: `it is ${standing} by ${token}, after ${highest}` })
  }
  return violations
}
