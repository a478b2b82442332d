import type { LeaseView } from '../lease-view.ts'
import type { Paint, Style } from '../paint.ts'
import { applicationDefault, endOf, endStyleOf, withPlace } from '../status-text.ts'
import { spanOf, timeOf } from '../words.ts'
import { clip, painted, type Segment } from './line.ts'
import { timelineOf } from './timeline.ts'

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
/** Of a line of the history, what is not the leader's name, where the time is one of today. */
const otherColumns = 48

/** The lines of the screen, each of which fits; `nowMs` is the time that it is drawn for. */
export function screenOf(
  seen: Seen,
  nowMs: number,
  size: { readonly columns: number; readonly rows: number },
  paint: Paint,
): string[] {
  const width = Math.min(size.columns - 1, columnsMax)
  const { view } = seen
  const head: Segment[][] = [
    between([[' Tenure', 'bold'], [`  ${view?.lease ?? ''}`]], timeOf(nowMs, nowMs), width),
    [[` ${view?.store ?? ''}`, 'dim']],
    [],
    ...failureLines(seen, nowMs),
    ...(view === undefined ? [] : leaderLines(view, nowMs, width)),
  ]
  const foot: Segment[] = [[' q quits · looks at the store once a second', 'dim']]
  const rows = Math.max(0, size.rows - head.length - 1)
  const body = view === undefined ? [] : historyLines(view, nowMs, width, rows - 1)
  const filled = [...head, ...body]
  const gap = Array.from({ length: Math.max(0, size.rows - filled.length - 1) }, () => [])
  return [...filled, ...gap, foot].slice(-size.rows).map((line) => painted(line, width, paint))
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

function leaderLines(view: LeaseView, nowMs: number, width: number): Segment[][] {
  const { leader, expired, lastToken } = view
  if (leader === undefined) {
    const why =
      expired === undefined
        ? lastToken === 0
          ? 'nobody has ever led'
          : `the last fencing token was ${lastToken}`
        : `the lease of ${expired.name} with fencing token ${expired.token} has expired`
    return [
      [
        [' ○ ', 'yellow'],
        ['nobody leads', 'bold'],
      ],
      [[`   ${why}`, 'dim']],
      [],
    ]
  }
  const { name, place, application, token, sinceMs, ttlMs, resignAskedBy } = leader
  const sinceLookMs = nowMs - view.atMs
  const ageMs = leader.ageMs === undefined ? undefined : leader.ageMs + sinceLookMs
  const leftMs =
    leader.remainingMs === undefined ? undefined : Math.max(0, leader.remainingMs - sinceLookMs)
  const details = [
    ...(place === name ? [] : [place]),
    ...(application === applicationDefault ? [] : [`application ${application}`]),
    ...(sinceMs === undefined ? [] : [`for ${spanOf(nowMs - sinceMs)}`]),
  ]
  const unknown = 'unknown: written under another clock'
  return [
    [[' ● ', 'green'], [name, 'bold'], [` leads with fencing token ${token}`]],
    [[`   ${details.join(' · ')}`, 'dim']],
    ...(resignAskedBy === undefined
      ? []
      : [[[`   asked to resign by ${resignAskedBy}`, 'yellow'] as const]]),
    [],
    [[' heartbeat  ', 'dim'], [ageMs === undefined ? unknown : `${spanOf(ageMs)} ago`]],
    leftMs === undefined
      ? [[' remaining  ', 'dim'], [unknown]]
      : [[' remaining  ', 'dim'], ...bar(leftMs, ttlMs, width - 12)],
    [],
  ]
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

function historyLines(view: LeaseView, nowMs: number, width: number, rows: number): Segment[][] {
  const { terms } = view
  if (terms.length === 0) return []
  const names = Math.min(nameColumnsMax, Math.max(...terms.map(({ name }) => name.length)))
  const timeline = timelineOf(terms, nowMs, { nameColumns: names, columns: width - names - 4 })
  const left = rows - timeline.length - 2
  const shown = terms.slice(0, Math.max(0, left))
  if (shown.length === 0) return timeline
  const rowsOfTable = shown.map((term) => ({
    token: String(term.token),
    who: withPlace(term.name, term.place),
    began: timeOf(term.startedAtMs, nowMs),
    lasted: spanOf((term.endedAtMs ?? nowMs) - term.startedAtMs),
    end: endOf(term),
    style: endStyleOf(term),
  }))
  const title = { token: 'TOKEN', who: 'LEADER', began: 'BEGAN', lasted: 'LASTED', end: 'END' }
  const columns = [title, ...rowsOfTable].map(({ who }) => who.length)
  const whoColumns = Math.min(Math.max(...columns), Math.max(0, width - otherColumns))
  const lineOf = (row: typeof title): [left: string, right: string] => [
    ` ${row.token.padStart(7)}  ${clip(row.who, whoColumns).padEnd(whoColumns)}`,
    `  ${row.began.padStart(8)}  ${row.lasted.padStart(7)}  `,
  ]
  const head: Segment = [lineOf(title).join('') + title.end, 'dim']
  const table = rowsOfTable.map((row): Segment[] => {
    const [left, right] = lineOf(row)
    return [[left], [right, 'dim'], row.style ? [row.end, row.style] : [row.end]]
  })
  return [...timeline, [], [head], ...table]
}

/** A line with something at its right end. */
function between(left: readonly Segment[], right: string, width: number): Segment[] {
  const used = left.reduce((sum, [text]) => sum + text.length, 0)
  return [...left, [' '.repeat(Math.max(1, width - used - right.length))], [right, 'dim']]
}
