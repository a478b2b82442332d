import { hardFenceAfterMs, softStopAfterMs } from '../../../src/lease/term.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'
import { placesOf } from '../ledger-habits.ts'
import type { Recording } from '../simulation.ts'
import { Hindrances } from './hindrances.ts'

/** A suspended time as short as this may go unnoticed, and timers are as late as this. */
const slackMs = 100

/** What is known of the trust of a term by its instance's own time. */
interface Trust {
  /** When the last renewal that succeeded was sent. */
  readonly sentBootMs: number
  readonly softStopMs: number
  readonly hardFenceMs: number
}

/** Goes through all runs in order, with the trust of their terms as it was then. */
function* runsOf({ facts, scenario }: Recording): Generator<{
  fact: Extract<Fact, { kind: 'run-started' | 'run-ended' }>
  trust: Trust | undefined
}> {
  const trusts = new Map<string, Trust>()
  const calls = ofKind(facts, 'call')
    .filter(({ how, reply }) => how === 'replied' && /^(acquired|renewed)/.test(reply ?? ''))
    .map((call) => ({ atMs: call.settledAtMs ?? 0, call, fact: undefined }))
  const runs = [...ofKind(facts, 'run-started'), ...ofKind(facts, 'run-ended')].map((fact) => ({
    atMs: fact.atMs,
    call: undefined,
    fact,
  }))
  for (const { call, fact } of [...calls, ...runs].toSorted(
    (one, other) => one.atMs - other.atMs,
  )) {
    if (fact !== undefined) {
      yield { fact, trust: trusts.get(`${fact.who} ${fact.token}`) }
      continue
    }
    const times = scenario.times.find(({ ttl }) => ttl === call.ttlMs)
    if (call.token === undefined || times === undefined) continue
    const { ttl, stopGrace, safetyMargin } = times
    const trust = { ttlMs: ttl, stopGraceMs: stopGrace, safetyMarginMs: safetyMargin }
    const key = `${call.who} ${call.token}`
    const { sentBootMs } = call
    // What the store acknowledged before, it keeps, also if the ttl is shorter now.
    const before = trusts.get(key)
    const leftMs = (ms: number | undefined): number =>
      before === undefined || ms === undefined ? 0 : before.sentBootMs + ms - sentBootMs
    trusts.set(key, {
      sentBootMs,
      softStopMs: Math.max(softStopAfterMs(trust), leftMs(before?.softStopMs)),
      hardFenceMs: Math.max(hardFenceAfterMs(trust), leftMs(before?.hardFenceMs)),
    })
  }
}

/** No run starts after the soft stop of its term, and no more runs of a job at once than may. */
export function checkRuns(recording: Recording): Violation[] {
  const violations: Violation[] = []
  const running = new Map<string, number>()
  const places = new Map(recording.scenario.ledger.map((job) => [job.id, placesOf(job)]))
  for (const { fact, trust } of runsOf(recording)) {
    const { atMs, who, job, run, token, bootMs } = fact
    const key = `${who} ${job}`
    const going = running.get(key) ?? 0
    if (fact.kind === 'run-ended') {
      running.set(key, going - 1)
      continue
    }
    const lateMs = trust === undefined ? 0 : bootMs - trust.sentBootMs - trust.softStopMs
    if (fact.standing !== 'leader' || lateMs > slackMs) {
      const rule = 'no run starts after the soft stop of its term'
      const what = `${run} with ${token}, ${fact.standing}, ${Math.round(lateMs)} ms after it`
      violations.push({ rule, atMs, who, what })
    }
    if (going >= (places.get(job) ?? 1) && job !== 'while') {
      violations.push({ rule: 'runs of a job do not overlap', atMs, who, what: run })
    }
    running.set(key, going + 1)
  }
  return violations
}

/** A lease is not released while work of its term goes on. */
export function checkReleases({ facts }: Recording): Violation[] {
  return ofKind(facts, 'released')
    .filter(({ working }) => working.length > 0)
    .map(({ atMs, who, token, working }) => ({
      rule: 'nothing is released before its work has ended',
      atMs,
      who,
      what: `${token} was released; there is still ${working.join(', ')}`,
    }))
}

/**
 * Work that obeys its signal within the stop grace has ended by the hard fence, and is never done
 * after work of a later term: wherever its thread was able to run.
 */
export function checkObedientWork(recording: Recording): Violation[] {
  const { facts, scenario } = recording
  const violations: Violation[] = []
  const hindrances = new Hindrances(recording)
  const graceMs = Math.max(...scenario.times.map(({ stopGrace }) => stopGrace)) + 1_000
  const wasHindered = (who: string, atMs: number): boolean =>
    hindrances.ms(who, 'main', atMs - graceMs, atMs) > 0
  // Where the store says "not yours", nothing is trusted from then on, whatever still runs.
  const refused = new Set(
    ofKind(facts, 'call')
      .filter(({ reply }) => reply?.startsWith('refused'))
      .map(({ token }) => token),
  )
  for (const { fact, trust } of runsOf(recording)) {
    const { kind, atMs, who, run, token, obeys, bootMs } = fact
    if (kind !== 'run-ended' || !obeys || trust === undefined) continue
    const lateMs = bootMs - trust.sentBootMs - trust.hardFenceMs
    if (lateMs <= 0 || refused.has(token) || wasHindered(who, atMs)) continue
    const rule = 'work that obeys ends before the hard fence'
    violations.push({
      rule,
      atMs,
      who,
      what: `${run} with ${token}, ${Math.round(lateMs)} ms late`,
    })
  }
  let latest = 0
  for (const { atMs, who, run, token, obeys } of ofKind(facts, 'work')) {
    if (token >= latest) latest = token
    else if (obeys && !refused.has(token) && !wasHindered(who, atMs)) {
      const rule = 'work that obeys is never done after work of a later term'
      violations.push({ rule, atMs, who, what: `${run} with ${token} after ${latest}` })
    }
  }
  return violations
}
