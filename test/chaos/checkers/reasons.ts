import type { EndReason } from '../../../src/store/lease-store.ts'
import { times } from '../arena.ts'
import type { FaultName } from '../faults.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'
import { faultSpans, gapsOf, meet, type FaultSpan, type Span } from './spans.ts'

/** What keeps a process, or its heart, from running. */
const hindering: readonly FaultName[] = ['process frozen', 'heart stands still', 'heart killed']
/** What keeps attempts from succeeding. */
const unreachable: readonly FaultName[] = [
  'store locked',
  'disk full',
  'network slow',
  'network cut',
  'connections ended',
  'server down',
  'server frozen',
]

/** Which faults can bring a loss about, by its reason. */
const causes: Readonly<Record<EndReason, readonly FaultName[]>> = {
  resigned: ['leader resigns'],
  stopped: ['process exits'],
  stalled: ['loop blocked'],
  'store-unreachable': [...unreachable, ...hindering],
  // The main thread says so, too, where the heart can say nothing, or not in time.
  expired: [...hindering, ...unreachable, 'loop blocked'],
  // A renewal that was held up finds the next holder.
  stolen: ['lease taken', ...hindering, ...unreachable],
  // No instance that lives can say so of itself.
  crashed: [],
}

/** Reasons that a machine that does not let processes run may bring about as well. */
const ofBusyMachine = new Set<EndReason>(['store-unreachable', 'expired', 'stalled'])

/** How long a fault may have been over when the loss that it has caused is told of. */
const afterMs = 2 * times.ttl

/** Every loss has a reason that what was done to the instance, or to its store, explains. */
export function checkReasons(facts: readonly Fact[]): Violation[] {
  const rule = 'every loss has a reason that a fault explains'
  const faults = faultSpans(facts)
  const gaps = gapsOf(facts)
  const machine = gaps.get('harness') ?? []
  const calm = ofKind(facts, 'calm')[0]
  const violations: Violation[] = []
  const began = new Map(
    ofKind(facts, 'led').map(({ who, token, atMs }) => [`${who} ${token}`, atMs]),
  )
  for (const { atMs, who, token, reason } of ofKind(facts, 'lost')) {
    const ledAtMs = began.get(`${who} ${token}`) ?? atMs
    const term = { fromMs: Math.min(ledAtMs, atMs) - afterMs, toMs: atMs }
    if (reason === 'stopped' && calm !== undefined && atMs >= calm.atMs) continue
    if (faults.some((fault) => explains(fault, who, reason, term))) continue
    const hindered = [...machine, ...(gaps.get(who) ?? [])].some((gap) => meet(gap, term))
    if (hindered && ofBusyMachine.has(reason)) continue
    violations.push({ rule, atMs, who, what: `the term ${token} is lost as "${reason}"` })
  }
  return violations
}

function explains(
  { fact, ...span }: FaultSpan,
  who: string,
  reason: EndReason,
  term: Span,
): boolean {
  if (!causes[reason].includes(fact.fault) || !meet(span, term)) return false
  // Anyone can ask whoever leads to resign.
  return fact.on === '' || fact.on === who || fact.how === 'request resign'
}
