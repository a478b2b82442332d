import type { LedgerPort } from '../../src/store/ledger/verbs.ts'
import type { LedgerJob, LedgerReading, LedgerRun } from '../../src/store/ledger-store.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { Bench, settle } from './bench.ts'
import { discrepancies, type Discrepancy } from './ledger-accounts.ts'
import { SchedulerBench } from './scheduler-bench.ts'

const signal = new AbortController().signal

/** Instances that share a ledger and a clock, of which one after the other leads. */
export class LedgerBench extends Bench {
  readonly #leases: MemoryLeaseStore
  readonly #ledger: MemoryLedgerStore
  /** What becomes of the next calls: carried out and never answered, or not carried out. */
  readonly next: ('unanswered' | 'lost')[] = []
  /** Whether every call fails. */
  down = false
  readonly #dead = new Set<number>()
  #holders = 0

  constructor(clock?: FakeClock) {
    super(clock)
    const memory = new Memory(this.clock)
    this.#leases = new MemoryLeaseStore(memory)
    this.#ledger = new MemoryLedgerStore(memory)
  }

  /** An instance that leads from now on; the lease is taken from whoever had it. */
  async lead(schedule?: (bench: SchedulerBench) => void): Promise<SchedulerBench> {
    const token = await this.#acquire()
    const bench = new SchedulerBench({ clock: this.clock, ledger: this.#port(), token })
    schedule?.(bench)
    bench.lead()
    await settle()
    return bench
  }

  /** An instance that has led before leads again, in a new term. */
  async leadAgain(bench: SchedulerBench): Promise<void> {
    Object.assign(bench.term, { fencingToken: await this.#acquire(), leads: true })
    bench.lead()
    await settle()
  }

  /** It is gone from one moment to the next: it neither runs nor writes any more. */
  crash(bench: SchedulerBench): void {
    bench.term.leads = false
    bench.scheduler.end()
    this.#dead.add(bench.term.fencingToken)
  }

  /** Claims a tick past its scheduler, as if that had forgotten it. */
  async claim(jobId: string, tickMs: number, token: number): Promise<void> {
    const times = { startedAtMs: tickMs, rerun: false, follows: undefined }
    const key = { jobId, tickMs, attempt: 1, runId: 'other', correlationId: 'other' }
    const claims = [{ ...key, ...times, trigger: 'tick' as const }]
    await this.#ledger.tryClaim({ lease: 'scheduler', token, claims }, signal)
  }

  async reading(jobId?: string): Promise<LedgerReading> {
    return this.#ledger.readRuns({ lease: 'scheduler', jobId, limit: 500 }, signal)
  }

  /** The runs of a job, the oldest first. */
  async runs(jobId: string): Promise<LedgerRun[]> {
    return (await this.reading(jobId)).runs.toReversed()
  }

  async job(jobId: string): Promise<LedgerJob | undefined> {
    const jobs = await this.#ledger.readJobs(
      { lease: 'scheduler', afterJobId: undefined, limit: 500 },
      signal,
    )
    return jobs.find((job) => job.jobId === jobId)
  }

  /** What is wrong with the account of a job with a fixed rate. */
  async discrepancies(jobId: string, everyMs: number): Promise<Discrepancy[]> {
    const job = await this.job(jobId)
    if (job === undefined) return [{ tickMs: 0, what: 'the job is not in the ledger' }]
    const ticks: number[] = []
    for (let ms = job.anchorMs + everyMs; ms <= job.cursorMs; ms += everyMs) ticks.push(ms)
    const { runs, skips } = await this.reading(jobId)
    return discrepancies(ticks, runs, skips)
  }

  async #acquire(): Promise<number> {
    const times = { ttlMs: 20_000, application: 'test', label: undefined, observed: undefined }
    for (;;) {
      const wish = { lease: 'scheduler', holder: `h${this.#holders++}`, ...times }
      const reply = await this.#leases.tryAcquire(wish, signal)
      if (reply.kind === 'acquired') return reply.token
      if (reply.kind === 'over') continue
      const { holder, token } = reply.record
      await this.#leases.tryRelease(
        { lease: 'scheduler', holder, token, reason: 'resigned' },
        signal,
      )
    }
  }

  #port(): Omit<LedgerPort, 'readSchedules'> {
    const ledger = this.#ledger
    return {
      register: (request) => this.#call(request, () => ledger.tryRegister(request, signal)),
      abandon: (request) => this.#call(request, () => ledger.tryAbandon(request, signal)),
      claim: (request) => this.#call(request, () => ledger.tryClaim(request, signal)),
      record: (request) => this.#call(request, () => ledger.tryRecord(request, signal)),
      prune: (request) => this.#call(request, () => ledger.tryPrune(request, signal)),
    }
  }

  async #call<Reply>({ token }: { token: number }, call: () => Promise<Reply>): Promise<Reply> {
    // What is dead is never answered, and asks nothing.
    if (this.#dead.has(token)) return new Promise(() => {})
    const next = this.next.shift()
    if (next === 'lost' || this.down) throw new Error('the ledger does not answer')
    const reply = await call()
    if (next === 'unanswered') throw new Error('the reply was lost')
    return reply
  }
}
