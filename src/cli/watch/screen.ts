import type { LeaseView, TermView } from '../../dashboard/page.ts'
import { painted, type Paint, type Segment, type Style } from '../paint.ts'
import { endStyleOf, termTable } from '../term-table.ts'
import { clip, spanOf, timeOf } from '../words.ts'

/** What is known when the screen is drawn. */
export interface Seen {
  /** What the last look saw that succeeded. */
  readonly view: LeaseView | undefined
  /** Why the looks fail, and since when, while they do. */
  readonly failure: { readonly sinceMs: number; readonly message: string } | undefined
}

/** The screen gets no wider than what can be read at a glance. */
const columnsMax = 100
const nameColumnsMax = 24
/** How many of the last terms, and of their leaders, there are on the timeline. */
const drawnTermsMax = 16
const drawnLeadersMax = 6
/** A timeline of less than this would run before one's eyes. */
const windowMsMin = 60_000

/** The lines of the screen, each of which fits; `nowMs` is the time that it is drawn for. */
export function screenOf(
  seen: Seen,
  nowMs: number,
  size: { readonly columns: number; readonly rows: number },
  paint: Paint,
): string[] {
  const width = Math.min(size.columns - 1, columnsMax)
  const { view } = seen
  const lines: Segment[][] = [
    between([[' Tenure', 'bold'], [`  ${view?.lease ?? ''}`]], timeOf(nowMs, nowMs), width),
    [[` ${view?.store ?? ''}`, 'dim']],
    [],
    ...failureLines(seen, nowMs),
  ]
  if (view !== undefined) {
    const { leader } = view
    lines.push(...(leader ? leaderLines(view, leader, nowMs, width) : nobodyLines(view)))
    lines.push([], ...historyLines(view, nowMs, width))
  }
  if (view !== undefined && view.applications.length > 0) {
    const names = view.applications.join(', ')
    lines.push([], [[` several applications share this lease: ${names}`, 'red']])
  }
  const shown = lines.slice(0, size.rows - 2)
  const gap = Array.from({ length: Math.max(0, size.rows - 1 - shown.length) }, () => [])
  const foot: Segment[] = [[' q quits · looks at the store once a second', 'dim']]
  return [...shown, ...gap, foot].map((line) => painted(line, width, paint))
}

function failureLines({ view, failure }: Seen, nowMs: number): Segment[][] {
  if (failure === undefined) return view === undefined ? [[[' looking ...', 'dim']]] : []
  const sinceText = spanOf(nowMs - failure.sinceMs)
  const lines: Segment[][] = [
    [[` the store cannot be read, for ${sinceText}: `, 'red'], [failure.message]],
  ]
  if (view !== undefined) lines.push([[' what follows is what was seen last', 'dim']])
  return [...lines, []]
}

function nobodyLines({ expired, lastToken }: LeaseView): Segment[][] {
  const last = lastToken === 0 ? 'nobody has ever led' : `the last fencing token was ${lastToken}`
  const why = expired
    ? `the lease of ${expired.name} with fencing token ${expired.token} has expired`
    : last
  const circle: Segment = [' ○ ', 'yellow']
  return [[circle, ['nobody leads', 'bold']], [[`   ${why}`, 'dim']]]
}

function leaderLines(
  view: LeaseView,
  leader: NonNullable<LeaseView['leader']>,
  nowMs: number,
  width: number,
): Segment[][] {
  const { name, place, application, token, sinceMs, ttlMs, resignAskedBy } = leader
  const details = [
    ...(place === name ? [] : [place]),
    ...(application === '' ? [] : [`application ${application}`]),
    ...(sinceMs === undefined ? [] : [`for ${spanOf(nowMs - sinceMs)}`]),
  ]
  const lines: Segment[][] = [
    [[' ● ', 'green'], [name, 'bold'], [` leads with fencing token ${token}`]],
    [[`   ${details.join(' · ')}`, 'dim']],
  ]
  if (resignAskedBy !== undefined) {
    lines.push([[`   asked to resign by ${resignAskedBy}`, 'yellow']])
  }
  const beat: Segment = [' heartbeat  ', 'dim']
  const left: Segment = [' remaining  ', 'dim']
  if (leader.ageMs === undefined || leader.remainingMs === undefined) {
    return [...lines, [], [beat, ['unknown: the record was written under another clock']]]
  }
  const sinceLookMs = nowMs - view.atMs
  const remainingMs = Math.max(0, leader.remainingMs - sinceLookMs)
  const ago = `${spanOf(leader.ageMs + sinceLookMs)} ago`
  return [...lines, [], [beat, [ago]], [left, ...bar(remainingMs, ttlMs, width - 12)]]
}

/** What is left of the ttl, as a bar with its figures. */
function bar(leftMs: number, ttlMs: number, width: number): Segment[] {
  const figures = `  ${spanOf(leftMs)} of ${spanOf(ttlMs)}`
  // As wide as the widest figures, so that the bar does not jump.
  const columns = Math.max(0, width - Math.max(figures.length, 20))
  const share = Math.min(1, leftMs / ttlMs)
  const halves = Math.round(share * columns * 2)
  const full = '━'.repeat(Math.floor(halves / 2)) + (halves % 2 === 1 ? '╸' : '')
  const style: Style = share > 1 / 2 ? 'green' : share > 1 / 4 ? 'yellow' : 'red'
  return [[full, style], ['·'.repeat(Math.max(0, columns - full.length)), 'dim'], [figures]]
}

function historyLines({ terms }: LeaseView, nowMs: number, width: number): Segment[][] {
  if (terms.length === 0) return []
  const nameColumns = Math.min(nameColumnsMax, Math.max(...terms.map(({ name }) => name.length)))
  const timeline = timelineOf(terms, nowMs, { nameColumns, columns: width - nameColumns - 4 })
  const [title, ...rows] = termTable(terms, nowMs)
  return [
    ...timeline,
    [],
    [[` ${title?.text}${title?.end}`, 'dim']],
    ...rows.map(({ text, end, style }): Segment[] => [[` ${text}`], [end, style]]),
  ]
}

/** Who led when: a line for each leader, the last one first, and the times below them. */
function timelineOf(
  terms: readonly TermView[],
  nowMs: number,
  { nameColumns, columns }: { readonly nameColumns: number; readonly columns: number },
): Segment[][] {
  const recent = terms.slice(0, drawnTermsMax)
  const first = recent.at(-1)
  if (first === undefined || columns < 20) return []
  const startMs = Math.min(first.startedAtMs, nowMs - windowMsMin)
  const columnOf = (atMs: number): number =>
    Math.min(columns - 1, Math.max(0, Math.floor(((atMs - startMs) / (nowMs - startMs)) * columns)))
  const byName = [...Map.groupBy(recent, ({ name }) => name)].slice(0, drawnLeadersMax)
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

/** A line with something at its right end. */
function between(left: readonly Segment[], right: string, width: number): Segment[] {
  const used = left.reduce((sum, [text]) => sum + text.length, 0)
  return [...left, [' '.repeat(Math.max(1, width - used - right.length))], [right, 'dim']]
}
