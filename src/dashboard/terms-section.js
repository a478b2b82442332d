// @ts-check
import { byId, createList, element, setAttribute, setText, setTone } from './dom.js'
import { formatClock, formatSpan } from './format.js'
import { createBadge } from './widgets.js'

/** @import { View } from './format.js' */
/** @import { TermView as Term } from './lease-view.ts' */

/** How many terms are drawn, and how many are listed: the newest. */
const drawnMax = 24
const listedMax = 12
/** Instances of the past make lanes as well; more than these would be no picture any more. */
const lanesMax = 6
const spanMsMin = 60_000

/** @type {Readonly<Record<NonNullable<Term['reason']>, string>>} */
const reasonWords = {
  resigned: 'Gave up on purpose, or was asked to.',
  stopped: 'The instance was stopped, or its process ended by itself.',
  stalled: 'The event loop was blocked for longer than stallLimit.',
  'store-unreachable': 'Attempts to renew failed until trust ran out.',
  expired: 'No attempt to renew was made in time.',
  stolen: 'The store says that somebody else holds the lease, or that its record is gone.',
  crashed: 'Ended without a word; the successor found out.',
}

const onPurpose = new Set(['resigned', 'stopped'])

/** The terms: drawn, a lane for each instance, and listed with how they ended. */
export function createTermsSection() {
  const axis = element('div', { class: 'axis' }, element('span'), element('span', {}, 'now'))
  byId('timeline').append(axis)
  /** @type {View | undefined} */
  let view
  /** @type {(lanes: readonly Lane[]) => void} */
  const drawLanes = createList(
    byId('timeline'),
    ({ name }) => name,
    () => createLane(() => view),
  )
  /** @type {(terms: readonly Term[]) => void} */
  const listTerms = createList(
    byId('terms'),
    ({ token }) => String(token),
    () => createRow(() => view),
  )
  return {
    /** @param {View} current */
    tick(current) {
      view = current
      const { instances, lease } = current.data
      const { terms } = lease
      const drawn = terms.slice(0, drawnMax)
      const firstMs = drawn.reduce(
        (first, { startedAtMs }) => Math.min(first, startedAtMs),
        Infinity,
      )
      const spanMs = Math.max(spanMsMin, drawn.length === 0 ? 0 : current.nowMs - firstMs)
      setText(axis.firstChild ?? axis, `${formatSpan(spanMs)} ago`)
      const names = new Set([
        ...instances.map(({ name }) => name),
        ...drawn.map(({ name }) => name),
      ])
      drawLanes(
        [...names].slice(0, lanesMax).map((name) => ({
          name,
          spanMs,
          terms: drawn.filter((term) => term.name === name),
        })),
      )
      listTerms(terms.slice(0, listedMax))
    },
  }
}

/** @typedef {{ name: string, spanMs: number, terms: readonly Term[] }} Lane */

/**
 * When a term ended. One of which nobody knows how it ended is shown as one that goes on.
 *
 * @param {Term} term
 * @param {number} nowMs
 */
function endMsOf({ reason, endedAtMs }, nowMs) {
  return reason === undefined ? nowMs : (endedAtMs ?? nowMs)
}

/**
 * @param {() => View | undefined} currentView
 * @returns {import('./dom.js').Row<Lane>}
 */
function createLane(currentView) {
  const badge = createBadge()
  const track = element('div', { class: 'lane-track' })
  /** @type {Lane | undefined} */
  let lane
  /** @type {(terms: readonly Term[]) => void} */
  const drawTerms = createList(
    track,
    ({ token }) => String(token),
    () => {
      const text = element('span')
      const node = element('div', { class: 'bar' }, text)
      return {
        node,
        update(term) {
          const view = currentView()
          if (view === undefined || lane === undefined) return
          const { nowMs, palette } = view
          const endMs = endMsOf(term, nowMs)
          const leftMs = nowMs - term.startedAtMs
          node.style.setProperty('--own', palette.colourOf(term.name))
          node.style.right = `${(Math.max(0, nowMs - endMs) / lane.spanMs) * 100}%`
          node.style.left = `${Math.max(0, 1 - leftMs / lane.spanMs) * 100}%`
          setText(text, String(term.token))
          const { reason } = term
          const end = reason === undefined ? 'open' : onPurpose.has(reason) ? 'purpose' : 'loss'
          setAttribute(node, 'data-end', end)
          setAttribute(node, 'title', `token ${term.token}: ${reason ?? 'goes on'}`)
        },
      }
    },
  )
  return {
    node: element('div', { class: 'lane' }, badge.node, track),
    update(current) {
      lane = current
      badge.update(current.name, currentView()?.palette)
      drawTerms(current.terms)
    },
  }
}

/**
 * @param {() => View | undefined} currentView
 * @returns {import('./dom.js').Row<Term>}
 */
function createRow(currentView) {
  const token = element('td', { class: 'token' })
  const badge = createBadge()
  const began = element('td', { class: 'wide' })
  const lasted = element('td')
  const reason = element('span', { class: 'reason' })
  const words = element('span', { class: 'reason-words' })
  return {
    node: element(
      'tr',
      {},
      token,
      element('td', {}, badge.node),
      began,
      lasted,
      element('td', {}, reason, words),
    ),
    update(term) {
      const view = currentView()
      if (view === undefined) return
      const { nowMs, palette } = view
      setText(token, String(term.token))
      badge.update(term.name, palette)
      setText(began, formatClock(term.startedAtMs, nowMs))
      setText(lasted, formatSpan(endMsOf(term, nowMs) - term.startedAtMs))
      setText(reason, term.reason ?? 'goes on')
      const tone = term.reason && !onPurpose.has(term.reason) ? 'bad' : undefined
      setTone(reason, tone)
      setText(words, term.reason === undefined ? '' : reasonWords[term.reason])
    },
  }
}
