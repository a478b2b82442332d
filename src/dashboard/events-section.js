// @ts-check
import { byId, createList, element, setAttribute, setIdentifier, setText, setTone } from './dom.js'
import { formatClock } from './format.js'
import { createBadge } from './widgets.js'

/** @import { View } from './format.js' */
/** @import { PageLine } from './page-data.ts' */

const shownMax = 60

/** @param {string} event */
const ofHeartbeat = (event) => event.startsWith('scheduler_lock_')
/** @param {string} event */
const ofRun = (event) => event.startsWith('run_')

/** @type {ReadonlyMap<string, { text: string, takes: (event: string) => boolean }>} */
const filters = new Map([
  ['heartbeat', { text: 'Heartbeat', takes: ofHeartbeat }],
  ['runs', { text: 'Runs', takes: ofRun }],
  [
    'lease',
    {
      text: 'Lease and others',
      /** @param {string} event */
      takes: (event) => !ofHeartbeat(event) && !ofRun(event),
    },
  ],
  ['all', { text: 'All', takes: () => true }],
])

/** Fields that every line has, or that stand elsewhere in it. */
const plain = new Set(['lease', 'holder', 'application', 'message'])
/** Long identifiers are told apart by their beginning. */
const identifiers = new Set(['correlationId', 'runId'])

/** The last log lines, the newest first: the heartbeat's six events, or others. */
export function createEventsSection() {
  let filter = 'heartbeat'
  /** @type {View | undefined} */
  let view
  /** @type {(lines: readonly PageLine[]) => void} */
  const list = createList(byId('events'), keyOf, () => createLine(() => view))
  const buttons = new Map(
    Array.from(filters, ([name, { text }]) => {
      const button = element('button', { type: 'button', 'data-filter': name }, text)
      button.addEventListener('click', () => {
        filter = name
        show()
      })
      return [name, button]
    }),
  )
  byId('filter').append(...buttons.values())

  function show() {
    for (const [name, button] of buttons) {
      setAttribute(button, 'aria-pressed', String(name === filter))
    }
    if (view === undefined) return
    const takes = filters.get(filter)?.takes
    const lines = view.data.lines.filter(({ event }) => takes?.(event))
    list(lines.slice(0, shownMax))
  }

  show()
  return {
    /** @param {View} current */
    update(current) {
      view = current
      show()
    },
  }
}

/** @param {PageLine} line */
function keyOf({ instance, event, timeMs, fields, seen }) {
  const { correlationId, runId, token } = fields
  return [instance, event, timeMs, correlationId, runId, token, seen].join(' ')
}

/**
 * @param {() => View | undefined} currentView
 * @returns {import('./dom.js').Row<PageLine>}
 */
function createLine(currentView) {
  const time = element('time', { class: 'event-time' })
  const badge = createBadge()
  const name = element('code', { class: 'event-name' })
  const fields = element('span', { class: 'event-fields' })
  const node = element('li', {}, time, badge.node, name, fields)
  return {
    node,
    update(line) {
      const view = currentView()
      if (view === undefined) return
      setText(time, formatClock(line.timeMs, view.nowMs))
      badge.update(line.instance, view.palette)
      setIdentifier(name, line.event)
      setText(fields, fieldsOf(line))
      setTone(node, toneOf(line.event))
      setAttribute(node, 'data-seen', line.seen ? 'true' : undefined)
    },
  }
}

/** @param {PageLine} line */
function fieldsOf({ fields, seen }) {
  const words = Object.entries(fields)
    .filter(([key]) => !plain.has(key))
    .map(([key, value]) => `${key}=${show(key, value)}`)
  const { message } = fields
  if (typeof message === 'string') words.push(message)
  if (seen) words.push('(seen in the store: the instance does not answer)')
  return words.join('  ')
}

/**
 * @param {string} key
 * @param {unknown} value
 */
function show(key, value) {
  if (typeof value === 'number')
    return String(value < 100 ? Math.round(value * 10) / 10 : Math.round(value))
  if (typeof value !== 'string') return JSON.stringify(value)
  return identifiers.has(key) ? value.slice(0, 8) : value
}

/**
 * How much a line matters to whoever looks at the page.
 *
 * @param {string} event
 */
function toneOf(event) {
  if (/_(timeout|error|stalled|died|back|invalid)$/.test(event)) return 'bad'
  if (/_(failed|lost|no_scheduler|unavailable|exceeded|duplicate|dropped)$/.test(event)) {
    return 'warn'
  }
  return /_(acquired|released|ending|requested|scheduled|revived)$/.test(event)
    ? 'accent'
    : undefined
}
