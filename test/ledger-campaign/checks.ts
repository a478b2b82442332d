import type { LedgerJob, LedgerRun, LedgerSkip } from '../../src/store/ledger-store.ts'
import { discrepancies } from '../support/ledger-accounts.ts'
import { ticksOf, type CampaignJob } from './jobs.ts'

/** A handler was called: as the process has written it down that called it. */
export interface Start {
  readonly runId: string
  readonly jobId: string
  readonly tickMs: number
  readonly attempt: number
  readonly token: number
  /** The process. */
  readonly who: string
}

/** What happened in a campaign. */
export interface History {
  readonly jobs: readonly CampaignJob[]
  /** The jobs as they stand in the ledger at the end. */
  readonly entries: ReadonlyMap<string, LedgerJob>
  readonly runs: readonly LedgerRun[]
  readonly skips: readonly LedgerSkip[]
  readonly starts: readonly Start[]
  /** The token of the last term that an instance led. */
  readonly lastToken: number
}

/** Something that must not be. */
export interface Violation {
  readonly jobId: string
  readonly what: string
}

/** What became of the ticks. */
export interface Figures {
  readonly ticks: number
  /** Ticks whose last attempt ended, and was seen to end. */
  readonly ran: number
  /** Ticks whose last attempt was abandoned. */
  readonly abandoned: number
  /** Ticks that were claimed by a term which ended before it could begin them. */
  readonly notBegun: number
  /** Ticks whose run has no end, in the last term. */
  readonly running: number
  readonly skipped: Readonly<Record<string, number>>
  readonly runs: number
  /** Runs that were abandoned, also where the tick was tried again. */
  readonly abandonedRuns: number
}

/** Holds a history against the rules of the ledger; empty if none is broken. */
export function violationsOf(history: History): Violation[] {
  const { jobs, entries, runs, skips } = history
  const runsByJob = Map.groupBy(runs, ({ jobId }) => jobId)
  const skipsByJob = Map.groupBy(skips, ({ jobId }) => jobId)
  const found: Violation[] = []
  for (const job of jobs) {
    const { id: jobId } = job
    const entry = entries.get(jobId)
    const tell = (what: string): unknown => found.push({ jobId, what })
    if (entry === undefined) {
      tell('it is not in the ledger')
      continue
    }
    const ticks = ticksOf(job, entry)
    // Of a job without a tick the cursor is where it was entered.
    const isAtTick = ticks.length === 0 || ticks.at(-1) === entry.cursorMs
    if (!isAtTick) tell(`its cursor is at no tick: ${timeOf(entry.cursorMs)}`)
    const own = runsByJob.get(jobId) ?? []
    const ofTicks = discrepancies(ticks, own, skipsByJob.get(jobId) ?? [])
    for (const { tickMs, what } of ofTicks) tell(`tick ${timeOf(tickMs)}: ${what}`)
    for (const what of wrongAttempts(own, history.lastToken)) tell(what)
  }
  found.push(...wrongStarts(history))
  return found
}

/** What is wrong with how the runs of a job have ended, and with what followed. */
function wrongAttempts(runs: readonly LedgerRun[], lastToken: number): string[] {
  const found: string[] = []
  const byKey = new Map(runs.map((run) => [`${run.tickMs} ${run.attempt}`, run]))
  for (const { runId, tickMs, attempt, token, outcome, abandonedBy } of runs) {
    if (outcome === 'running' && token < lastToken) {
      found.push(`the run ${runId} of term ${token} goes on in term ${lastToken}`)
    }
    const isAbandoned = outcome === 'abandoned'
    if (isAbandoned !== (abandonedBy !== undefined && abandonedBy > token)) {
      found.push(`the run ${runId} of term ${token} is ${outcome}, by term ${abandonedBy}`)
    }
    const before = byKey.get(`${tickMs} ${attempt - 1}`)
    if (before === undefined) continue
    if (before.outcome !== 'failed' && before.outcome !== 'abandoned') {
      found.push(`the run ${runId} tries a tick again whose run is ${before.outcome}`)
    }
  }
  return found
}

/** What processes have started beside what they have claimed. */
function wrongStarts({ runs, starts }: History): Violation[] {
  const found: Violation[] = []
  const claims = new Map(runs.map((run) => [run.runId, run]))
  const started = new Map<string, Start>()
  const attempts = new Set<string>()
  for (const start of starts) {
    const { runId, jobId, tickMs, attempt, token, who } = start
    const tell = (what: string): unknown => found.push({ jobId, what: `the run ${runId} ${what}` })
    const earlier = started.get(runId)
    if (earlier !== undefined) tell(`was started by ${earlier.who} and by ${who}`)
    started.set(runId, start)
    const key = `${jobId} ${tickMs} ${attempt}`
    if (earlier === undefined && attempts.has(key)) {
      tell(`of ${who} starts an attempt that was started before`)
    }
    attempts.add(key)
    const claim = claims.get(runId)
    const isClaimed =
      claim?.jobId === jobId &&
      claim.tickMs === tickMs &&
      claim.attempt === attempt &&
      claim.token === token
    if (!isClaimed) tell(`was started by ${who}, and not claimed`)
  }
  for (const { runId, jobId, outcome, error } of runs) {
    const isOpen = outcome === 'running' || outcome === 'abandoned'
    if (isOpen || started.has(runId) || isNotBegun({ outcome, error })) continue
    found.push({ jobId, what: `the run ${runId} is ${outcome}, and nobody has started it` })
  }
  return found
}

/** Whether a run was claimed, and its term ended before it could begin. */
function isNotBegun({ outcome, error }: Pick<LedgerRun, 'outcome' | 'error'>): boolean {
  return outcome === 'aborted' && error?.startsWith('It did not begin') === true
}

/** Counts what became of the ticks. */
export function figuresOf({ jobs, entries, runs, skips }: History): Figures {
  const lasts = new Map<string, LedgerRun>()
  for (const run of runs) {
    const key = `${run.jobId} ${run.tickMs}`
    if (run.attempt > (lasts.get(key)?.attempt ?? 0)) lasts.set(key, run)
  }
  const counts = { ran: 0, abandoned: 0, notBegun: 0, running: 0 }
  for (const run of lasts.values()) counts[fateOf(run)]++
  const skipped: Record<string, number> = {}
  for (const { reason, count } of skips) skipped[reason] = (skipped[reason] ?? 0) + count
  let ticks = 0
  for (const job of jobs) {
    const entry = entries.get(job.id)
    if (entry !== undefined) ticks += ticksOf(job, entry).length
  }
  const abandonedRuns = runs.filter(({ outcome }) => outcome === 'abandoned').length
  return { ticks, ...counts, skipped, runs: runs.length, abandonedRuns }
}

function fateOf(run: LedgerRun): 'ran' | 'abandoned' | 'notBegun' | 'running' {
  if (run.outcome === 'abandoned' || run.outcome === 'running') return run.outcome
  return isNotBegun(run) ? 'notBegun' : 'ran'
}

function timeOf(ms: number): string {
  return `${new Date(ms).toISOString()} (${ms})`
}
