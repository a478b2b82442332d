import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { LedgerWriter } from '../../src/schedule/ledger-writer.ts'
import type { LedgerPort, NoLedger } from '../../src/store/ledger/verbs.ts'
import type {
  ClaimRequest,
  RecordRequest,
  RunClaim,
  RunEnd,
  Superseded,
  TickSkip,
} from '../../src/store/ledger-store.ts'
import { Bench, settle } from '../support/bench.ts'

const key = { jobId: 'purge', tickMs: 1_000, attempt: 1 } as const

function claimOf(runId: string): RunClaim {
  const times = { startedAtMs: 1_001, rerun: false, follows: undefined }
  return { ...key, runId, trigger: 'tick', correlationId: `c-${runId}`, ...times }
}

function endOf(runId: string): RunEnd {
  const end = { outcome: 'succeeded', finishedAtMs: 1_010 } as const
  return { ...key, runId, trigger: 'tick', ...end, error: undefined, retryAtMs: undefined }
}

function skipOf(tickMs: number): TickSkip {
  return { jobId: 'purge', tickMs, untilTickMs: tickMs, count: 1, reason: 'overlap' }
}

/** A writer whose ledger answers as it is told, and all that it was asked. */
class WriterBench extends Bench {
  readonly claims: ClaimRequest[] = []
  readonly records: RecordRequest[] = []
  readonly faults: unknown[] = []
  leads = true
  /** What the next calls come to: an error, a newer token, or an answer. */
  readonly next: ('fails' | 'superseded' | 'absent')[] = []
  /** What was written, a call each. */
  readonly order: string[] = []
  readonly pruned: (string | undefined)[] = []
  pruneSteps = 1
  readonly writer: LedgerWriter

  constructor() {
    super()
    const port: Omit<LedgerPort, 'readSchedules'> = {
      register: ({ jobs }) =>
        this.#answer({
          kind: 'answered',
          jobs: jobs.map((job) => ({ ...job, runs: 0, paused: false })),
        }),
      abandon: () => this.#answer({ kind: 'answered', abandoned: [], owed: [] }),
      claim: (request) => {
        this.claims.push(request)
        const shown = request.claims.map(({ jobId, tickMs }) =>
          jobId === 'purge' ? `claim ${tickMs}` : `claim ${tickMs} of ${jobId}`,
        )
        this.order.push(shown.join(', '))
        const outcomes = request.claims.map(() => ({ kind: 'claimed' }) as const)
        return this.#answer({ kind: 'answered', outcomes })
      },
      record: (request) => {
        this.records.push(request)
        const shown = request.skips.map(({ tickMs }) => `skip ${tickMs}`)
        if (shown.length > 0) this.order.push(shown.join(', '))
        return this.#answer({ kind: 'answered', ends: [], skips: [] })
      },
      prune: ({ afterJobId }) => {
        const step = this.pruned.push(afterJobId)
        const next = step < this.pruneSteps ? { afterJobId: `job ${step}` } : undefined
        return this.#answer({ kind: 'answered', removed: 0, next })
      },
    }
    this.writer = new LedgerWriter({
      port,
      clock: this.clock,
      lease: 'scheduler',
      token: 7,
      leads: () => this.leads,
      onFault: (error) => this.faults.push(error),
    })
  }

  /** Lets a pause pass, and all that follows from it. */
  override async pass(ms: number): Promise<void> {
    await settle(5)
    await super.pass(ms, ms, 5)
  }

  async #answer<Reply>(reply: Reply): Promise<Reply | Superseded | NoLedger> {
    await settle()
    const next = this.next.shift()
    if (next === 'fails') throw new Error('no answer')
    if (next === 'absent') return { kind: next }
    return next === 'superseded' ? { kind: next, token: 8 } : reply
  }
}

describe('the writer of the ledger', () => {
  test('claims the next attempt of a tick only after the end of its last run is written', async () => {
    const bench = new WriterBench()
    const skipped = bench.writer.recordSkip(skipOf(500))
    while (bench.records.length === 0) await Promise.resolve()
    // Both come while the ledger takes its time: the delay of the retry is shorter than that.
    const ended = bench.writer.recordEnd({ ...endOf('a'), outcome: 'failed', retryAtMs: 1_020 })
    const claimed = bench.writer.claim({ ...claimOf('b'), attempt: 2, follows: 'a' })
    while (bench.claims.length === 0) await settle()
    const ends = bench.records.flatMap((record) => record.ends.map(({ runId }) => runId))
    assert.deepEqual(ends, ['a'])
    await Promise.all([skipped, ended, claimed])
  })

  test('claims together what is due together, and then what came meanwhile', async () => {
    const bench = new WriterBench()
    const first = [bench.writer.claim(claimOf('a')), bench.writer.claim(claimOf('b'))]
    while (bench.claims.length === 0) await Promise.resolve()
    const later = bench.writer.claim(claimOf('c'))
    const outcomes = await Promise.all([...first, later])
    assert.ok(outcomes.every((outcome) => outcome?.kind === 'claimed'))
    const asked = bench.claims.map(({ claims }) => claims.map(({ runId }) => runId))
    assert.deepEqual(asked, [['a', 'b'], ['c']])
    assert.ok(bench.claims.every(({ token, lease }) => token === 7 && lease === 'scheduler'))
  })

  test('asks 500 at once at most', async () => {
    const bench = new WriterBench()
    const all = Array.from({ length: 1_001 }, (_, i) => bench.writer.claim(claimOf(String(i))))
    await Promise.all(all)
    assert.deepEqual(
      bench.claims.map(({ claims }) => claims.length),
      [500, 500, 1],
    )
  })

  test('makes the same claim again when the outcome is unknown', async () => {
    const bench = new WriterBench()
    bench.next.push('fails')
    const outcome = bench.writer.claim(claimOf('a'))
    await bench.pass(99)
    assert.equal(bench.claims.length, 1)
    await bench.pass(1)
    assert.deepEqual(await outcome, { kind: 'claimed' })
    assert.deepEqual(bench.claims[0], bench.claims[1])
    assert.equal(bench.faults.length, 1)
  })

  test('gives a claim up when the term leads no more: it may not start', async () => {
    const bench = new WriterBench()
    bench.next.push('fails')
    const outcome = bench.writer.claim(claimOf('a'))
    await bench.pass(0)
    bench.leads = false
    await bench.pass(100)
    assert.equal(await outcome, undefined)
    assert.equal(bench.claims.length, 1)
  })

  test('asks nothing more once a newer term has been granted', async () => {
    const bench = new WriterBench()
    bench.next.push('superseded')
    assert.equal(await bench.writer.claim(claimOf('a')), undefined)
    assert.equal(await bench.writer.claim(claimOf('b')), undefined)
    await bench.writer.recordEnd(endOf('z'))
    assert.equal(await bench.writer.takeOver(), undefined)
    assert.equal(bench.claims.length, 1)
    assert.equal(bench.records.length, 0)
  })

  test('records an end also after the soft stop, until it is written, but no skip', async () => {
    const bench = new WriterBench()
    bench.next.push('fails', 'fails')
    bench.leads = false
    const written = bench.writer.recordEnd(endOf('a'))
    const skipped = bench.writer.recordSkip(skipOf(2_000))
    await bench.pass(100)
    await bench.pass(200)
    await Promise.all([written, skipped])
    assert.equal(bench.records.length, 3)
    assert.deepEqual(bench.records[2]?.ends, [endOf('a')])
    assert.deepEqual(bench.records[2]?.skips, [])
  })

  test('writes the claims and skips of a job in the order of its ticks, and those of others beside', async () => {
    const bench = new WriterBench()
    const other = { ...claimOf('other'), jobId: 'backup' }
    await Promise.all([
      bench.writer.recordSkip(skipOf(500)),
      bench.writer.claim(claimOf('a')),
      bench.writer.recordSkip(skipOf(2_000)),
      bench.writer.claim({ ...claimOf('b'), tickMs: 3_000 }),
      bench.writer.claim(other),
    ])
    assert.deepEqual(bench.order, [
      'skip 500',
      'claim 1000, claim 1000 of backup',
      'skip 2000',
      'claim 3000',
    ])
  })

  test('writes no later skip of a job whose claim was given up: the next term decides', async () => {
    const bench = new WriterBench()
    bench.next.push('fails')
    const claimed = bench.writer.claim(claimOf('a'))
    const skipped = bench.writer.recordSkip(skipOf(2_000))
    await bench.pass(0)
    bench.leads = false
    await bench.pass(100)
    assert.equal(await claimed, undefined)
    await skipped
    assert.deepEqual(bench.order, ['claim 1000'])
  })

  test('knows it where there is no ledger, and asks nothing more', async () => {
    const bench = new WriterBench()
    bench.next.push('absent')
    assert.equal(await bench.writer.takeOver(), undefined)
    assert.equal(bench.writer.isAbsent, true)
    assert.equal(await bench.writer.claim(claimOf('a')), undefined)
    await bench.writer.recordEnd(endOf('a'))
    assert.deepEqual(bench.order, [])
  })

  test('prunes until all has been looked at', async () => {
    const bench = new WriterBench()
    bench.pruneSteps = 3
    await bench.writer.prune({ runs: 100, ageMs: 1_000, forgetAgeMs: 2_000, followedRevision: 0 })
    assert.deepEqual(bench.pruned, [undefined, 'job 1', 'job 2'])
  })

  test('registers any number of jobs, 500 at once', async () => {
    const bench = new WriterBench()
    const jobs = Array.from({ length: 1_200 }, (_, i) => ({
      jobId: `job ${i}`,
      schedule: 'every 1m',
      anchorMs: 0,
      cursorMs: 0,
    }))
    const known = await bench.writer.register(jobs)
    assert.deepEqual(
      known?.map(({ jobId }) => jobId),
      jobs.map(({ jobId }) => jobId),
    )
  })
})
