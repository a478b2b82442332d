// @ts-check
import { createChip } from './chip.js'
import { byId, createList, element, setAttribute, setIdentifier, setText } from './dom.js'
import { formatClock, formatDistance, formatSpan } from './format.js'

/** @import { View } from './format.js' */
/** @import { PageData, PageRun } from './page-data.ts' */
/** @typedef {PageData['jobs'][number]} Job */

const runsMax = 14
/** What is later than this is late: the page hears of a run after a second at most. */
const overdueMs = 1_500

/** The jobs with their last and next runs, and the last runs of all. */
export function createWorkSection() {
  /** @type {View | undefined} */
  let view
  /** @type {(jobs: readonly Job[]) => void} */
  const listJobs = createList(
    byId('jobs'),
    ({ id }) => id,
    () => createJob(() => view),
  )
  /** @type {(runs: readonly PageRun[]) => void} */
  const listRuns = createList(
    byId('runs'),
    ({ id }) => id,
    () => createRun(() => view),
  )
  return {
    /** @param {View} current */
    tick(current) {
      view = current
      listJobs(current.data.jobs)
      listRuns(current.data.runs.slice(0, runsMax))
      byId('runs-empty').hidden = current.data.runs.length > 0
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
      setAttribute(outcome, 'data-outcome', lastRun?.outcome)
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
 * @param {() => View | undefined} currentView
 * @returns {import('./dom.js').Row<PageRun>}
 */
function createRun(currentView) {
  const job = element('td', { class: 'job-id' })
  const chip = createChip()
  const outcome = element('span', { class: 'outcome' })
  const took = element('td', { class: 'number' })
  const at = element('td', { class: 'wide number' })
  return {
    node: element(
      'tr',
      {},
      job,
      element('td', {}, chip.node),
      element('td', {}, outcome),
      took,
      at,
    ),
    update(run) {
      const view = currentView()
      if (view === undefined) return
      setIdentifier(job, run.jobId)
      chip.update(run.instance, view.palette)
      setText(outcome, outcomeOf(run))
      setAttribute(outcome, 'data-outcome', run.outcome)
      setAttribute(outcome, 'title', run.error ?? run.progress?.note)
      const { finishedAtMs, startedAtMs } = run
      setText(took, finishedAtMs === undefined ? '-' : formatSpan(finishedAtMs - startedAtMs))
      setText(at, formatClock(startedAtMs, view.nowMs))
    },
  }
}
