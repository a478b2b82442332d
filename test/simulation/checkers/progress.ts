import { stallTickMs } from '../../../src/heart/stall-gate.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'
import { ttlMsMax } from '../scenario.ts'
import type { Recording } from '../simulation.ts'
import { endsOf, Hindrances } from './hindrances.ts'

/** Messages between threads, timers and the like take so long, all together. */
const slackMs = 300

/** What the heart's own word is waited for, and some. */
const toldMs = 2_000

/** What resigning by itself may take, from the decision to the end of the term. */
const resigningMs = 30_000

/** When the last one is a candidate again that has resigned because its jobs could not start. */
export function cooledMs(facts: readonly Fact[]): number {
  const untilMs = ofKind(facts, 'resign').map(({ atMs, coolDownMs }) =>
    coolDownMs === undefined ? 0 : atMs + resigningMs + coolDownMs,
  )
  return Math.max(0, ...untilMs)
}

/** After all faults have ended somebody leads within 2 T, and goes on leading. */
export function checkLeads({ facts, scenario }: Recording): Violation[] {
  const byMs = Math.max(scenario.calmFromMs, cooledMs(facts)) + 2 * ttlMsMax(scenario)
  const leaders = new Set<string>()
  let sinceMs: number | undefined
  const violations: Violation[] = []
  const rule = 'after the faults somebody leads within 2 T, and goes on'
  const standings = ofKind(facts, 'standing')
  const last: Pick<Fact, 'atMs' | 'who'> = { atMs: scenario.endMs, who: 'store' }
  for (const fact of [...standings, last]) {
    const endsMs = fact.atMs
    if (leaders.size === 0 && endsMs > byMs) {
      const fromMs = Math.max(sinceMs ?? 0, byMs)
      if (endsMs > fromMs)
        violations.push({ rule, atMs: fromMs, who: fact.who, what: 'nobody leads' })
    }
    if (!('standing' in fact)) break
    if (fact.standing === 'leader') leaders.add(fact.who)
    else leaders.delete(fact.who)
    if (leaders.size === 0) sinceMs = fact.atMs
  }
  return violations
}

/** Hung is not alive: blocked past `stallLimit`, an instance has lost its term a ttl later. */
export function checkHung(recording: Recording): Violation[] {
  const { facts, scenario } = recording
  const hindrances = new Hindrances(recording)
  const violations: Violation[] = []
  const limitMs = Math.max(...scenario.times.map(({ stallLimit }) => stallLimit))
  const heartbeatMs = Math.max(...scenario.times.map(({ heartbeat }) => heartbeat))
  const ticksMs = 4 * stallTickMs(limitMs) + slackMs
  const lastMs = limitMs + ticksMs + ttlMsMax(scenario)
  for (const { atMs, who, heart, verb } of ofKind(facts, 'call')) {
    if (hindrances.threadOf(who, heart) === 'main') continue
    if (verb !== 'acquire' && verb !== 'renew') continue
    const blockedMs = hindrances.blockedMs(who, heart, atMs, 0)
    if (verb === 'renew' && blockedMs > limitMs + ticksMs) {
      const rule = 'a hung instance does not renew'
      violations.push({ rule, atMs, who, what: `blocked for ${Math.round(blockedMs)} ms` })
    }
    const unfitMs = Math.max(heartbeatMs, 4 * stallTickMs(limitMs)) + ticksMs
    if (verb === 'acquire' && blockedMs > unfitMs) {
      const rule = 'a hung instance is no candidate'
      violations.push({ rule, atMs, who, what: `blocked for ${Math.round(blockedMs)} ms` })
    }
  }
  const standings = ofKind(facts, 'standing')
  for (const { who, heart, token } of ofKind(facts, 'led')) {
    if (hindrances.threadOf(who, heart) === 'main') continue
    for (const { fromMs, toMs } of hindrances.blocks(who, 0)) {
      const atMs = fromMs + hindrances.ms(who, heart, fromMs, toMs) + lastMs
      if (atMs >= toMs) continue
      const then = standings.findLast((fact) => fact.who === who && fact.atMs <= atMs)
      if (then?.standing === 'none' || then?.token !== token) continue
      const rule = 'a hung instance loses its term'
      violations.push({ rule, atMs, who, what: `it still trusts ${token}` })
    }
  }
  return violations
}

/** Whoever trusts its term no more says so, even if the heart says nothing. */
export function checkTold(recording: Recording): Violation[] {
  const { facts, scenario } = recording
  const hindrances = new Hindrances(recording)
  const violations: Violation[] = []
  const told = new Set(ofKind(facts, 'lost').map(({ who, token }) => `${who} ${token}`))
  const gone = endsOf(facts)
  const last = new Map<string, Extract<Fact, { kind: 'standing' }>>()
  for (const fact of ofKind(facts, 'standing')) {
    if (fact.token !== 0) last.set(`${fact.who} ${fact.token}`, fact)
  }
  for (const [key, { atMs, who, token, standing }] of last) {
    const hinderedMs = hindrances.ms(who, 'main', atMs, scenario.endMs)
    const byMs = atMs + toldMs + hinderedMs
    if (standing !== 'none' || told.has(key) || byMs > (gone.get(who) ?? scenario.endMs)) continue
    const rule = 'the application is told of each loss'
    violations.push({ rule, atMs: byMs, who, what: `it was not told that ${token} is lost` })
  }
  return violations
}

/** A term that ends has ended after its drain, grace, ttl and one attempt, whatever its work does. */
export function checkEndings(recording: Recording): Violation[] {
  const { facts, scenario } = recording
  const hindrances = new Hindrances(recording)
  const violations: Violation[] = []
  const graceMs = Math.max(...scenario.times.map(({ stopGrace }) => stopGrace))
  const drainedWithinMs = scenario.drainMsMax + graceMs + 2 * slackMs
  const attemptMs = Math.max(...scenario.times.map(({ attemptTimeout }) => attemptTimeout))
  // A release that begins just before the hard fence has its whole attempt.
  const withinMs = drainedWithinMs + ttlMsMax(scenario) + attemptMs
  const stops = ofKind(facts, 'process').filter(({ what }) => what === 'stops')
  for (const { atMs, who, token, heart, reason } of ofKind(facts, 'ending')) {
    const byMs = atMs + withinMs
    if (byMs > scenario.endMs) continue
    const drainedMs = atMs + drainedWithinMs
    const renewal = facts.find(
      (fact) =>
        fact.kind === 'call' &&
        fact.verb === 'renew' &&
        fact.who === who &&
        fact.token === token &&
        fact.atMs > drainedMs,
    )
    const thread = hindrances.threadOf(who, heart)
    // A heart that has heard late of the stop is given up when the time is over that it had.
    const stop = stops.findLast((fact) => fact.who === who && fact.atMs <= atMs)
    const fromMs = reason === 'stopped' && stop !== undefined ? stop.atMs : atMs
    const hinderedBy = (toMs: number): number =>
      hindrances.ms(who, thread, fromMs, toMs) + hindrances.ms(who, 'main', fromMs, toMs)
    if (renewal !== undefined && hinderedBy(renewal.atMs) === 0) {
      const rule = 'what does not end in time is not renewed'
      violations.push({ rule, atMs: renewal.atMs, who, what: `${token} is` })
    }
    const over = facts.some(
      (fact) =>
        fact.who === who &&
        fact.atMs >= atMs &&
        fact.atMs <= byMs &&
        ((fact.kind === 'ended' && fact.token === token) ||
          (fact.kind === 'process' && fact.what === 'is gone') ||
          (fact.kind === 'heart-died' && fact.heart === heart)),
    )
    if (over || hinderedBy(byMs) > 0) continue
    const rule = 'a term that ends comes to its end'
    violations.push({ rule, atMs: byMs, who, what: `${token} is still ending` })
  }
  return violations
}
