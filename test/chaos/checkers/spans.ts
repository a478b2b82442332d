import { ofKind, type Fact } from '../history.ts'

/** A stretch of time, in milliseconds of the common clock. */
export interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** When each fault was in force, and on whom; to the end where its end is not known. */
export interface FaultSpan extends Span {
  readonly fact: Extract<Fact, { kind: 'fault' }>
}

/**
 * When which process's main thread did not run, by life. The harness stands for the machine. A gap
 * is noted when it begins to be known, without an end, and again with its end, if that comes.
 */
export function gapsOf(facts: readonly Fact[]): Map<string, Span[]> {
  const gaps = new Map<string, Map<number, number>>()
  for (const { who, atMs, toMs } of ofKind(facts, 'hindered')) {
    const own = gaps.get(who) ?? new Map<number, number>()
    gaps.set(who, own.set(atMs, Math.min(toMs, own.get(atMs) ?? Infinity)))
  }
  return new Map(
    [...gaps].map(([who, own]) => [who, Array.from(own, ([fromMs, toMs]) => ({ fromMs, toMs }))]),
  )
}

/** The faults that were done. */
export function faultSpans(facts: readonly Fact[]): FaultSpan[] {
  const overs = new Map(ofKind(facts, 'fault-over').map((fact) => [fact.id, fact]))
  return ofKind(facts, 'fault')
    .filter(({ id }) => overs.get(id)?.missed !== true)
    .map((fact) => ({
      fact,
      fromMs: fact.atMs,
      toMs: overs.get(fact.id)?.atMs ?? Infinity,
    }))
}

/** What is left of a span without the others. */
export function without(span: Span, others: readonly Span[]): Span[] {
  let left = [span]
  for (const { fromMs, toMs } of others) {
    left = left.flatMap((part) => {
      if (toMs <= part.fromMs || fromMs >= part.toMs) return [part]
      return [
        { fromMs: part.fromMs, toMs: fromMs },
        { fromMs: toMs, toMs: part.toMs },
      ].filter((rest) => rest.toMs > rest.fromMs)
    })
  }
  return left
}

/** Whether two spans have an instant in common. */
export function meet(one: Span, other: Span): boolean {
  return one.fromMs < other.toMs && other.fromMs < one.toMs
}
