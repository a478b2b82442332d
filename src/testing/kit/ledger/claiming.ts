import assert from 'node:assert/strict'

import { ledgerBatchMax } from '../../../store/ledger-store.ts'
import type { LedgerCase } from '../harness.ts'
import { lead, patience } from '../steps.ts'
import {
  begin,
  claim,
  claimKinds,
  jobId,
  kindsOf,
  lease,
  readHistory,
  readJob,
  register,
  skip,
  record,
  takeOver,
} from './steps.ts'

/** Which runs may start. */
export const claiming: readonly LedgerCase[] = [
  {
    name: 'a tick is claimed once: a second run of it is told whose it is',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      assert.deepEqual(await claimKinds(ledger, token, claim(10)), ['claimed'])
      const other = await harness.openLedger()
      const claims = [claim(10, { runId: 'another' })]
      assert.deepEqual(await other.tryClaim({ lease, token, claims }, patience()), {
        kind: 'answered',
        outcomes: [{ kind: 'taken', by: 'run-10-1' }],
      })
      const { runs } = await readHistory(ledger)
      assert.deepEqual(runs, [
        {
          jobId,
          tickMs: 10,
          attempt: 1,
          runId: 'run-10-1',
          trigger: 'tick',
          token,
          correlationId: 'correlation-10',
          startedAtMs: 11,
          outcome: 'running',
          finishedAtMs: undefined,
          error: undefined,
          abandonedBy: undefined,
          retryAtMs: undefined,
        },
      ])
    },
  },
  {
    name: 'a claim that is repeated after a lost reply is claimed, and counted once',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const batch = [claim(10), claim(20), claim(30, { trigger: 'manual' })]
      const all = ['claimed', 'claimed', 'claimed']
      assert.deepEqual(await claimKinds(ledger, token, ...batch), all)
      assert.deepEqual(await claimKinds(await harness.openLedger(), token, ...batch), all)
      assert.equal((await readJob(ledger)).runs, 2)
      assert.equal((await readHistory(ledger)).runs.length, 3)
    },
  },
  {
    name: 'a lower token is refused as a whole, though its lease has not expired',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10))
      const next = await takeOver(harness)
      const author = { lease, token }
      const refusal = { kind: 'superseded', token: next }
      const before = [await readJob(ledger), await readHistory(ledger)]
      // Even what was claimed, and only the reply to it was lost, may not start any more.
      for (const run of [claim(10), claim(20)]) {
        const reply = await ledger.tryClaim({ ...author, claims: [run] }, patience())
        assert.deepEqual(reply, refusal)
      }
      const jobs = [{ jobId, schedule: 'every 2s', anchorMs: 1, cursorMs: 1 }]
      assert.deepEqual(await ledger.tryRegister({ ...author, jobs }, patience()), refusal)
      assert.deepEqual(await record(ledger, token, [], [skip(20)]), refusal)
      assert.deepEqual(await ledger.tryAbandon({ ...author, atMs: 1 }, patience()), refusal)
      const bounds = { keepRuns: 0, keepAgeMs: 0, forgetAgeMs: 0, followedRevision: 0, nowMs: 1e9 }
      assert.deepEqual(
        await ledger.tryPrune({ ...author, ...bounds, afterJobId: undefined }, patience()),
        refusal,
      )
      assert.deepEqual([await readJob(ledger), await readHistory(ledger)], before)
    },
  },
  {
    name: 'a token that was never granted is refused',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      for (const wrong of [token + 1, 0]) {
        const reply = await ledger.tryClaim(
          { lease, token: wrong, claims: [claim(10)] },
          patience(),
        )
        assert.deepEqual(reply, { kind: 'superseded', token })
      }
      const request = { lease: 'nothing', token: 1, claims: [claim(10)] }
      assert.deepEqual(await ledger.tryClaim(request, patience()), { kind: 'superseded', token: 0 })
      assert.deepEqual((await readHistory(ledger)).runs, [])
    },
  },
  {
    name: "a counter that was lost or set back is restored by a call with the record's own token",
    async run(harness) {
      const { ledger, token } = await begin(harness)
      for (const counter of [undefined, token - 1]) {
        await harness.setCounter(lease, counter)
        assert.equal(await claimKinds(ledger, token + 1, claim(10)), 'superseded')
        assert.deepEqual(await claimKinds(ledger, token, claim(10)), ['claimed'])
      }
      // From here on, nothing but the counter knows of the token.
      await harness.deleteRecord(lease)
      await harness.deleteHistory(lease)
      assert.equal(await lead(await harness.open(), 'the next', { lease }), token + 1)
    },
  },
  {
    name: 'a counter that was raised above the term supersedes it',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await harness.setCounter(lease, token + 7)
      const reply = await ledger.tryClaim({ lease, token, claims: [claim(10)] }, patience())
      assert.deepEqual(reply, { kind: 'superseded', token: token + 7 })
    },
  },
  {
    name: 'what a term has claimed is seen by the first call of the next, whatever was under way',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const second = await harness.openLedger()
      const clients = await Promise.all(Array.from({ length: 4 }, harness.openLedger))
      const runs = clients.map((_, client) =>
        Array.from({ length: 25 }, (_, i) =>
          claim(i, { runId: `${client}/${i}`, trigger: 'manual' }),
        ),
      )
      const calls = clients.map(async (client, i) => {
        const started: string[] = []
        for (const run of runs[i] ?? []) {
          const kinds = await claimKinds(client, token, run)
          if (kinds === 'superseded') break
          started.push(run.runId)
        }
        return started
      })
      const next = await takeOver(harness)
      const reply = await second.tryAbandon({ lease, token: next, atMs: 99 }, patience())
      assert.equal(reply.kind, 'answered')
      if (reply.kind !== 'answered') return
      const started = (await Promise.all(calls)).flat()
      const abandoned = reply.abandoned.map(({ runId }) => runId)
      assert.deepEqual(abandoned.toSorted(), started.toSorted())
      assert.equal(await claimKinds(ledger, token, claim(99)), 'superseded')
    },
  },
  {
    name: 'two terms that both believe to lead: each tick has one run, the lower one is refused',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const other = await harness.openLedger()
      const ticks = Array.from({ length: 20 }, (_, i) => i + 1)
      const claimAll = async (by: typeof ledger, as: number): Promise<(string | undefined)[]> => {
        const outcomes: (string | undefined)[] = []
        for (const tickMs of ticks) {
          const kinds = await claimKinds(by, as, claim(tickMs, { runId: `${as}/${tickMs}` }))
          outcomes.push(typeof kinds === 'string' ? kinds : kinds[0])
        }
        return outcomes
      }
      const lower = claimAll(ledger, token)
      const next = await takeOver(harness)
      const [first, second] = await Promise.all([lower, claimAll(other, next)])
      for (const [i, tickMs] of ticks.entries()) {
        const claimed = [first[i], second[i]].filter((kind) => kind === 'claimed')
        assert.equal(claimed.length, 1, `tick ${tickMs}: ${first[i]} and ${second[i]}`)
      }
      const { runs } = await readHistory(ledger)
      assert.equal(new Set(runs.map(({ tickMs }) => tickMs)).size, runs.length)
      assert.equal(await claimKinds(ledger, token, claim(99)), 'superseded')
    },
  },
  {
    name: '10 clients claim the same ticks at once: each has one run',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const clients = await Promise.all(Array.from({ length: 10 }, harness.openLedger))
      const starts = new Map<number, string[]>()
      const losers: (string | undefined)[] = []
      await Promise.all(
        clients.map(async (client, i) => {
          for (let from = 1; from <= 50; from += 5) {
            const claims = Array.from({ length: 5 }, (_, at) =>
              claim(from + at, { runId: `${i}/${from + at}` }),
            )
            const reply = await client.tryClaim({ lease, token, claims }, patience())
            assert.ok(reply.kind === 'answered')
            for (const [at, outcome] of reply.outcomes.entries()) {
              const started = starts.get(from + at) ?? []
              starts.set(from + at, started)
              if (outcome.kind === 'claimed') started.push(`${i}/${from + at}`)
              else losers.push(outcome.kind === 'taken' ? outcome.by : outcome.kind)
            }
          }
        }),
      )
      const winners = [...starts.values()].flat()
      assert.equal(winners.length, 50)
      assert.ok([...starts.values()].every(({ length }) => length === 1))
      assert.equal(losers.length, 450)
      assert.ok(losers.every((by) => by !== undefined && winners.includes(by)))
      assert.equal((await readJob(ledger)).runs, 50)
    },
  },
  {
    name: 'a tick at or before the cursor is taken; further attempts and runs by hand are not',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(50))
      const late = [claim(20), claim(40)]
      const claims = [...late, claim(40, { attempt: 2 }), claim(45, { trigger: 'manual' })]
      const reply = await ledger.tryClaim({ lease, token, claims }, patience())
      assert.deepEqual(reply, {
        kind: 'answered',
        outcomes: [
          { kind: 'taken', by: undefined },
          { kind: 'taken', by: undefined },
          { kind: 'claimed' },
          { kind: 'claimed' },
        ],
      })
      // Neither of them moves the cursor, also where they are later.
      await claimKinds(ledger, token, claim(90, { trigger: 'manual' }), claim(91, { attempt: 2 }))
      const { cursorMs, runs } = await readJob(ledger)
      assert.deepEqual({ cursorMs, runs }, { cursorMs: 50, runs: 1 })
      assert.deepEqual(await claimKinds(ledger, token, claim(60)), ['claimed'])
    },
  },
  {
    name: 'an attempt is claimed once, and runs by hand of the same instant are told apart',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const again = claim(10, { attempt: 2, runId: 'again' })
      assert.deepEqual(await claimKinds(ledger, token, claim(10), again), ['claimed', 'claimed'])
      const claims = [claim(10, { attempt: 2, runId: 'once more' })]
      assert.deepEqual(await ledger.tryClaim({ lease, token, claims }, patience()), {
        kind: 'answered',
        outcomes: [{ kind: 'taken', by: 'again' }],
      })
      const byHand = ['a', 'b'].map((runId) => claim(10, { runId, trigger: 'manual' }))
      assert.deepEqual(await claimKinds(ledger, token, ...byHand), ['claimed', 'claimed'])
    },
  },
  {
    name: 'a batch of the largest size is answered in order, and a larger one is refused',
    async run(harness) {
      const { ledger, token } = await begin(harness, [jobId, 'other'])
      await claimKinds(ledger, token, claim(2), claim(4, { jobId: 'other' }))
      const claims = Array.from({ length: ledgerBatchMax }, (_, i) =>
        claim(i >> 1, { jobId: i % 2 === 0 ? jobId : 'other', runId: `batch ${i}` }),
      )
      const expected = claims.map(({ tickMs, jobId: id }) =>
        tickMs <= (id === 'other' ? 4 : 2) ? 'taken' : 'claimed',
      )
      assert.deepEqual(await claimKinds(ledger, token, ...claims), expected)
      assert.equal((await readJob(ledger)).cursorMs, (ledgerBatchMax >> 1) - 1)
      await assert.rejects(claimKinds(ledger, token, ...claims, claim(1e6)), {
        code: 'TENURE_ERR_INVARIANT',
      })
      assert.deepEqual(await claimKinds(ledger, token), [])
    },
  },
  {
    name: 'a job that nobody has registered starts nothing',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const strangers = [claim(10, { jobId: 'stranger' })]
      assert.deepEqual(await claimKinds(ledger, token, ...strangers), ['unregistered'])
      const reply = await record(ledger, token, [], [skip(10, { jobId: 'stranger' })])
      assert.ok(reply.kind === 'answered')
      assert.deepEqual(reply.skips, [{ kind: 'unregistered' }])
      assert.deepEqual(await readHistory(ledger), { runs: [], skips: [] })
    },
  },
  {
    name: 'ledgers of two leases are independent, also with the same job',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await lead(await harness.open(), 'a', { lease: 'other' })
      const author = { lease: 'other', token: 1 }
      const jobs = [{ jobId, schedule: 'every 1s', anchorMs: 0, cursorMs: 0 }]
      await ledger.tryRegister({ ...author, jobs }, patience())
      await claimKinds(ledger, token, claim(10))
      const reply = await ledger.tryClaim({ ...author, claims: [claim(10)] }, patience())
      assert.deepEqual(kindsOf(reply), ['claimed'])
      await takeOver(harness)
      const after = await ledger.tryClaim({ ...author, claims: [claim(20)] }, patience())
      assert.deepEqual(kindsOf(after), ['claimed'])
      assert.equal((await readHistory(ledger)).runs.length, 1)
      assert.equal((await readJob(ledger)).cursorMs, 10)
    },
  },
  {
    name: 'nothing is claimed of ticks that do not come in their order',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const wrong = { code: 'TENURE_ERR_INVARIANT' }
      await assert.rejects(claimKinds(ledger, token, claim(20), claim(10)), wrong)
      await assert.rejects(record(ledger, token, [], [skip(20, { untilTickMs: 10 })]), wrong)
      await assert.rejects(claimKinds(ledger, token, claim(Number.NaN)), wrong)
      await assert.rejects(register(ledger, token, ...[1, 2].map(() => registration)), wrong)
      assert.deepEqual(await claimKinds(ledger, token, claim(10)), ['claimed'])
    },
  },
]

const registration = { jobId, schedule: 'every 1s', anchorMs: 0, cursorMs: 0 }
