import type { TermView } from '../dashboard/page.ts'
import type { Style } from './paint.ts'
import { clip, spanOf, timeOf } from './words.ts'

/** A line of the history of terms: how the term ended stands last, and may be painted. */
export interface TermLine {
  readonly text: string
  readonly end: string
  readonly style: Style | undefined
}

const leaderColumnsMax = 40

/** The history of terms as a table, its title first. */
export function termTable(terms: readonly TermView[], nowMs: number): TermLine[] {
  const title: Row = { token: 'TOKEN', leader: 'LEADER', began: 'BEGAN', lasted: 'LASTED' }
  const rows = terms.map((term) => rowOf(term, nowMs))
  const widthOf = (key: keyof Row): number =>
    Math.max(...[title, ...rows].map((row) => row[key].length))
  const leaderColumns = Math.min(widthOf('leader'), leaderColumnsMax)
  const textOf = ({ token, leader, began, lasted }: Row): string =>
    [
      token.padStart(widthOf('token')),
      clip(leader, leaderColumns).padEnd(leaderColumns),
      began.padStart(widthOf('began')),
      lasted.padStart(Math.max(widthOf('lasted'), 7)),
      '',
    ].join('  ')
  return [
    { text: textOf(title), end: 'END', style: 'dim' },
    ...terms.map((term) => ({
      text: textOf(rowOf(term, nowMs)),
      end: endOf(term),
      style: endStyleOf(term),
    })),
  ]
}

interface Row {
  readonly token: string
  readonly leader: string
  readonly began: string
  readonly lasted: string
}

function rowOf(term: TermView, nowMs: number): Row {
  return {
    token: String(term.token),
    leader: withPlace(term.name, term.place),
    began: timeOf(term.startedAtMs, nowMs),
    lasted: spanOf((term.endedAtMs ?? nowMs) - term.startedAtMs),
  }
}

/** A name with the place that it stands for, unless that is its name already. */
export function withPlace(name: string, place: string): string {
  return name === place ? name : `${name} (${place})`
}

/** How a term ended, in a word. */
function endOf({ endedAtMs, reason }: TermView): string {
  return endedAtMs === undefined ? 'leads' : (reason ?? 'unknown')
}

/** How the end of a term is to be seen: what nobody wanted is red. */
export function endStyleOf({ endedAtMs, reason }: TermView): Style | undefined {
  if (endedAtMs === undefined) return 'green'
  return reason === 'resigned' || reason === 'stopped' ? undefined : 'red'
}
