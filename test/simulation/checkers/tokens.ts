import { ofKind, type Fact, type Violation } from '../history.ts'
import type { Recording } from '../simulation.ts'

/**
 * Tokens rise with each acquisition, and each belongs to one holder. A holder may get another one:
 * a late copy of its request may arrive when its lease has long been released.
 */
export function checkTokens({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  const holders = new Map<number, string>()
  let highest = 0
  for (const { atMs, who, token, holder, again } of ofKind(facts, 'granted')) {
    const known = again ? holders.get(token) === holder : token > highest
    if (!known) {
      const rule = 'tokens rise with each acquisition'
      violations.push({ rule, atMs, who, what: `${token} for ${holder} after ${highest}` })
    }
    holders.set(token, holder)
    highest = Math.max(highest, token)
  }
  for (const { atMs, who, token } of ofKind(facts, 'token-went-back')) {
    violations.push({ rule: 'tokens never go back', atMs, who, what: `the token ${token}` })
  }
  return violations
}

/** A renewal renews what its holder holds, and only while that lasts. */
export function checkRenewals({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  for (const { atMs, who, holder, token, carriedOut } of ofKind(facts, 'call')) {
    for (const { answer, found } of carriedOut) {
      if (answer !== 'renewed') continue
      const own = found !== 'nobody' && found.holder === holder && found.token === token
      if (own && found.remainingMs > 0) continue
      const rule = 'a renewal is of what its holder holds'
      const what = own ? `${token} had expired` : `${token} was not ${holder}'s any more`
      violations.push({ rule, atMs, who, what })
    }
  }
  return violations
}

/**
 * An acquisition keeps its holder over its retries, and no two have the same. One that was refused
 * is tried again, too, while a late copy of it may still be granted.
 */
export function checkHolders({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  const last = new Map<string, { holder: string; answered: boolean; refused: boolean }>()
  const used = new Set<string>()
  for (const { atMs, who, heart, verb, holder, how, reply } of ofKind(facts, 'call')) {
    if (verb !== 'acquire') continue
    const key = `${who} ${heart}`
    const before = last.get(key)
    const refused = reply?.startsWith('held') ?? false
    last.set(key, { holder, answered: how === 'replied', refused })
    const isRetry = before?.answered === false || (before?.refused && before.holder === holder)
    const right = isRetry ? before?.holder === holder : !used.has(holder)
    used.add(holder)
    if (right) continue
    const rule = 'a retry has the holder of what it retries, and nothing else has'
    violations.push({ rule, atMs, who, what: `${holder} after ${before?.holder ?? 'nothing'}` })
  }
  return violations
}

/** A resource that checks tokens never takes a lower one after a higher one. */
export function checkFencing({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  const leaders = new Map<number, string>()
  let highest = 0
  for (const fact of facts) {
    if (fact.kind === 'led' && !leaders.has(fact.token)) leaders.set(fact.token, fact.who)
    if (fact.kind !== 'write' || !fact.accepted) continue
    if (fact.token < highest) violations.push(stale(fact, `${fact.token} after ${highest}`))
    highest = Math.max(highest, fact.token)
  }
  return violations
}

/** Where the store keeps what it acknowledges, whoever writes with a token has led with it, alone. */
export function checkWriters({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  const leaders = new Map<number, string>()
  for (const fact of facts) {
    if (fact.kind === 'led') {
      const other = leaders.get(fact.token)
      if (other !== undefined) {
        const { atMs, who, token } = fact
        const rule = 'no two terms have the same token'
        violations.push({ rule, atMs, who, what: `${other} led with ${token}, too` })
      }
      leaders.set(fact.token, fact.who)
    } else if (fact.kind === 'write' && leaders.get(fact.token) !== fact.who) {
      violations.push(stale(fact, `${fact.token}, which is not its own`))
    }
  }
  return violations
}

/** The terms of one process have rising tokens, even on a store that has forgotten some. */
export function checkOwnTokens({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  const highest = new Map<string, number>()
  for (const { atMs, who, token, heart } of ofKind(facts, 'led')) {
    const key = `${who} ${heart}`
    const before = highest.get(key) ?? 0
    highest.set(key, Math.max(before, token))
    if (token > before) continue
    const rule = 'nobody leads with a token that is not higher'
    violations.push({ rule, atMs, who, what: `${token} after ${before}` })
  }
  return violations
}

function stale({ atMs, who }: Fact, token: string): Violation {
  return { rule: 'no stale write is accepted', atMs, who, what: `a write with ${token}` }
}
