import type { LedgerRun, LedgerSkip } from '../../src/store/ledger-store.ts'

/** A tick of a job that is not accounted for exactly once. */
export interface Discrepancy {
  readonly tickMs: number
  readonly what: string
}

/**
 * Holds what the ledger says of a job against the ticks that it had: each was run once, or skipped
 * once with a reason, and nothing else was; and each attempt follows the one before it.
 *
 * @param ticks all ticks that are accounted for, ascending
 */
export function discrepancies(
  ticks: readonly number[],
  runs: readonly LedgerRun[],
  skips: readonly LedgerSkip[],
): Discrepancy[] {
  const found: Discrepancy[] = []
  const ofTicks = runs.filter(({ trigger }) => trigger === 'tick')
  const made = new Set<string>()
  const ran = new Map<number, number>()
  for (const { tickMs, attempt } of ofTicks) {
    if (made.has(`${tickMs} ${attempt}`)) found.push({ tickMs, what: 'an attempt was made twice' })
    made.add(`${tickMs} ${attempt}`)
    if (attempt === 1) ran.set(tickMs, (ran.get(tickMs) ?? 0) + 1)
  }
  for (const { tickMs, attempt } of ofTicks) {
    if (attempt > 1 && !made.has(`${tickMs} ${attempt - 1}`)) {
      found.push({ tickMs, what: `attempt ${attempt} follows none` })
    }
  }
  // By how much the number of skips that a tick belongs to changes from the one before it.
  const changes = new Map<number, number>()
  const change = (index: number, by: number): Map<number, number> =>
    changes.set(index, (changes.get(index) ?? 0) + by)
  for (const { tickMs, untilTickMs, count } of skips) {
    const from = countBelow(ticks, tickMs)
    const until = countBelow(ticks, untilTickMs + 1)
    change(from, 1)
    change(until, -1)
    const within = Math.max(0, until - from)
    if (within !== count) found.push({ tickMs, what: `skips ${within} ticks, and says ${count}` })
  }
  let skipped = 0
  for (const [index, tickMs] of ticks.entries()) {
    skipped += changes.get(index) ?? 0
    const times = ran.get(tickMs) ?? 0
    if (times + skipped !== 1) {
      found.push({ tickMs, what: `ran ${times} times, skipped ${skipped} times` })
    }
  }
  const isTick = new Set(ticks)
  for (const tickMs of ran.keys()) {
    if (!isTick.has(tickMs)) found.push({ tickMs, what: 'was run, and is no tick' })
  }
  return found
}

/** How many of these, which ascend, are below a value. */
function countBelow(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((sorted[middle] ?? Infinity) < value) low = middle + 1
    else high = middle
  }
  return low
}
