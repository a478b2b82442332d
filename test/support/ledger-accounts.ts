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
  const firsts = new Map<number, LedgerRun[]>()
  for (const run of ofTicks) {
    const { tickMs, attempt } = run
    if (attempt === 1) firsts.set(tickMs, [...(firsts.get(tickMs) ?? []), run])
    else if (!ofTicks.some((one) => one.tickMs === tickMs && one.attempt === attempt - 1)) {
      found.push({ tickMs, what: `attempt ${attempt} follows none` })
    }
  }
  const isTick = new Set(ticks)
  for (const tickMs of ticks) {
    const ran = firsts.get(tickMs)?.length ?? 0
    const skipped = skips.filter((skip) => skip.tickMs <= tickMs && tickMs <= skip.untilTickMs)
    if (ran + skipped.length !== 1) {
      found.push({ tickMs, what: `ran ${ran} times, skipped ${skipped.length} times` })
    }
  }
  for (const tickMs of firsts.keys()) {
    if (!isTick.has(tickMs)) found.push({ tickMs, what: 'was run, and is no tick' })
  }
  for (const { tickMs, untilTickMs, count } of skips) {
    const within = ticks.filter((one) => tickMs <= one && one <= untilTickMs).length
    if (within !== count) found.push({ tickMs, what: `skips ${within} ticks, and says ${count}` })
  }
  const once = new Set(ofTicks.map(({ tickMs, attempt }) => `${tickMs} ${attempt}`))
  if (once.size !== ofTicks.length) found.push({ tickMs: 0, what: 'an attempt was made twice' })
  return found
}
