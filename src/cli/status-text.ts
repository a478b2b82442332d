import type { LeaseView } from '../dashboard/page.ts'
import type { Paint } from './paint.ts'
import { termTable, withPlace } from './term-table.ts'
import { spanOf } from './words.ts'

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
  if (view.applications.length > 0) lines.push('', ...applicationLines(view, paint))
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
  const { name, place, application, token, ageMs, remainingMs, ttlMs, jobsHash, resignAskedBy } =
    leader
  const unknown = 'unknown: the record was written under another clock'
  const left = remainingMs === undefined ? unknown : `${spanOf(remainingMs)} of ${spanOf(ttlMs)}`
  const lines = [
    row('leader', paint('green', withPlace(name, place))),
    ...(application === '' ? [] : [row('application', application)]),
    row('token', String(token)),
    row('renewed', ageMs === undefined ? unknown : `${spanOf(ageMs)} ago`),
    row('expires', remainingMs === undefined ? unknown : `in ${left}, unless it is renewed`),
  ]
  if (jobsHash !== undefined) lines.push(row('jobs', jobsHash))
  if (resignAskedBy !== undefined) lines.push(row('resigning', `asked by ${resignAskedBy}`))
  return lines
}

function applicationLines({ applications }: LeaseView, paint: Paint): string[] {
  return [
    paint('red', `  Several applications share this lease: ${applications.join(', ')}.`),
    '  Only one of them runs its jobs at a time. Give each a lease of its own.',
  ]
}

function termLines({ terms, atMs }: LeaseView, paint: Paint): string[] {
  const [title, ...rows] = termTable(terms.slice(0, termsMax), atMs)
  const lines = rows.map(
    ({ text, end, style }) => `  ${text}${style === undefined ? end : paint(style, end)}`,
  )
  if (title !== undefined) lines.unshift(paint('dim', `  ${title.text}${title.end}`))
  const more = terms.length - rows.length
  if (more > 0) lines.push(paint('dim', `  and ${more} before, all in --json`))
  return lines
}
