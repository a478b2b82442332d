import type { TermView } from '../../dashboard/page.ts'
import { endStyleOf } from '../term-table.ts'
import { clip, timeOf } from '../words.ts'
import type { Segment } from './line.ts'

/** How many of the last terms, and of their leaders, there are on the timeline. */
const termsMax = 16
const leadersMax = 6
/** A timeline of less than this would run before one's eyes. */
const windowMsMin = 60_000

/** Who led when: a line for each leader, the last one first, and the times below them. */
export function timelineOf(
  terms: readonly TermView[],
  nowMs: number,
  { nameColumns, columns }: { readonly nameColumns: number; readonly columns: number },
): Segment[][] {
  const recent = terms.slice(0, termsMax)
  const first = recent.at(-1)
  if (first === undefined || columns < 20) return []
  const startMs = Math.min(first.startedAtMs, nowMs - windowMsMin)
  const columnOf = (atMs: number): number =>
    Math.min(columns - 1, Math.max(0, Math.floor(((atMs - startMs) / (nowMs - startMs)) * columns)))
  const byName = [...Map.groupBy(recent, ({ name }) => name)].slice(0, leadersMax)
  const lines = byName.map(([name, own]): Segment[] => {
    const cells: Segment[] = Array.from({ length: columns }, () => ['·', 'dim'])
    for (const term of own.toReversed()) {
      const goesOn = term.endedAtMs === undefined
      const first = columnOf(term.startedAtMs)
      const last = columnOf(term.endedAtMs ?? nowMs)
      for (let i = first; i <= last; i++) cells[i] = ['━', goesOn ? 'green' : 'cyan']
      const style = endStyleOf(term)
      if (style !== undefined) cells[last] = [goesOn ? '●' : '×', style]
    }
    return [[` ${clip(name, nameColumns).padEnd(nameColumns)}  `], ...cells]
  })
  const from = timeOf(startMs, nowMs)
  const now = 'now'
  const space = ' '.repeat(Math.max(1, columns - from.length - now.length))
  return [...lines, [[' '.repeat(nameColumns + 3)], [`${from}${space}${now}`, 'dim']]]
}
