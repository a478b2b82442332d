import type { LeaseView, TermView } from './lease-view.ts'
import type { Paint, Style } from './paint.ts'
import { spanOf, timeOf } from './words.ts'

/** An application that has not said its name: not worth a word. */
export const applicationDefault = 'application'

/** How many terms are shown; the rest is in the JSON. */
const termsMax = 10

/** A lease, its leader and its history, as a person reads them. */
export function statusText(view: LeaseView, paint: Paint): string {
  const { lease, store, terms } = view
  const lines = [
    `Lease ${paint('bold', lease)} ${paint('dim', `in ${store}`)}`,
    '',
    ...leaderLines(view, paint),
  ]
  if (terms.length > 0) lines.push('', ...termLines(view, paint))
  return lines.join('\n')
}

function leaderLines({ leader, expired, lastToken }: LeaseView, paint: Paint): string[] {
  const row = (name: string, text: string): string => `  ${paint('dim', name.padEnd(11))}  ${text}`
  if (leader === undefined) {
    const nobody = row('leader', paint('yellow', 'nobody'))
    if (expired !== undefined) {
      const { name, place, token } = expired
      return [nobody, row('expired', `${withPlace(name, place)}, fencing token ${token}`)]
    }
    if (lastToken === 0) return [nobody, row('history', 'nobody has ever led')]
    return [nobody, row('last', `fencing token ${lastToken}`)]
  }
  const { name, place, application, token, ageMs, remainingMs, ttlMs, resignAskedBy } = leader
  const unknown = 'unknown: the record was written under another clock'
  const left = remainingMs === undefined ? unknown : `${spanOf(remainingMs)} of ${spanOf(ttlMs)}`
  const lines = [
    row('leader', paint('green', withPlace(name, place))),
    ...(application === applicationDefault ? [] : [row('application', application)]),
    row('token', String(token)),
    row('renewed', ageMs === undefined ? unknown : `${spanOf(ageMs)} ago`),
    row('expires', remainingMs === undefined ? unknown : `in ${left}, unless it is renewed`),
  ]
  if (resignAskedBy !== undefined) lines.push(row('resigning', `asked by ${resignAskedBy}`))
  return lines
}

function termLines(view: LeaseView, paint: Paint): string[] {
  const { terms, atMs } = view
  const shown = terms.slice(0, termsMax)
  const rows = shown.map((term) => ({
    token: String(term.token),
    leader: withPlace(term.name, term.place),
    began: timeOf(term.startedAtMs, atMs),
    lasted: spanOf((term.endedAtMs ?? atMs) - term.startedAtMs),
    ended: endOf(term),
    style: endStyleOf(term),
  }))
  const head = { token: 'TOKEN', leader: 'LEADER', began: 'BEGAN', lasted: 'LASTED', ended: 'END' }
  const width = (key: keyof typeof head): number =>
    Math.max(...[head, ...rows].map((row) => row[key].length))
  const lineOf = (row: typeof head & { style?: Style | undefined }): string =>
    [
      `  ${row.token.padStart(width('token'))}`,
      row.leader.padEnd(width('leader')),
      row.began.padEnd(width('began')),
      row.lasted.padStart(width('lasted')),
      row.style === undefined ? row.ended : paint(row.style, row.ended),
    ].join('  ')
  const lines = [paint('dim', lineOf(head)), ...rows.map(lineOf)]
  const more = terms.length - shown.length
  if (more > 0) lines.push(paint('dim', `  and ${more} before, all in --json`))
  return lines
}

/** How a term ended, in a word. */
export function endOf({ endedAtMs, reason }: TermView): string {
  if (endedAtMs === undefined) return 'leads'
  return reason ?? 'unknown'
}

/** How the end of a term is to be seen: what nobody wanted is red. */
export function endStyleOf({ endedAtMs, reason }: TermView): Style | undefined {
  if (endedAtMs === undefined) return 'green'
  return reason === 'resigned' || reason === 'stopped' ? undefined : 'red'
}

/** A name with the place that it stands for, unless that is its name already. */
export function withPlace(name: string, place: string): string {
  return name === place ? name : `${name} (${place})`
}
