import type { Clock } from '../clock.ts'
import { detached, invariant } from '../invariant.ts'
import {
  ledgerBatchMax,
  type ClaimOutcome,
  type JobRegistration,
  type LedgerAuthor,
  type LedgerJob,
  type LedgerRun,
  type PruneReply,
  type RecordReply,
  type RunClaim,
  type RunEnd,
  type Superseded,
  type TickSkip,
} from '../store/ledger-store.ts'
import type { LedgerPort, NoLedger } from '../store/ledger/verbs.ts'
import type { StartTrial } from './start-failures.ts'

/** What a writer depends on. */
export interface LedgerWriterDeps {
  readonly port: Omit<LedgerPort, 'readSchedules'>
  readonly clock: Clock
  readonly lease: string
  readonly token: number
  /** Whether new work may start in the term. */
  readonly leads: () => boolean
  /** An attempt failed; it is made again after `retryMs`. */
  readonly onFault: (error: unknown, retryMs: number) => void
  /** Begins to judge a write that jobs wait for. */
  readonly newTrial?: () => StartTrial
}

/** What a new leader finds in the ledger. */
export interface Findings {
  /** Runs of earlier terms that have no end, and are marked as abandoned now. */
  readonly abandoned: readonly LedgerRun[]
  /** Runs whose next attempt an earlier term has left to be made. */
  readonly pendingRetries: readonly LedgerRun[]
}

/** How much of the history is kept. */
export interface HistoryBounds {
  /** Of each job, the newest. */
  readonly runs: number
  readonly ageMs: number
  /** For how long a job is remembered that no term has registered. */
  readonly forgetAgeMs: number
  /** Of the stored jobs, the last change that this instance knows of. */
  readonly followedRevision: number
}

/** The pause after a failed attempt, doubled with each further one. */
const pauseMs = { first: 100, longest: 5_000 } as const

/** What is to be written, in the order in which it was asked for. */
type Entry =
  | {
      readonly kind: 'claim'
      readonly item: RunClaim
      readonly settle: (outcome: ClaimOutcome | undefined) => void
    }
  | { readonly kind: 'end'; readonly item: RunEnd; readonly settle: () => void }
  | { readonly kind: 'skip'; readonly item: TickSkip; readonly settle: () => void }

/**
 * Writes the ledger in one term: claims ticks before they start, and records how runs ended and what
 * was skipped. What comes while a call is in progress goes with the next one, all together; claims
 * and skips of one job are written in the order of its ticks, as the ledger demands.
 *
 * A call that fails is made again, because its outcome is unknown: claims and skips for as long as
 * the term leads, ends until a newer term has superseded this one. A claim that was written, though
 * no reply ever came, is found by the next leader as a run that was abandoned; a skip that was not
 * is decided by it anew.
 */
export class LedgerWriter {
  readonly #deps: LedgerWriterDeps
  #entries: Entry[] = []
  #registered: Promise<unknown> = Promise.resolve()
  #writing = false
  #superseded = false
  #absent = false

  constructor(deps: LedgerWriterDeps) {
    this.#deps = deps
  }

  /** Whether it has turned out that there is no ledger to write to. */
  get isAbsent(): boolean {
    return this.#absent
  }

  /** Marks what earlier terms have left unfinished; `undefined` if the term is over before. */
  async takeOver(): Promise<Findings | undefined> {
    const { port, clock, leads } = this.#deps
    const atMs = Math.round(clock.wallMs())
    const reply = await this.#insist((author) => port.abandon({ ...author, atMs }), leads)
    return reply && { abandoned: reply.abandoned, pendingRetries: reply.owed }
  }

  /** Registers jobs; resolves with what is known of them, or `undefined` if the term is over before. */
  register(jobs: readonly JobRegistration[]): Promise<readonly LedgerJob[] | undefined> {
    // One after the other: the last word about a job is what counts.
    const known = this.#registered.then(() => this.#register(jobs))
    this.#registered = known
    return known
  }

  async #register(jobs: readonly JobRegistration[]): Promise<readonly LedgerJob[] | undefined> {
    const { port, leads } = this.#deps
    const known: LedgerJob[] = []
    for (let from = 0; from < jobs.length; from += ledgerBatchMax) {
      const batch = jobs.slice(from, from + ledgerBatchMax)
      const reply = await this.#insist((author) => port.register({ ...author, jobs: batch }), leads)
      if (reply === undefined) return undefined
      known.push(...reply.jobs)
    }
    return known
  }

  /**
   * Claims a run. Only what is `claimed` may start; `undefined`: the term is over, and it may not.
   */
  claim(item: RunClaim): Promise<ClaimOutcome | undefined> {
    return new Promise((settle) => this.#add({ kind: 'claim', item, settle }))
  }

  /** Records the end of a run; resolves when it is written, or does not matter any more. */
  recordEnd(item: RunEnd): Promise<void> {
    return new Promise((settle) => this.#add({ kind: 'end', item, settle }))
  }

  /** Records ticks that were skipped; resolves when they are, or the term is over before. */
  recordSkip(item: TickSkip): Promise<void> {
    return new Promise((settle) => this.#add({ kind: 'skip', item, settle }))
  }

  /** Removes what the history need not keep; resolves when that is done, or the term is over. */
  async prune({ runs, ageMs, forgetAgeMs, followedRevision }: HistoryBounds): Promise<void> {
    const { port, clock, leads } = this.#deps
    const nowMs = Math.round(clock.wallMs())
    const bounds = { keepRuns: runs, keepAgeMs: ageMs, forgetAgeMs, followedRevision, nowMs }
    let next: { readonly afterJobId: string | undefined } | undefined = { afterJobId: undefined }
    while (next !== undefined) {
      const { afterJobId } = next
      const call = (author: LedgerAuthor): Promise<PruneReply | NoLedger> =>
        port.prune({ ...author, ...bounds, afterJobId })
      next = (await this.#insist(call, leads, false))?.next
    }
  }

  #add(entry: Entry): void {
    this.#entries.push(entry)
    if (!this.#writing) detached(this.#write(), (error) => this.#deps.onFault(error, 0))
  }

  async #write(): Promise<void> {
    this.#writing = true
    // In a turn of its own: what becomes due together is claimed together.
    await Promise.resolve()
    try {
      while (this.#entries.length > 0) {
        await this.#record(this.#take('skip'), this.#take('end'))
        await this.#claim(this.#take('claim'))
      }
    } finally {
      this.#writing = false
    }
  }

  /** Takes the next entries of a kind, but for those that come after another kind of their job. */
  #take<Kind extends Entry['kind']>(kind: Kind): (Entry & { kind: Kind })[] {
    const taken: (Entry & { kind: Kind })[] = []
    const blocked = new Set<string>()
    const unended = new Set<string | undefined>()
    const left: Entry[] = []
    for (const entry of this.#entries) {
      const { jobId } = entry.item
      // An end that is written after the claim of the next attempt would have that made for ever.
      if (entry.kind === 'claim' && unended.has(entry.item.follows)) blocked.add(jobId)
      const isFree = kind === 'end' || !blocked.has(jobId)
      if (entry.kind === kind && isFree && taken.length < ledgerBatchMax) {
        taken.push(entry as Entry & { kind: Kind })
        continue
      }
      // Else the end of a run may be written at any time after its claim.
      if (entry.kind === 'end') unended.add(entry.item.runId)
      else blocked.add(jobId)
      left.push(entry)
    }
    this.#entries = left
    return taken
  }

  async #claim(entries: readonly (Entry & { kind: 'claim' })[]): Promise<void> {
    if (entries.length === 0) return
    const { port, leads } = this.#deps
    const claims = entries.map(({ item }) => item)
    const reply = await this.#insist((author) => port.claim({ ...author, claims }), leads)
    const outcomes = reply?.outcomes
    const answersAll = outcomes === undefined || outcomes.length === claims.length
    invariant(answersAll, 'each claim has an outcome')
    for (const [index, { settle }] of entries.entries()) settle(outcomes?.[index])
  }

  async #record(
    skips: readonly (Entry & { kind: 'skip' })[],
    ends: readonly (Entry & { kind: 'end' })[],
  ): Promise<void> {
    const { port, leads } = this.#deps
    const written = {
      ends: ends.map(({ item }) => item),
      skips: skips.map(({ item }) => item),
    }
    const isWanted = (): boolean => ends.length > 0 || (skips.length > 0 && leads())
    // If a claim may have been given up, a later tick of its job must not be written.
    const record = (author: LedgerAuthor): Promise<RecordReply | NoLedger> =>
      port.record({ ...author, ...written, skips: leads() ? written.skips : [] })
    await this.#insist(record, isWanted)
    for (const { settle } of [...ends, ...skips]) settle()
  }

  /** Makes a call again until it is answered; `undefined` once it is superseded, or not wanted. */
  async #insist<Reply extends { readonly kind: string }>(
    call: (author: LedgerAuthor) => Promise<Reply | Superseded | NoLedger>,
    isWanted: () => boolean,
    jobsWait: boolean = true,
  ): Promise<Exclude<Reply, Superseded | NoLedger> | undefined> {
    const { lease, token, onFault } = this.#deps
    const trial = jobsWait ? this.#deps.newTrial?.() : undefined
    let retryMs: number = pauseMs.first
    while (!this.#superseded && !this.#absent && isWanted()) {
      trial?.sent()
      try {
        const reply = await call({ lease, token })
        if (reply.kind === 'superseded') this.#superseded = true
        else if (reply.kind === 'absent') this.#absent = true
        else return reply as Exclude<Reply, Superseded | NoLedger>
      } catch (error) {
        onFault(error, retryMs)
        trial?.failed(error)
        await this.#pause(retryMs)
        retryMs = Math.min(2 * retryMs, pauseMs.longest)
      }
    }
    return undefined
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#deps.clock.setTimer(ms, resolve))
  }
}
