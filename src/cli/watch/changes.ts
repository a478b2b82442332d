import type { LeaseView, TermView } from '../../dashboard/page.ts'
import { withPlace } from '../term-table.ts'

/** Something that has changed from one look to the next. */
export interface Change {
  readonly event:
    | 'leads'
    | 'ended'
    | 'expired'
    | 'nobody_leads'
    | 'resign_asked'
    | 'store_failed'
    | 'store_answers'
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What there is to tell after a look: after the first one, how things stand. */
export function changesOf(before: LeaseView | undefined, after: LeaseView): Change[] {
  if (after.error !== undefined) {
    if (before?.error !== undefined) return []
    const { error } = after
    return [
      { event: 'store_failed', text: `the store cannot be read: ${error}`, fields: { error } },
    ]
  }
  const changes: Change[] = []
  if (before?.error !== undefined) {
    changes.push({ event: 'store_answers', text: 'the store answers again', fields: {} })
  }
  return [...changes, ...termChanges(before, after), ...leaderChanges(before, after)]
}

/** Told from the history, so that a term shorter than the time between two looks is told as well. */
function termChanges(before: LeaseView | undefined, after: LeaseView): Change[] {
  // The first look tells who leads, and not what has been.
  if (before === undefined) return after.leader === undefined ? [] : [leads(after.leader)]
  const changes: Change[] = []
  for (const term of after.terms.toReversed()) {
    const known = before.terms.find(({ token }) => token === term.token)
    const isNew = term.token > before.lastToken
    if (isNew) changes.push(leads(term))
    if (term.reason !== undefined && (isNew || (known && known.reason !== term.reason))) {
      changes.push(ended(term, term.reason))
    }
  }
  return changes
}

function leaderChanges(before: LeaseView | undefined, after: LeaseView): Change[] {
  const { leader, expired, lastToken } = after
  if (expired !== undefined && before?.expired?.token !== expired.token) {
    const { token, name, place } = expired
    const text = `the lease of ${withPlace(name, place)} with fencing token ${token} has expired`
    return [{ event: 'expired', text, fields: { token, name, place } }]
  }
  if (leader?.resignAskedBy !== undefined && before?.leader?.resignAskedBy === undefined) {
    const { resignAskedBy: by, token, name } = leader
    const text = `${name} was asked to resign by ${by}`
    return [{ event: 'resign_asked', text, fields: { token, name, by } }]
  }
  if (leader === undefined && expired === undefined && before === undefined) {
    const text = lastToken === 0 ? 'nobody leads, and nobody has ever led' : 'nobody leads'
    return [{ event: 'nobody_leads', text, fields: { lastToken } }]
  }
  return []
}

function leads({
  token,
  name,
  place,
  application,
}: Pick<TermView, 'token' | 'name' | 'place' | 'application'>): Change {
  const text = `${withPlace(name, place)} leads with fencing token ${token}`
  return { event: 'leads', text, fields: { token, name, place, application } }
}

function ended({ token, name, place }: TermView, reason: string): Change {
  const text = `the term of ${withPlace(name, place)} with fencing token ${token} is over: ${reason}`
  return { event: 'ended', text, fields: { token, name, place, reason } }
}
