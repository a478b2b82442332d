// @ts-check
import { byId, createList, element, setAttribute, setText, setTone } from './dom.js'
import { formatExactly, formatSpan } from './format.js'
import { createBadge, createButton } from './widgets.js'

/** @import { View } from './format.js' */
/** @import { PageControl } from './page-data.ts' */

/** What is on the bar, and explained below it: when a heartbeat is due, and the zones. */
const marks = ['due', 'trusted', 'ending', 'fenced']

/**
 * Who leads, the fencing token, and the age of the last heartbeat on a bar that is as long as the
 * ttl.
 *
 * @param {(action: string, instance: string | undefined) => void} onControl
 */
export function createLeaseSection(onControl) {
  const badge = createBadge({ large: true })
  const headline = element('span')
  const sentence = element('p', { class: 'sentence' })
  const token = element('p', { class: 'figure' })
  const age = element('span', { class: 'age' })
  const fill = element('div', { class: 'gauge-fill' })
  const zones = marks.slice(1).map((mark) => element('div', { class: mark }))
  const due = element('div', { class: 'due' })
  const track = element(
    'div',
    {
      class: 'gauge',
      role: 'meter',
      'aria-label': 'Age of the last heartbeat',
      'aria-valuemin': '0',
    },
    ...zones,
    fill,
    due,
  )
  const legend = marks.map((mark) => {
    const text = element('span')
    return { text, node: element('li', {}, element('i', { class: mark }), text) }
  })
  const storeText = element('p', { class: 'sentence' })
  const storeButtons = element('div', { class: 'buttons' })
  const store = element('div', { class: 'lease-store' }, storeText, storeButtons)
  byId('lease').append(
    element(
      'div',
      { class: 'lease-who' },
      element('p', { class: 'eyebrow' }, 'Leader'),
      element('h2', { class: 'headline' }, badge.node, headline),
      sentence,
    ),
    element(
      'div',
      { class: 'lease-token' },
      element('p', { class: 'eyebrow' }, 'Fencing token'),
      token,
    ),
    element(
      'div',
      { class: 'lease-age' },
      element('p', { class: 'eyebrow' }, 'Last heartbeat ', age),
      track,
      element('ul', { class: 'legend' }, ...legend.map(({ node }) => node)),
    ),
    store,
  )
  /** @type {(controls: readonly PageControl[]) => void} */
  const updateButtons = createList(
    storeButtons,
    ({ action }) => action,
    () => createButton((action) => onControl(action, undefined)),
  )

  let shownShare = 0

  return {
    /** @param {View} view */
    update({ data, palette }) {
      const { lease, leader, settings, storeError, storeNote } = data
      const { ttlMs, heartbeatMs, safetyMarginMs, stopGraceMs } = settings
      const limitMs = lease?.ttlMs ?? ttlMs
      setText(token, String(lease?.token ?? data.lastToken ?? '-'))
      if (leader !== undefined) badge.update(leader, palette)
      track.style.setProperty('--own', leader === undefined ? '' : palette.colourOf(leader))

      const hardMs = limitMs - safetyMarginMs
      const softMs = hardMs - stopGraceMs
      const ends = [softMs, hardMs, limitMs]
      for (const [index, zone] of zones.entries()) {
        zone.style.flexBasis = `${(((ends[index] ?? 0) - (ends[index - 1] ?? 0)) / limitMs) * 100}%`
      }
      due.style.left = `${(heartbeatMs / limitMs) * 100}%`
      const words = [
        `heartbeat due, ${formatExactly(heartbeatMs)}`,
        `leads, until ${formatExactly(softMs)}`,
        `starts nothing new, until ${formatExactly(hardMs)}`,
        `trusts nothing; expires at ${formatExactly(limitMs)}`,
      ]
      for (const [index, { text }] of legend.entries()) setText(text, words[index] ?? '')
      setAttribute(track, 'aria-valuemax', String(limitMs / 1_000))
      const trouble =
        storeError === undefined ? undefined : `The store cannot be used: ${storeError}`
      setText(storeText, trouble ?? storeNote ?? `Store: ${settings.store}`)
      setTone(storeText, trouble === undefined ? undefined : 'bad')
      updateButtons(data.storeControls)
    },

    /** @param {View} view */
    tick({ data, sinceMs }) {
      const { lease, leader } = data
      const ageMs = lease?.ageMs === undefined ? undefined : lease.ageMs + sinceMs
      const leftMs = lease?.remainingMs === undefined ? undefined : lease.remainingMs - sinceMs
      const expired = leftMs !== undefined && leftMs <= 0
      setText(headline, headlineOf(data, expired))
      badge.node.hidden = leader === undefined || data.storeError !== undefined
      setText(age, ageMs === undefined ? 'unknown' : `${formatSpan(ageMs)} ago`)
      setText(sentence, sentenceOf({ data, leftMs }))
      const share = ageMs === undefined || lease === undefined ? 0 : ageMs / lease.ttlMs
      // It grows smoothly, but a heartbeat sets it back at once.
      fill.classList.toggle('still', share < shownShare)
      shownShare = share
      fill.style.width = `${Math.min(share, 1) * 100}%`
      setAttribute(track, 'aria-valuenow', ((ageMs ?? 0) / 1_000).toFixed(1))
    },
  }
}

/**
 * What the leader does with the lease. One that is frozen or gone does not lead: nothing acts.
 *
 * @param {View['data']} data
 * @param {boolean} expired
 */
function headlineOf({ lease, leader, instances, storeError }, expired) {
  if (storeError !== undefined) return 'Nobody knows who leads'
  if (lease === undefined) return 'Nobody leads'
  if (expired) return 'held it last'
  const state = instances.find(({ name }) => name === leader)?.state
  return state === 'frozen' || state === 'down' ? 'holds it' : 'leads'
}

/**
 * What there is to say of the leader.
 *
 * @param {{ data: View['data'], leftMs: number | undefined }} state
 */
function sentenceOf({ data, leftMs }) {
  const { lease, leader, instances } = data
  if (data.storeError !== undefined) return 'The store cannot be used.'
  if (lease === undefined) return 'The lease is free: the next candidate that asks for it leads.'
  const instance = instances.find(({ name }) => name === leader)
  if (leftMs !== undefined && leftMs <= 0) {
    return 'The lease has expired: the next candidate that asks for it leads.'
  }
  if (instance === undefined) return 'It is another instance than those that this page shows.'
  if (instance.state === 'frozen') {
    const when = leftMs === undefined ? 'when the lease expires' : `in ${formatSpan(leftMs)}`
    return `It is frozen and sends no heartbeat: another instance leads ${when}.`
  }
  if (instance.state === 'down') {
    const when = leftMs === undefined ? 'when the lease expires' : `in ${formatSpan(leftMs)}`
    return `Its process is gone: another instance leads ${when}.`
  }
  if (lease.resignRequest !== undefined) {
    return `It was asked to resign by ${lease.resignRequest.by}, and does so when its work has ended.`
  }
  if (instance.state === 'answers') return 'It answers, and runs the jobs.'
  if (data.settings.host === 'main') {
    return 'Its event loop is blocked, and the heartbeat with it: the lease will be lost.'
  }
  return 'Its event loop is blocked, and it leads all the same: a thread sends the heartbeat.'
}
