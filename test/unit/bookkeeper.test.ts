import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Bookkeeper } from '../../src/schedule/bookkeeper.ts'
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

/** A bookkeeper whose ledger answers as it is told, and all that it was asked. */
class Books extends Bench {
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
  readonly keeper: Bookkeeper

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
    this.keeper = new Bookkeeper({
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

describe('a bookkeeper', () => {
  test('claims the next attempt of a tick only after the end of its last run is written', async () => {
    const books = new Books()
    const skipped = books.keeper.skipped(skipOf(500))
    while (books.records.length === 0) await Promise.resolve()
    // Both come while the ledger takes its time: the delay of the retry is shorter than that.
    const ended = books.keeper.ended({ ...endOf('a'), outcome: 'failed', retryAtMs: 1_020 })
    const claimed = books.keeper.claim({ ...claimOf('b'), attempt: 2, follows: 'a' })
    while (books.claims.length === 0) await settle()
    const ends = books.records.flatMap((record) => record.ends.map(({ runId }) => runId))
    assert.deepEqual(ends, ['a'])
    await Promise.all([skipped, ended, claimed])
  })

  test('claims together what is due together, and then what came meanwhile', async () => {
    const books = new Books()
    const first = [books.keeper.claim(claimOf('a')), books.keeper.claim(claimOf('b'))]
    while (books.claims.length === 0) await Promise.resolve()
    const later = books.keeper.claim(claimOf('c'))
    const outcomes = await Promise.all([...first, later])
    assert.ok(outcomes.every((outcome) => outcome?.kind === 'claimed'))
    const asked = books.claims.map(({ claims }) => claims.map(({ runId }) => runId))
    assert.deepEqual(asked, [['a', 'b'], ['c']])
    assert.ok(books.claims.every(({ token, lease }) => token === 7 && lease === 'scheduler'))
  })

  test('asks 500 at once at most', async () => {
    const books = new Books()
    const all = Array.from({ length: 1_001 }, (_, i) => books.keeper.claim(claimOf(String(i))))
    await Promise.all(all)
    assert.deepEqual(
      books.claims.map(({ claims }) => claims.length),
      [500, 500, 1],
    )
  })

  test('makes the same claim again when the outcome is unknown', async () => {
    const books = new Books()
    books.next.push('fails')
    const outcome = books.keeper.claim(claimOf('a'))
    await books.pass(99)
    assert.equal(books.claims.length, 1)
    await books.pass(1)
    assert.deepEqual(await outcome, { kind: 'claimed' })
    assert.deepEqual(books.claims[0], books.claims[1])
    assert.equal(books.faults.length, 1)
  })

  test('gives a claim up when the term leads no more: it may not start', async () => {
    const books = new Books()
    books.next.push('fails')
    const outcome = books.keeper.claim(claimOf('a'))
    await books.pass(0)
    books.leads = false
    await books.pass(100)
    assert.equal(await outcome, undefined)
    assert.equal(books.claims.length, 1)
  })

  test('asks nothing more once a newer term has been granted', async () => {
    const books = new Books()
    books.next.push('superseded')
    assert.equal(await books.keeper.claim(claimOf('a')), undefined)
    assert.equal(await books.keeper.claim(claimOf('b')), undefined)
    await books.keeper.ended(endOf('z'))
    assert.equal(await books.keeper.takeOver(), undefined)
    assert.equal(books.claims.length, 1)
    assert.equal(books.records.length, 0)
  })

  test('records an end also after the soft stop, until it is written, but no skip', async () => {
    const books = new Books()
    books.next.push('fails', 'fails')
    books.leads = false
    const written = books.keeper.ended(endOf('a'))
    const skipped = books.keeper.skipped(skipOf(2_000))
    await books.pass(100)
    await books.pass(200)
    await Promise.all([written, skipped])
    assert.equal(books.records.length, 3)
    assert.deepEqual(books.records[2]?.ends, [endOf('a')])
    assert.deepEqual(books.records[2]?.skips, [])
  })

  test('writes the claims and skips of a job in the order of its ticks, and those of others beside', async () => {
    const books = new Books()
    const other = { ...claimOf('other'), jobId: 'backup' }
    await Promise.all([
      books.keeper.skipped(skipOf(500)),
      books.keeper.claim(claimOf('a')),
      books.keeper.skipped(skipOf(2_000)),
      books.keeper.claim({ ...claimOf('b'), tickMs: 3_000 }),
      books.keeper.claim(other),
    ])
    assert.deepEqual(books.order, [
      'skip 500',
      'claim 1000, claim 1000 of backup',
      'skip 2000',
      'claim 3000',
    ])
  })

  test('writes no later skip of a job whose claim was given up: the next term decides', async () => {
    const books = new Books()
    books.next.push('fails')
    const claimed = books.keeper.claim(claimOf('a'))
    const skipped = books.keeper.skipped(skipOf(2_000))
    await books.pass(0)
    books.leads = false
    await books.pass(100)
    assert.equal(await claimed, undefined)
    await skipped
    assert.deepEqual(books.order, ['claim 1000'])
  })

  test('knows it where there is no ledger, and asks nothing more', async () => {
    const books = new Books()
    books.next.push('absent')
    assert.equal(await books.keeper.takeOver(), undefined)
    assert.equal(books.keeper.isAbsent, true)
    assert.equal(await books.keeper.claim(claimOf('a')), undefined)
    await books.keeper.ended(endOf('a'))
    assert.deepEqual(books.order, [])
  })

  test('prunes until all has been looked at', async () => {
    const books = new Books()
    books.pruneSteps = 3
    await books.keeper.prune({ runs: 100, ageMs: 1_000, forgetAgeMs: 2_000, followedRevision: 0 })
    assert.deepEqual(books.pruned, [undefined, 'job 1', 'job 2'])
  })

  test('registers any number of jobs, 500 at once', async () => {
    const books = new Books()
    const jobs = Array.from({ length: 1_200 }, (_, i) => ({
      jobId: `job ${i}`,
      schedule: 'every 1m',
      anchorMs: 0,
      cursorMs: 0,
    }))
    const known = await books.keeper.register(jobs)
    assert.deepEqual(
      known?.map(({ jobId }) => jobId),
      jobs.map(({ jobId }) => jobId),
    )
  })
})
