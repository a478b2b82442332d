// @ts-check
import { byId, setText, setTone } from './dom.js'
import { createEventsSection } from './events-section.js'
import { holderOf, Palette } from './format.js'
import { createInstancesSection } from './instances-section.js'
import { createLeaseSection } from './lease-section.js'
import { createTermsSection } from './terms-section.js'
import { createWorkSection } from './work-section.js'

/** @import { PageData } from './page-data.ts' */

const pollMs = 500
const tickMs = 100
/** A server that is busy, or waits for its store, answers late; the page says so meanwhile. */
const silenceMsMax = 3_000
const answerMsMax = 15_000

const palette = new Palette()
/** @type {PageData | undefined} */
let data
let receivedMs = 0
/** How much the server's clock is ahead of the browser's. */
let skewMs = 0
/** @type {string | undefined} */
let leader

const lease = createLeaseSection(control)
const instances = createInstancesSection(control)
const terms = createTermsSection()
const work = createWorkSection()
const events = createEventsSection()

/**
 * @param {PageData} current
 * @returns {import('./format.js').View}
 */
function view(current) {
  const sinceMs = performance.now() - receivedMs
  return { data: current, palette, sinceMs, nowMs: Date.now() + skewMs }
}

function tick() {
  if (data === undefined) return
  const current = view(data)
  if (current.sinceMs > silenceMsMax && !document.hidden) connection('lost')
  lease.tick(current)
  instances.tick(current)
  terms.tick(current)
  work.tick(current)
}

/** @param {PageData} next */
function show(next) {
  data = next
  palette.learn(next)
  const { application, settings, notice } = next
  const holder = holderOf(next)
  const where = `lease ${settings.lease}`
  setText(byId('where'), application === undefined ? where : `${application}, ${where}`)
  document.title = holder === undefined ? 'Tenure' : `${holder.name} leads - Tenure`
  setText(byId('notice'), notice ?? '')
  byId('notice').hidden = notice === undefined
  if (holder !== undefined && holder.name !== leader) {
    setText(byId('announcement'), `${holder.name} leads, fencing token ${holder.token}`)
  }
  leader = holder?.name
  const current = view(next)
  lease.update(current)
  events.update(current)
  tick()
}

/** @param {'live' | 'connecting' | 'lost'} state */
function connection(state) {
  const node = byId('connection')
  node.dataset['state'] = state
  setTone(node, { live: 'good', connecting: undefined, lost: 'bad' }[state])
  setText(node, state === 'lost' ? 'no answer' : state)
}

async function poll() {
  // A page that nobody looks at asks for nothing.
  if (!document.hidden) {
    try {
      const response = await fetch('data.json', { signal: AbortSignal.timeout(answerMsMax) })
      if (!response.ok) throw new Error(`status ${response.status}`)
      const next = /** @type {PageData} */ (await response.json())
      receivedMs = performance.now()
      skewMs = next.lease.atMs - Date.now()
      connection('live')
      show(next)
    } catch {
      connection('lost')
    }
  }
  setTimeout(poll, pollMs)
}

/**
 * Asks the server to do something, and shows what it says.
 *
 * @param {string} action
 * @param {string | undefined} instance
 */
async function control(action, instance) {
  const reply = byId('reply')
  setText(reply, '...')
  try {
    const response = await fetch('control', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action, instance }),
    })
    const { message } = /** @type {{ message?: unknown }} */ (await response.json())
    setText(reply, String(message))
    setTone(reply, response.ok ? undefined : 'bad')
  } catch {
    setText(reply, 'The server does not answer.')
    setTone(reply, 'bad')
  }
}

setInterval(tick, tickMs)
void poll()
