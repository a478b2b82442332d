// @ts-check
import { byId, createList, element, setAttribute, setText, setTone } from './dom.js'
import { formatSeconds, formatSpan, holderOf } from './format.js'
import { createBadge, createButton } from './widgets.js'

/** @import { View } from './format.js' */
/** @import { PageControl, PageInstance } from './page-data.ts' */

/** @type {Readonly<Record<PageInstance['state'], string | undefined>>} */
const stateTones = {
  answers: 'good',
  starting: undefined,
  busy: 'warn',
  hung: 'bad',
  frozen: 'ice',
  silent: 'warn',
  down: 'bad',
}

/**
 * A card for each instance: what it does, whether it leads, and the buttons for it.
 *
 * @param {(action: string, instance: string | undefined) => void} onControl
 */
export function createInstancesSection(onControl) {
  /** @type {View | undefined} */
  let view
  /** @type {(instances: readonly PageInstance[]) => void} */
  const update = createList(
    byId('instances'),
    ({ name }) => name,
    () => createCard(() => view, onControl),
  )
  return {
    /** @param {View} current */
    tick(current) {
      view = current
      update(current.data.instances)
    },
  }
}

/**
 * @param {() => View | undefined} currentView
 * @param {(action: string, instance: string | undefined) => void} onControl
 * @returns {import('./dom.js').Row<PageInstance>}
 */
function createCard(currentView, onControl) {
  const badge = createBadge({ large: true })
  const role = element('span', { class: 'role' })
  const state = element('span', { class: 'state' })
  const sentence = element('p', { class: 'sentence' })
  const left = element('div', { class: 'left', 'aria-hidden': 'true' })
  const note = element('p', { class: 'note' })
  const facts = element('p', { class: 'facts' })
  const buttons = element('div', { class: 'buttons' })
  const head = element('h3', { class: 'instance-head' }, badge.node, role, state)
  const node = element('article', { class: 'card instance' }, head, sentence, left, note, facts)
  let name = ''
  /** @type {(controls: readonly PageControl[]) => void} */
  const updateButtons = createList(
    buttons,
    ({ action }) => action,
    () => createButton((action) => onControl(action, name)),
  )
  return {
    node,
    update(instance) {
      const view = currentView()
      if (view === undefined) return
      name = instance.name
      const { data, palette, sinceMs } = view
      node.style.setProperty('--own', palette.colourOf(name))
      setAttribute(node, 'data-instance', name)
      setAttribute(node, 'data-state', instance.state)
      setTone(node, stateTones[instance.state])
      setAttribute(node, 'data-holds-lease', String(instance.holdsLease))
      badge.update(name, palette)
      setText(role, roleOf(instance, holderOf(data)?.token))
      setText(state, instance.state)
      setText(sentence, sentenceOf(instance, view))
      const { stateForMs, stateLeftMs } = instance
      left.hidden = stateForMs === undefined || stateLeftMs === undefined
      if (stateForMs !== undefined && stateLeftMs !== undefined) {
        const share = (stateForMs + sinceMs) / Math.max(1, stateForMs + stateLeftMs)
        left.style.backgroundSize = `${Math.min(share, 1) * 100}% 100%`
      }
      setText(note, instance.note ?? '')
      note.hidden = instance.note === undefined
      setText(facts, factsOf(instance, sinceMs))
      if (instance.controls.length > 0 && buttons.parentNode === null) node.append(buttons)
      updateButtons(instance.controls)
    },
  }
}

/**
 * @param {PageInstance} instance
 * @param {number | undefined} token
 */
function roleOf({ holdsLease, role, state }, token) {
  if (holdsLease) {
    const acts = state !== 'frozen' && state !== 'down'
    return `${acts ? 'leads' : 'holds the lease'}, token ${token ?? '-'}`
  }
  if (state === 'down') return 'no process'
  // What a blocked instance said last may be long untrue.
  if (state !== 'answers') return 'does not lead'
  if (role === 'observer') return 'not eligible'
  return role === 'leader' ? 'believes to lead' : (role ?? 'candidate')
}

/**
 * @param {PageInstance} instance
 * @param {View} view
 */
function sentenceOf(instance, { data, sinceMs }) {
  const { state, holdsLease, role, stateForMs, stateLeftMs } = instance
  const since = stateForMs === undefined ? '' : ` for ${formatSeconds(stateForMs + sinceMs)}`
  const leftMs = stateLeftMs === undefined ? undefined : Math.max(0, stateLeftMs - sinceMs)
  const ageMs = holderOf(data)?.ageMs
  const age = ageMs === undefined ? '' : ` Heartbeat ${formatSpan(ageMs + sinceMs)} old.`
  switch (state) {
    case 'answers':
      if (holdsLease) return 'Leads, and runs the jobs.'
      return role === 'observer' ? 'Looks on: it may not lead.' : 'Waits for the lease.'
    case 'starting':
      return 'Its process starts.'
    case 'busy': {
      const rest = leftMs === undefined ? '' : `, ${formatSeconds(leftMs)} to go`
      return `Event loop blocked${since}${rest}. ${holdsLease ? `Still leads.${age}` : 'Does not lead.'}`
    }
    case 'hung': {
      const rest = leftMs === undefined ? '' : ` Gives up in ${formatSeconds(leftMs)}.`
      const lead = holdsLease ? `Still leads.${age}${rest}` : 'Does not lead.'
      return `Event loop blocked for ever,${since} now. ${lead}`
    }
    case 'frozen': {
      const lead = holdsLease ? `Holds the lease until it expires.${age}` : 'Does not lead.'
      return `Stopped as a whole${since}. ${lead}`
    }
    case 'silent':
      return `Does not answer${since}. ${holdsLease ? `Still leads.${age}` : ''}`
    case 'down': {
      const rest = leftMs === undefined ? '' : ` Restarts in ${formatSeconds(leftMs)}.`
      return `${holdsLease ? 'Its lease is left to expire.' : 'Not running.'}${rest}`
    }
  }
}

/**
 * @param {PageInstance} instance
 * @param {number} sinceMs
 */
function factsOf({ pid, upForMs }, sinceMs) {
  const up = upForMs === undefined ? '' : `, up ${formatSpan(upForMs + sinceMs)}`
  return pid === undefined ? '\u00a0' : `process ${pid}${up}`
}
