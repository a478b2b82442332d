import type { LedgerCall, LedgerReply } from '../../src/store/ledger/verbs.ts'
import { calls } from '../../src/store/ledger/calls.ts'
import { check } from '../../src/store/ledger/checks.ts'
import { carryOut, type Steps } from '../../src/store/ledger/engine.ts'
import type {
  ClaimReply,
  ClaimRequest,
  LedgerAuthor,
  LedgerReading,
  LedgerRun,
  LedgerSkip,
  PruneReply,
  PruneRequest,
  RecordReply,
  RecordRequest,
  RegisterReply,
  RegisterRequest,
  Superseded,
} from '../../src/store/ledger-store.ts'
import { LedgerBooks } from '../../src/store/memory/ledger-books.ts'
import type { History } from './history.ts'

/** The ledger of a store with a server: the real table, and a note of all that it does. */
export class LedgerOfStore {
  readonly #books: LedgerBooks
  /** What was pruned, for those who look at the whole. */
  readonly #pruned = { runs: [] as LedgerRun[], skips: [] as LedgerSkip[] }

  /** @param tokenOf tells the last token that was granted for a lease */
  constructor(tokenOf: (lease: string) => number) {
    this.#books = new LedgerBooks(tokenOf)
  }

  /** Carries a call out, and notes what that has changed. */
  obey({ verb, request }: LedgerCall, history?: History): LedgerReply {
    switch (verb) {
      case 'register':
        return this.#register(request, history)
      case 'abandon': {
        const before = this.#read(request.lease).runs.map(({ abandonedBy }) => abandonedBy)
        const reply = this.#asTerm(request, calls.tryAbandon(request))
        for (const [index, run] of this.#read(request.lease).runs.entries()) {
          const { runId, token, abandonedBy: by } = run
          if (by === undefined || before[index] === by) continue
          history?.add('store', { kind: 'abandoned', id: history.nameOf(runId), token, by })
        }
        return reply
      }
      case 'claim':
        return this.#claim(request, history)
      case 'record':
        return this.#record(request, history)
      case 'prune':
        return this.#prune(request)
      case 'readSchedules':
        return this.#look(request.lease, calls.readSchedules(request))
    }
  }

  /** Notes all that ever stood in it. */
  tell(history: History, lease: string): void {
    const { runs, skips } = this.#read(lease)
    history.add('store', {
      kind: 'ledger',
      jobs: this.#look(lease, calls.readJobs({ lease, afterJobId: undefined, limit: Infinity })),
      runs: [...this.#pruned.runs, ...runs].map((run) => ({
        ...run,
        runId: history.nameOf(run.runId),
        correlationId: '',
      })),
      skips: [...this.#pruned.skips, ...skips],
    })
  }

  #register(request: RegisterRequest, history: History | undefined): RegisterReply {
    check('tryRegister', request)
    const page = { lease: request.lease, afterJobId: undefined, limit: Infinity }
    const known = new Set(this.#look(request.lease, calls.readJobs(page)).map(({ jobId }) => jobId))
    const reply = this.#asTerm(request, calls.tryRegister(request))
    if (reply.kind === 'superseded') return reply
    for (const { jobId: job, anchorMs, cursorMs } of reply.jobs) {
      if (!known.has(job)) history?.add('store', { kind: 'entered', job, anchorMs, cursorMs })
    }
    return reply
  }

  #claim(request: ClaimRequest, history: History | undefined): ClaimReply {
    check('tryClaim', request)
    const reply = this.#asTerm(request, calls.tryClaim(request))
    if (reply.kind === 'superseded' || history === undefined) return reply
    for (const [index, { kind }] of reply.outcomes.entries()) {
      const claim = request.claims[index]
      if (kind !== 'claimed' || claim === undefined) continue
      const { jobId: job, tickMs, attempt, trigger, runId } = claim
      const run = { job, tickMs, attempt, trigger, id: history.nameOf(runId) }
      history.add('store', { kind: 'claimed', token: request.token, ...run })
    }
    return reply
  }

  #record(request: RecordRequest, history: History | undefined): RecordReply {
    check('tryRecord', request)
    const reply = this.#asTerm(request, calls.tryRecord(request))
    if (reply.kind === 'superseded') return reply
    for (const [index, { kind }] of reply.skips.entries()) {
      const skip = request.skips[index]
      if (kind !== 'recorded' || skip === undefined) continue
      history?.add('store', { kind: 'skipped', token: request.token, ...skip })
    }
    return reply
  }

  #prune(request: PruneRequest): PruneReply {
    const before = this.#read(request.lease)
    const reply = this.#asTerm(request, calls.tryPrune(request))
    const after = this.#read(request.lease)
    const runs = new Set(after.runs.map(({ runId }) => runId))
    const skips = new Set(after.skips.map(({ jobId, tickMs }) => `${jobId}/${tickMs}`))
    this.#pruned.runs.push(...before.runs.filter(({ runId }) => !runs.has(runId)))
    this.#pruned.skips.push(
      ...before.skips.filter(({ jobId, tickMs }) => !skips.has(`${jobId}/${tickMs}`)),
    )
    return reply
  }

  #read(lease: string): LedgerReading {
    return this.#look(lease, calls.readRuns({ lease, jobId: undefined, limit: Infinity }))
  }

  #asTerm<Reply>({ lease, token }: LedgerAuthor, steps: Steps<Reply>): Reply | Superseded {
    return carryOut(this.#books.of(lease), { token, steps: () => steps })
  }

  #look<Reply>(lease: string, steps: Steps<Reply>): Reply {
    return carryOut(this.#books.of(lease), { token: undefined, steps: () => steps }) as Reply
  }
}
