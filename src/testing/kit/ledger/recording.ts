import assert from 'node:assert/strict'

import type { RunClaim } from '../../../store/ledger-store.ts'
import type { LedgerCase } from '../harness.ts'
import { patience } from '../steps.ts'
import {
  begin,
  claim,
  claimKinds,
  endOf,
  lease,
  readHistory,
  readJob,
  record,
  skip,
  takeOver,
} from './steps.ts'

/** How runs ended, which ticks were skipped, and what a lost leader left behind. */
export const recording: readonly LedgerCase[] = [
  {
    name: 'an end is recorded once, also when it is repeated, and what stands is told',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const [first, second] = [claim(10), claim(20, { trigger: 'manual' })] as const
      await claimKinds(ledger, token, first, second)
      const ends = [
        endOf(first, { outcome: 'failed', error: 'no disk', retryAtMs: 99 }),
        endOf(second),
        endOf(claim(30)),
        endOf(first, { runId: 'another' }),
      ]
      const told = [
        { kind: 'recorded' },
        { kind: 'recorded' },
        { kind: 'unknown' },
        { kind: 'unknown' },
      ]
      for (const client of [ledger, await harness.openLedger()]) {
        assert.deepEqual(await record(client, token, ends), {
          kind: 'answered',
          ends: told,
          skips: [],
        })
      }
      const other = await record(ledger, token, [endOf(first, { outcome: 'lost' })])
      assert.ok(other.kind === 'answered')
      assert.deepEqual(other.ends, [{ kind: 'stands', outcome: 'failed' }])
      const { runs } = await readHistory(ledger)
      const { outcome, error, finishedAtMs, retryAtMs } = runs[1] ?? assert.fail('it is there')
      assert.deepEqual(
        { outcome, error, finishedAtMs, retryAtMs },
        { outcome: 'failed', error: 'no disk', finishedAtMs: 12, retryAtMs: 99 },
      )
      assert.equal(runs[0]?.outcome, 'succeeded')
    },
  },
  {
    name: 'skipped ticks are one record, move the cursor, and are skipped once',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10))
      const gap = skip(20, { untilTickMs: 90, count: 8, reason: 'overdue' })
      for (const client of [ledger, await harness.openLedger()]) {
        assert.deepEqual(await record(client, token, [], [gap]), {
          kind: 'answered',
          ends: [],
          skips: [{ kind: 'recorded' }],
        })
      }
      const taken = [skip(10), skip(20), skip(50, { untilTickMs: 100, count: 6 })]
      const reply = await record(ledger, token, [], taken)
      assert.ok(reply.kind === 'answered')
      assert.deepEqual(
        reply.skips.map(({ kind }) => kind),
        ['taken', 'taken', 'taken'],
      )
      const claims = [claim(20), claim(30), claim(90), claim(100)]
      assert.deepEqual(await claimKinds(ledger, token, ...claims), [
        'taken',
        'taken',
        'taken',
        'claimed',
      ])
      const { cursorMs, runs } = await readJob(ledger)
      assert.deepEqual({ cursorMs, runs }, { cursorMs: 100, runs: 2 })
      assert.deepEqual((await readHistory(ledger)).skips, [{ ...gap, token }])
    },
  },
  {
    name: 'counts, instants and texts are kept exactly',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const tickMs = 1_795_000_000_000.125
      const count = Number.MAX_SAFE_INTEGER
      const untilTickMs = 8.64e15
      const error = `it's "odd"\u0000 \\u0000 \ud83d 🔒 \r\n${'x'.repeat(5_000)}`
      const run = claim(tickMs, { correlationId: 'request-7' })
      await claimKinds(ledger, token, run)
      await record(
        ledger,
        token,
        [endOf(run, { outcome: 'failed', error })],
        [skip(tickMs + 1, { untilTickMs, count })],
      )
      const { runs, skips } = await readHistory(ledger)
      assert.equal(runs[0]?.tickMs, tickMs)
      assert.equal(runs[0]?.startedAtMs, tickMs + 1)
      assert.equal(runs[0]?.correlationId, 'request-7')
      const kept = error.slice(0, 2_000).replaceAll('\0', '\ufffd').replace('\ud83d ', '\ufffd ')
      assert.equal(runs[0]?.error, kept)
      assert.equal(skips[0]?.count, count)
      assert.equal((await readJob(ledger)).cursorMs, untilTickMs)
    },
  },
  {
    name: 'a lost leader is found out once: its runs are told again to the same term only',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const [ended, lost, byHand] = [
        claim(10),
        claim(20),
        claim(5, { trigger: 'manual', startedAtMs: 22 }),
      ] as const
      await claimKinds(ledger, token, ended, lost, byHand)
      await record(ledger, token, [endOf(ended)])
      const next = await takeOver(harness)
      await claimKinds(ledger, next, claim(30))
      for (const atMs of [1_000, 2_000]) {
        const reply = await ledger.tryAbandon({ lease, token: next, atMs }, patience())
        assert.ok(reply.kind === 'answered')
        assert.deepEqual(
          reply.abandoned.map(({ runId, token: by, outcome, abandonedBy, finishedAtMs }) => [
            runId,
            by,
            outcome,
            abandonedBy,
            finishedAtMs,
          ]),
          [lost, byHand].map(({ runId }) => [runId, token, 'abandoned', next, 1_000]),
        )
      }
      const third = await takeOver(harness)
      const reply = await ledger.tryAbandon({ lease, token: third, atMs: 3_000 }, patience())
      assert.ok(reply.kind === 'answered')
      assert.deepEqual(
        reply.abandoned.map(({ runId }) => runId),
        ['run-30-1'],
      )
    },
  },
  {
    name: 'the end of a run that was found abandoned is refused, by whomever it comes',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const run = claim(10)
      await claimKinds(ledger, token, run)
      const next = await takeOver(harness)
      await ledger.tryAbandon({ lease, token: next, atMs: 1_000 }, patience())
      const before = await readHistory(ledger)
      const late = await record(ledger, token, [endOf(run)])
      assert.deepEqual(late, { kind: 'superseded', token: next })
      const reply = await record(ledger, next, [endOf(run)])
      assert.ok(reply.kind === 'answered')
      assert.deepEqual(reply.ends, [{ kind: 'stands', outcome: 'abandoned' }])
      assert.deepEqual(await readHistory(ledger), before)
    },
  },
  {
    name: 'the end of an earlier run is recorded by the same instance, if nobody was faster',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const run = claim(10)
      await claimKinds(ledger, token, run)
      const next = await takeOver(harness)
      await record(ledger, next, [endOf(run)])
      const reply = await ledger.tryAbandon({ lease, token: next, atMs: 1_000 }, patience())
      assert.deepEqual(reply, { kind: 'answered', abandoned: [], owed: [] })
      assert.equal((await readHistory(ledger)).runs[0]?.outcome, 'succeeded')
    },
  },
  {
    name: 'an attempt is owed over takeovers until it is claimed',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const failed = claim(10)
      const rerun = claim(20, { rerun: true })
      const byHand = claim(25, { trigger: 'manual', rerun: true })
      await claimKinds(ledger, token, failed, rerun, byHand, claim(30))
      const end = endOf(failed, { outcome: 'failed', error: 'no disk', retryAtMs: 500 })
      await record(ledger, token, [end])
      const owed = async (as: number): Promise<readonly (readonly unknown[])[]> => {
        const reply = await ledger.tryAbandon({ lease, token: as, atMs: 700 }, patience())
        assert.ok(reply.kind === 'answered')
        return reply.owed.map(({ runId, retryAtMs }) => [runId, retryAtMs])
      }
      const second = await takeOver(harness)
      const all = [
        [failed.runId, 500],
        [rerun.runId, 700],
        [byHand.runId, 700],
      ]
      assert.deepEqual(await owed(second), all)
      // That leader is lost as well before it came to them.
      const third = await takeOver(harness)
      assert.deepEqual(await owed(third), all)
      const next = (run: RunClaim): RunClaim =>
        claim(run.tickMs, { attempt: 2, trigger: run.trigger, follows: run.runId })
      await claimKinds(ledger, third, next(failed), next(rerun))
      assert.deepEqual(await owed(third), all.slice(2))
      await claimKinds(ledger, third, next(byHand))
      assert.deepEqual(await owed(third), [])
    },
  },
]
