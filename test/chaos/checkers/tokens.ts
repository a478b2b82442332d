import { ofKind, type Fact, type Violation } from '../history.ts'

/** Each acquisition has a token of its own, and later ones have higher ones. */
export function checkTokens(facts: readonly Fact[]): Violation[] {
  const rule = 'tokens strictly rise, one an acquisition'
  const violations: Violation[] = []
  const holders = new Map<number, string>()
  const seen = [...ofKind(facts, 'term'), ...ofKind(facts, 'led'), ...ofKind(facts, 'granted')]
  for (const { atMs, who, token, holder } of seen) {
    const other = holders.get(token)
    holders.set(token, holder)
    if (other === undefined || other === holder) continue
    violations.push({ rule, atMs, who, what: `${token} is that of ${holder} and of ${other}` })
  }
  // One instance hears of its own terms in their order, whenever it gets to hear of them.
  const last = new Map<string, number>()
  for (const { atMs, who, token } of ofKind(facts, 'led')) {
    const before = last.get(who) ?? 0
    last.set(who, token)
    if (token > before) continue
    violations.push({ rule, atMs, who, what: `${token} was acquired after ${before}` })
  }
  return violations
}
