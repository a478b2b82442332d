// @ts-check
import { byId, createList, element, setAttribute, setIdentifier, setText, setTone } from './dom.js'
import { formatClock, formatDistance, formatSpan } from './format.js'
import { createBadge } from './widgets.js'

/** @import { View } from './format.js' */
/** @import { PageData, PageRun, PageSkip } from './page-data.ts' */
/** @typedef {PageData['jobs'][number]} Job */

const entriesMax = 14
/** What is later than this is late: the page hears of a run after a second at most. */
const overdueMs = 1_500

/** @type {Readonly<Record<PageRun['outcome'], string>>} */
const outcomeTones = {
  running: 'accent',
  succeeded: 'good',
  aborted: 'warn',
  'timed-out': 'warn',
  failed: 'bad',
  lost: 'bad',
  abandoned: 'bad',
}

/**
 * What became of a tick: it was run, or skipped.
 *
 * @typedef {object} Entry
 * @property {string} key
 * @property {string} jobId
 * @property {string} instance
 * @property {string} words
 * @property {string} tone
 * @property {string | undefined} hint
 * @property {number | undefined} tookMs
 * @property {number} atMs
 */

/** The jobs with their last and next runs, and what became of the last ticks of all. */
export function createWorkSection() {
  /** @type {View | undefined} */
  let view
  /** @type {(jobs: readonly Job[]) => void} */
  const listJobs = createList(
    byId('jobs'),
    ({ id }) => id,
    () => createJob(() => view),
  )
  /** @type {(entries: readonly Entry[]) => void} */
  const listEntries = createList(
    byId('runs'),
    ({ key }) => key,
    () => createEntry(() => view),
  )
  return {
    /** @param {View} current */
    tick(current) {
      view = current
      listJobs(current.data.jobs)
      const { runs, skips } = current.data
      const entries = [...runs.map(entryOfRun), ...skips.map(entryOfSkip)]
      listEntries(entries.sort((a, b) => b.atMs - a.atMs).slice(0, entriesMax))
      byId('runs-empty').hidden = entries.length > 0
    },
  }
}

/**
 * How a run ended, or how far it is, and which attempt at its tick it is, where it is not the
 * first.
 *
 * @param {NonNullable<Job['lastRun']>} run
 */
function outcomeOf({ outcome, attempt, progress, finishedAtMs }) {
  const far =
    progress === undefined || finishedAtMs !== undefined
      ? ''
      : ` ${Math.floor(progress.fraction * 100)} %`
  return `${outcome}${far}${attempt > 1 ? `, attempt ${attempt}` : ''}`
}

/**
 * @param {() => View | undefined} currentView
 * @returns {import('./dom.js').Row<Job>}
 */
function createJob(currentView) {
  const id = element('span', { class: 'job-id' })
  const schedule = element('span', { class: 'quiet' })
  const outcome = element('span', { class: 'outcome' })
  const last = element('span', { class: 'quiet' })
  const next = element('td')
  return {
    node: element(
      'tr',
      {},
      element('td', {}, id, schedule),
      element('td', {}, outcome, last),
      next,
    ),
    update({ id: jobId, schedule: words, lastRun, nextTickAtMs, retryAtMs, paused, system }) {
      const nowMs = currentView()?.nowMs ?? 0
      setIdentifier(id, jobId)
      setText(schedule, `${words}${system ? ', of Tenure itself' : ''}`)
      setText(outcome, lastRun === undefined ? '-' : outcomeOf(lastRun))
      setTone(outcome, lastRun && outcomeTones[lastRun.outcome])
      setAttribute(outcome, 'title', lastRun?.error ?? lastRun?.progress?.note)
      setText(last, lastRun === undefined ? '' : formatDistance(lastRun.startedAtMs, nowMs))
      const retry = retryAtMs === undefined ? '' : `, retry ${nextOf(retryAtMs, nowMs)}`
      setText(next, paused ? 'paused' : `${nextOf(nextTickAtMs, nowMs)}${retry}`)
    },
  }
}

/**
 * When a job is due next. The ticks of a leader that is blocked pass without a run.
 *
 * @param {number | undefined} nextTickAtMs
 * @param {number} nowMs
 */
function nextOf(nextTickAtMs, nowMs) {
  if (nextTickAtMs === undefined) return '-'
  if (nowMs - nextTickAtMs > overdueMs) return 'overdue'
  return nextTickAtMs <= nowMs ? 'now' : formatDistance(nextTickAtMs, nowMs)
}

/**
 * @param {PageRun} run
 * @returns {Entry}
 */
function entryOfRun(run) {
  const { id, jobId, instance, outcome, error, progress, startedAtMs, finishedAtMs } = run
  const lateMs = startedAtMs - run.scheduledForMs
  const isLate = run.trigger === 'tick' && run.attempt === 1 && lateMs > overdueMs
  return {
    key: id,
    jobId,
    instance,
    words: `${outcomeOf(run)}${isLate ? `, ${formatSpan(lateMs)} late` : ''}`,
    tone: outcomeTones[outcome],
    hint: error ?? progress?.note,
    tookMs: finishedAtMs === undefined ? undefined : finishedAtMs - startedAtMs,
    atMs: startedAtMs,
  }
}

/**
 * @param {PageSkip} skip
 * @returns {Entry}
 */
function entryOfSkip({
  jobId,
  instance,
  reason,
  scheduledForMs,
  untilMs,
  count,
  attempt,
  ...rest
}) {
  const { skippedAtMs: atMs } = rest
  const ticks = count === 1 ? '' : `${count} ticks `
  const from = new Date(scheduledForMs).toISOString()
  return {
    key: `${instance} ${jobId} ${scheduledForMs} ${attempt}`,
    jobId,
    instance,
    words: `${ticks}skipped, ${reason}`,
    tone: 'warn',
    hint:
      count === 1 ? `The tick of ${from}` : `From ${from} to ${new Date(untilMs).toISOString()}`,
    tookMs: undefined,
    atMs,
  }
}

/**
 * @param {() => View | undefined} currentView
 * @returns {import('./dom.js').Row<Entry>}
 */
function createEntry(currentView) {
  const job = element('td', { class: 'job-id' })
  const badge = createBadge()
  const outcome = element('span', { class: 'outcome' })
  const took = element('td', { class: 'number' })
  const at = element('td', { class: 'wide number' })
  return {
    node: element(
      'tr',
      {},
      job,
      element('td', {}, badge.node),
      element('td', {}, outcome),
      took,
      at,
    ),
    update(entry) {
      const view = currentView()
      if (view === undefined) return
      setIdentifier(job, entry.jobId)
      badge.update(entry.instance, view.palette)
      setText(outcome, entry.words)
      setTone(outcome, entry.tone)
      setAttribute(outcome, 'title', entry.hint)
      setText(took, entry.tookMs === undefined ? '-' : formatSpan(entry.tookMs))
      setText(at, formatClock(entry.atMs, view.nowMs))
    },
  }
}
