import type { Fact, Violation } from './history.ts'
import type { Recording } from './simulation.ts'

/** How wide a column is, in characters. */
const columnWidth = 36

/**
 * What happened, to be read by people: a line for each fact, a column for each instance and one
 * for the store, and the instant of true time, in seconds. What went as it should is left out.
 */
export function timeline(
  { scenario, facts }: Recording,
  violations: readonly Violation[] = [],
  fromMs = 0,
): string {
  const columns = [...scenario.instances.map((_, i) => String.fromCharCode(97 + i)), 'store']
  const columnOf = (who: string): number =>
    who === 'store' ? columns.length - 1 : columns.indexOf(who.slice(0, 1))
  const lines = facts
    .map((fact) => ({ atMs: fact.atMs, column: columnOf(fact.who), text: tell(fact) }))
    .filter(({ atMs, text }) => text !== undefined && atMs >= fromMs)
  for (const { atMs, who, rule, what } of violations) {
    lines.push({ atMs, column: columnOf(who), text: `### ${rule}: ${what}` })
  }
  const head = columns.map((column) => column.padEnd(columnWidth)).join('')
  const body = lines
    .toSorted((one, other) => one.atMs - other.atMs)
    .map(({ atMs, column, text }) => {
      const time = (atMs / 1_000).toFixed(3).padStart(9)
      return `${time}  ${' '.repeat(column * columnWidth)}${text}`
    })
  return [`  seconds  ${head}`, ...body].join('\n')
}

function tell(fact: Fact): string | undefined {
  switch (fact.kind) {
    case 'call':
      return tellCall(fact)
    case 'ledger-call':
      return fact.how === 'replied' ? undefined : `${fact.verb}: ${fact.how ?? 'nothing is heard'}`
    case 'entered':
      return `entered ${fact.job} from ${fact.anchorMs}`
    case 'claimed':
      return `claimed for ${fact.token}: ${fact.id}, ${fact.job} of ${fact.tickMs}, ${fact.attempt}`
    case 'skipped':
      return `skipped by ${fact.token}: ${fact.count} of ${fact.jobId} to ${fact.untilTickMs}`
    case 'abandoned':
      return `abandoned by ${fact.by}: ${fact.id} of ${fact.token}`
    case 'told-abandoned':
      return `is told of ${fact.id}, which was abandoned`
    case 'fault':
      return `! ${fact.what}`
    case 'process':
      return `${fact.who} ${fact.what}`
    case 'resign':
      return fact.token === undefined ? undefined : `resigns from ${fact.token}`
    case 'reconfigured':
      return `has new times: ttl ${fact.ttlMs}`
    case 'granted':
      return `granted ${fact.token} to ${fact.holder}${fact.again ? ' again' : ''}`
    case 'released':
      return `released ${fact.token}`
    case 'wish':
      return `is told that ${fact.token} shall resign`
    case 'led':
      return `LEADS with ${fact.token}`
    case 'ending':
      return `ending ${fact.token}: ${fact.reason}`
    case 'ended':
      return `ended ${fact.token}: ${fact.reason}${fact.released ? '' : ', not released'}`
    case 'heart-died':
      return `${fact.heart} died${fact.onPurpose ? '' : ' by itself'}`
    case 'token-went-back':
      return `the token went back: ${fact.token}`
    case 'alarming-line':
      return `logs ${fact.line}`
    case 'lost':
      return `term:lost ${fact.token}: ${fact.reason}`
    case 'standing':
      return fact.standing === 'none' ? 'trusts nothing' : `is ${fact.standing} with ${fact.token}`
    case 'both':
      return `and so does ${fact.others}`
    case 'run-started':
      return `run ${fact.run} starts with ${fact.token}${fact.claim ? ` as ${fact.claim.id}` : ''}`
    case 'run-ended':
      return `run ${fact.run} ends`
    case 'write':
      return fact.accepted ? undefined : `write with ${fact.token} refused for ${fact.highest}`
    case 'hindered': {
      const forMs = Math.round(fact.toMs - fact.atMs)
      return `${fact.thread} ${fact.why} for ${forMs} ms`
    }
    default:
      return undefined
  }
}

function tellCall(call: Extract<Fact, { kind: 'call' }>): string {
  const { atMs, verb, holder, settledAtMs, how, reply } = call
  const about = verb === 'acquire' ? holder : `${call.token ?? ''}`
  const after = settledAtMs === undefined ? '' : ` after ${Math.round(settledAtMs - atMs)} ms`
  return `${verb} ${about}: ${how === undefined ? 'nothing is heard' : `${reply}${after}`}`
}
