import { patienceMs } from '../arena.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'

/** After the faults somebody leads, in time. */
export function checkLeads(facts: readonly Fact[]): Violation[] {
  const rule = 'after the faults somebody leads'
  const calm = ofKind(facts, 'calm')[0]
  if (calm === undefined) return [{ rule, atMs: 0, who: 'harness', what: 'the calm never came' }]
  const byMs = calm.atMs + patienceMs
  const leads = ofKind(facts, 'look').some(
    ({ atMs, standing }) => standing === 'leader' && atMs >= calm.atMs && atMs <= byMs,
  )
  const what = `nobody within ${patienceMs} ms`
  return leads ? [] : [{ rule, atMs: byMs, who: 'harness', what }]
}

/** The longest stretch in which nobody led, in milliseconds, between the first leader and the calm. */
export function longestWithoutLeaderMs(facts: readonly Fact[]): number {
  const looks = ofKind(facts, 'look').filter(({ standing }) => standing === 'leader')
  let longestMs = 0
  let lastMs = looks[0]?.toMs ?? 0
  for (const { atMs, toMs } of looks) {
    longestMs = Math.max(longestMs, atMs - lastMs)
    lastMs = Math.max(lastMs, toMs)
  }
  return longestMs
}
