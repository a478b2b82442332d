import type { InstantSource } from '../clock.ts'
import type { LeaseRecord } from '../store/lease-store.ts'

/** That the leader has other jobs than this instance. */
export interface JobsDifference {
  /** The leader, as the record of the lease has it. */
  readonly holder: string
  /** The hash over the jobs of this instance, and that over the leader's. */
  readonly jobsHash: string
  readonly leaderJobsHash: string
}

/** What a comparison is made of. */
export interface JobsComparisonDeps {
  readonly clock: Pick<InstantSource, 'monotonicMs'>
  readonly application: string
  readonly heartbeatMs: () => number
  /** Asks that the record be looked at again, in so long. */
  readonly lookAgain: (afterMs: number) => void
  /** Called once for each two sets of jobs. */
  readonly differ: (difference: JobsDifference) => void
}

/** How many pairs are remembered as told. */
const toldMax = 100

/**
 * Compares the jobs of this instance with the leader's, as a refused acquisition shows them. A
 * difference has to have stood for two heartbeats: an application schedules its jobs one after the
 * other, and a leader tells of a change with its next renewal.
 */
export class JobsComparison {
  readonly #deps: JobsComparisonDeps
  readonly #told = new Set<string>()
  #own: string | undefined
  #leader: Pick<LeaseRecord, 'holder' | 'jobsHash'> | undefined
  #suspected: { readonly pair: string; readonly sinceMs: number } | undefined

  constructor(deps: JobsComparisonDeps, own: string | undefined) {
    this.#deps = deps
    this.#own = own
  }

  /** The hash over the jobs of this instance; `undefined` while it has none. */
  get own(): string | undefined {
    return this.#own
  }

  set own(hash: string | undefined) {
    this.#own = hash
    this.#compare(false)
  }

  /** Whether there is a difference that has to be looked at again before it is told. */
  get suspects(): boolean {
    return this.#suspected !== undefined
  }

  /** An acquisition was refused by this record. */
  held(record: LeaseRecord): void {
    // Another application is warned of by itself, and has other jobs.
    this.#leader = record.application === this.#deps.application ? record : undefined
    this.#compare(true)
  }

  /** This instance leads: there is nobody to compare with. */
  leads(): void {
    this.#leader = undefined
    this.#suspected = undefined
  }

  #compare(isFresh: boolean): void {
    const { clock, heartbeatMs, lookAgain, differ } = this.#deps
    const own = this.#own
    const { holder, jobsHash: theirs } = this.#leader ?? {}
    const pair = `${own} ${theirs}`
    const differs = own !== undefined && theirs !== undefined && own !== theirs
    if (!differs || holder === undefined || this.#told.has(pair)) {
      this.#suspected = undefined
      return
    }
    const nowMs = clock.monotonicMs()
    const waitMs = 2 * heartbeatMs()
    if (this.#suspected?.pair !== pair) {
      this.#suspected = { pair, sinceMs: nowMs }
      return lookAgain(waitMs)
    }
    if (!isFresh || nowMs - this.#suspected.sinceMs < waitMs) return
    this.#suspected = undefined
    for (const oldest of this.#told) {
      if (this.#told.size < toldMax) break
      this.#told.delete(oldest)
    }
    this.#told.add(pair)
    differ({ holder, jobsHash: own, leaderJobsHash: theirs })
  }
}
