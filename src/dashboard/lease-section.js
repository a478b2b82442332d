// @ts-check
import { byId, createList, element, setAttribute, setText, setTone } from './dom.js'
import { formatExactly, formatSpan, holderOf } from './format.js'
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
      const { lease, settings, storeNote } = data
      const holder = holderOf(data)
      const { ttlMs, heartbeatMs, safetyMarginMs, stopGraceMs } = settings
      const limitMs = holder?.ttlMs ?? ttlMs
      setText(token, lastTokenOf(data))
      if (holder !== undefined) badge.update(holder.name, palette)
      track.style.setProperty('--own', holder === undefined ? '' : palette.colourOf(holder.name))

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
        lease.error === undefined ? undefined : `The store cannot be used: ${lease.error}`
      setText(storeText, trouble ?? storeNote ?? `Store: ${settings.store}`)
      setTone(storeText, trouble === undefined ? undefined : 'bad')
      updateButtons(data.storeControls)
    },

    /** @param {View} view */
    tick({ data, sinceMs }) {
      const holder = holderOf(data)
      const ageMs = holder?.ageMs === undefined ? undefined : holder.ageMs + sinceMs
      const leftMs = holder?.remainingMs === undefined ? undefined : holder.remainingMs - sinceMs
      const expired = leftMs !== undefined && leftMs <= 0
      setText(headline, headlineOf(data, expired))
      badge.node.hidden = holder === undefined || data.lease.error !== undefined
      setText(age, ageMs === undefined ? 'unknown' : `${formatSpan(ageMs)} ago`)
      setText(sentence, sentenceOf({ data, leftMs }))
      const share = ageMs === undefined || holder === undefined ? 0 : ageMs / holder.ttlMs
      // It grows smoothly, but a heartbeat sets it back at once.
      fill.classList.toggle('still', share < shownShare)
      shownShare = share
      fill.style.width = `${Math.min(share, 1) * 100}%`
      setAttribute(track, 'aria-valuenow', ((ageMs ?? 0) / 1_000).toFixed(1))
    },
  }
}

/**
 * The token of the lease, or the last one that was handed out, if the store has said so.
 *
 * @param {View['data']} data
 */
function lastTokenOf(data) {
  const token = holderOf(data)?.token ?? data.lease.lastToken
  return token === 0 && data.lease.error !== undefined ? '-' : String(token)
}

/**
 * What the leader does with the lease. One that is frozen or gone does not lead: nothing acts.
 *
 * @param {View['data']} data
 * @param {boolean} expired
 */
function headlineOf(data, expired) {
  const holder = holderOf(data)
  if (data.lease.error !== undefined) return 'Nobody knows who leads'
  if (holder === undefined) return 'Nobody leads'
  if (expired) return 'held it last'
  const state = data.instances.find(({ name }) => name === holder.name)?.state
  return state === 'frozen' || state === 'down' ? 'holds it' : 'leads'
}

/**
 * What there is to say of the leader.
 *
 * @param {{ data: View['data'], leftMs: number | undefined }} state
 */
function sentenceOf({ data, leftMs }) {
  const holder = holderOf(data)
  if (data.lease.error !== undefined) return 'The store cannot be used.'
  if (holder === undefined) return 'The lease is free: the next candidate that asks for it leads.'
  const instance = data.instances.find(({ name }) => name === holder.name)
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
  if (holder.resignAskedBy !== undefined) {
    return `It was asked to resign by ${holder.resignAskedBy}, and does so when its work has ended.`
  }
  if (instance.state === 'answers') return 'It answers, and runs the jobs.'
  if (data.settings.heartbeatIn === 'main') {
    return 'Its event loop is blocked, and the heartbeat with it: the lease will be lost.'
  }
  return 'Its event loop is blocked, and it leads all the same: a thread sends the heartbeat.'
}
