import { ofKind, type Fact, type Violation } from '../history.ts'
import { faultSpans } from './spans.ts'

/** Lines that are logged only where something is wrong with the code or with the application. */
const alarming = new Set([
  'instance_duplicate',
  'lease_other_application',
  'lease_token_went_back',
  'listener_failed',
  'run_failed',
  'run_timeout',
  'scheduler_lock_heartbeat_no_scheduler',
  'settings_invalid',
  'while_leader_failed',
])

/** What the faults themselves write to stderr, with the stack that Node.js adds. */
const thrownByFault = /thrown by the application|rejected by the application/

/** Nothing dies, throws or raises an alarm but by a fault. */
export function checkHealth(facts: readonly Fact[]): Violation[] {
  return [...checkEnds(facts), ...checkLines(facts), ...checkHearts(facts)]
}

function checkEnds(facts: readonly Fact[]): Violation[] {
  const rule = 'no process ends but by a fault'
  const violations: Violation[] = []
  for (const fact of ofKind(facts, 'process')) {
    if (fact.what !== 'is gone' || fact.how === fact.asked) continue
    const { atMs, who, how, asked } = fact
    const what = `it has ended with ${how}, where ${asked ?? 'no end'} was asked for`
    violations.push({ rule, atMs, who, what })
  }
  for (const { atMs, who, text } of ofKind(facts, 'stderr')) {
    if (thrownByFault.test(text)) continue
    violations.push({
      rule: 'stderr has nothing unexpected',
      atMs,
      who,
      what: text.slice(0, 2_000),
    })
  }
  for (const { atMs, who, what } of ofKind(facts, 'wrong')) {
    violations.push({ rule: 'nothing is stuck', atMs, who, what })
  }
  return violations
}

function checkLines(facts: readonly Fact[]): Violation[] {
  const rule = 'no line tells of something wrong'
  const violations: Violation[] = []
  for (const { atMs, who, event, message, fault } of ofKind(facts, 'line')) {
    if (fault !== undefined) violations.push({ rule, atMs, who, what: fault })
    if (alarming.has(event)) violations.push({ rule, atMs, who, what: `${event}: ${message}` })
  }
  return violations
}

/** The thread of a heart dies where a fault kills it, and nowhere else. */
function checkHearts(facts: readonly Fact[]): Violation[] {
  const rule = 'no heart dies but by a fault'
  const kills = faultSpans(facts).filter(({ fact }) => fact.fault === 'heart killed')
  return ofKind(facts, 'line')
    .filter(({ event }) => event === 'heart_died')
    .filter(({ who, atMs }) => !kills.some(({ fact, fromMs }) => fact.on === who && fromMs <= atMs))
    .map(({ atMs, who, message }) => ({ rule, atMs, who, what: message }))
}
