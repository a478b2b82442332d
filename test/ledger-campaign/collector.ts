import { setTimeout as sleep } from 'node:timers/promises'

import {
  ledgerBatchMax,
  type LedgerJob,
  type LedgerRun,
  type LedgerSkip,
  type LedgerStore,
} from '../../src/store/ledger-store.ts'
import type { Violation } from './checks.ts'
import type { CampaignJob } from './jobs.ts'

/** The leader keeps so many runs of each job, and as many skips, and removes the others. */
const keptRuns = 100
/** A job is read again before it has had so many ticks: each may take a few runs. */
const ticksBetweenReads = 15
const readEveryMsMax = 60_000
const pauseMs = 200
const callMsMax = 20_000

/**
 * Reads the ledger again and again, because it forgets what is old, and keeps all that it has seen.
 */
export class Collector {
  readonly #ledger: LedgerStore
  readonly #jobs: readonly CampaignJob[]
  readonly #runs = new Map<string, LedgerRun>()
  readonly #skips = new Map<string, LedgerSkip>()
  readonly #entries = new Map<string, LedgerJob>()
  readonly violations: Violation[] = []
  #collecting: Promise<void> | undefined
  #begunMs = 0
  #ended = false

  constructor(ledger: LedgerStore, jobs: readonly CampaignJob[]) {
    this.#ledger = ledger
    this.#jobs = jobs
  }

  get runs(): LedgerRun[] {
    return [...this.#runs.values()]
  }

  get skips(): LedgerSkip[] {
    return [...this.#skips.values()]
  }

  get runCount(): number {
    return this.#runs.size
  }

  /** The jobs as they stand in the ledger now. */
  async readEntries(): Promise<ReadonlyMap<string, LedgerJob>> {
    let afterJobId: string | undefined
    for (;;) {
      const request = { lease: 'scheduler', afterJobId, limit: ledgerBatchMax }
      const page = await this.#ledger.readJobs(request, AbortSignal.timeout(callMsMax))
      for (const entry of page) this.#keepEntry(entry)
      if (page.length < ledgerBatchMax) return this.#entries
      afterJobId = page.at(-1)?.jobId
    }
  }

  begin(): void {
    this.#begunMs = performance.now()
    this.#collecting = this.#collect()
  }

  /** Reads everything once more, when nobody writes any more. */
  async finish(): Promise<void> {
    this.#ended = true
    await this.#collecting
    for (const job of this.#jobs) await this.#read(job)
    await this.readEntries()
  }

  async close(): Promise<void> {
    this.#ended = true
    await this.#collecting
    await this.#ledger.close()
  }

  async #collect(): Promise<void> {
    const readAtMs = new Map<string, number>()
    while (!this.#ended) {
      for (const job of this.#jobs) {
        const everyMs = 'every' in job.schedule ? job.schedule.every : 1_000
        const pauseToNextMs = Math.min(readEveryMsMax, ticksBetweenReads * everyMs)
        const lastMs = readAtMs.get(job.id) ?? this.#begunMs
        if (this.#ended || performance.now() - lastMs < pauseToNextMs) continue
        readAtMs.set(job.id, performance.now())
        // A store may be slow for once: what it has it still has at the next time.
        await this.#read(job).catch(() => {})
      }
      await sleep(pauseMs)
    }
  }

  async #read({ id: jobId }: CampaignJob): Promise<void> {
    const request = { lease: 'scheduler', jobId, limit: ledgerBatchMax }
    const signal = AbortSignal.timeout(callMsMax)
    const { runs, skips } = await this.#ledger.readRuns(request, signal)
    const follows = runs.length < keptRuns || runs.some(({ runId }) => this.#runs.has(runId))
    if (!follows) {
      this.#tell(jobId, 'the campaign has read the history too late: it may be incomplete')
    }
    for (const run of runs) this.#keepRun(run)
    for (const skip of skips) {
      const { tickMs, untilTickMs, count, reason, token } = skip
      this.#skips.set([jobId, tickMs, untilTickMs, count, reason, token].join(' '), skip)
    }
  }

  #keepRun(run: LedgerRun): void {
    const { runId, jobId, outcome } = run
    const known = this.#runs.get(runId)
    if (known !== undefined && known.outcome !== 'running' && known.outcome !== outcome) {
      this.#tell(jobId, `the run ${runId} was ${known.outcome}, and then ${outcome}`)
    }
    this.#runs.set(runId, run)
  }

  #keepEntry(entry: LedgerJob): void {
    const { jobId, anchorMs, cursorMs, schedule } = entry
    const known = this.#entries.get(jobId)
    if (known !== undefined && (known.anchorMs !== anchorMs || known.schedule !== schedule)) {
      this.#tell(jobId, 'it was entered in the ledger anew')
    }
    if (known !== undefined && known.cursorMs > cursorMs) {
      this.#tell(jobId, 'its cursor has gone back')
    }
    this.#entries.set(jobId, entry)
  }

  #tell(jobId: string, what: string): void {
    this.violations.push({ jobId, what })
  }
}
