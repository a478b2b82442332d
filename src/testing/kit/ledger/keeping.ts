import assert from 'node:assert/strict'

import { prunedRowsMax } from '../../../store/ledger-store.ts'
import type { LedgerCase } from '../harness.ts'
import { lead, patience } from '../steps.ts'
import {
  begin,
  claim,
  claimKinds,
  endOf,
  job,
  jobId,
  lease,
  prune,
  readHistory,
  readJob,
  record,
  register,
  skip,
  takeOver,
} from './steps.ts'

const oddNames = [
  `it's "quoted" \`and\` \\escaped; --`,
  '%_*?[a]',
  'a',
  'aa',
  'a/b',
  ' a',
  'A',
  'Zeitplan-Schlüssel',
  '调度',
  '🔒',
  'x'.repeat(255),
  'null',
  '__proto__',
  '$1',
  '{"jobId":1}',
]

/** Jobs, reading, and the bounds of the history. */
export const keeping: readonly LedgerCase[] = [
  {
    name: 'the same schedule keeps all, another one begins anew, and paused stays paused',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10))
      const times = { registers: false, nowMs: 1 }
      const known = { lease, jobIds: [jobId, 'stranger'], paused: true, ...times }
      assert.deepEqual(await ledger.trySetPaused(known, patience()), [jobId])
      const kept = { ...job(), cursorMs: 10, runs: 1, paused: true }
      assert.deepEqual(await register(ledger, token, job({ anchorMs: 7, cursorMs: 70 })), [kept])
      assert.deepEqual(await readJob(ledger), kept)
      const changed = job({ schedule: 'every 2s', anchorMs: 7, cursorMs: 70 })
      const anew = { ...changed, runs: 0, paused: true }
      assert.deepEqual(await register(ledger, token, changed), [anew])
      assert.deepEqual(await claimKinds(ledger, token, claim(70)), ['taken'])
      // The reply to the change was lost: the repetition changes nothing.
      assert.deepEqual(await register(ledger, token, { ...changed, cursorMs: 90 }), [anew])
      const resumed = { lease, jobIds: [jobId], paused: false, ...times }
      assert.deepEqual(await ledger.trySetPaused(resumed, patience()), [jobId])
      assert.equal((await readJob(ledger)).paused, false)
      assert.deepEqual(await ledger.trySetPaused({ ...known, lease: 'nothing' }, patience()), [])
    },
  },
  {
    name: 'the next term finds the jobs as they stand, also where it registers them anew',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10), claim(20))
      const next = await takeOver(harness)
      const [found] = await register(ledger, next, job({ anchorMs: 99, cursorMs: 99 }))
      assert.deepEqual(found, { ...job(), cursorMs: 20, runs: 2, paused: false })
      const runs = [claim(20, { runId: 'another' }), claim(30)]
      assert.deepEqual(await claimKinds(ledger, next, ...runs), ['taken', 'claimed'])
    },
  },
  {
    name: 'a tick that has a run is taken also after its schedule was set back',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10), claim(20))
      await register(ledger, token, job({ schedule: 'every 10s', cursorMs: 5 }))
      const again = [10, 15, 20].map((tickMs) => claim(tickMs, { runId: `again ${tickMs}` }))
      assert.deepEqual(await claimKinds(ledger, token, ...again), ['taken', 'claimed', 'taken'])
      assert.equal((await readJob(ledger)).runs, 1)
    },
  },
  {
    name: 'odd names: quotes, Unicode, 255 bytes, prefixes of each other',
    async run(harness) {
      const { ledger, token } = await begin(harness, [])
      const jobs = oddNames.map((name) => job({ jobId: name, schedule: name }))
      const registered = await register(ledger, token, ...jobs)
      assert.deepEqual(
        registered.map(({ jobId: id, schedule }) => [id, schedule]),
        oddNames.map((name) => [name, name]),
      )
      const claims = oddNames.map((name) => claim(10, { jobId: name, runId: name }))
      const all = oddNames.map(() => 'claimed')
      assert.deepEqual(await claimKinds(ledger, token, ...claims), all)
      for (const name of oddNames) {
        const { runs } = await readHistory(ledger, name)
        assert.deepEqual(
          runs.map(({ runId }) => runId),
          [name],
        )
      }
      const store = await harness.open()
      for (const odd of oddNames) {
        assert.equal(await lead(store, 'a', { lease: odd }), 1)
        const author = { lease: odd, token: 1 }
        const reply = await ledger.tryRegister({ ...author, jobs: [job()] }, patience())
        assert.ok(reply.kind === 'answered')
        assert.equal(reply.jobs[0]?.runs, 0)
      }
    },
  },
  {
    name: 'jobs are read by pages, each once',
    async run(harness) {
      const ids = Array.from({ length: 25 }, (_, i) => `job ${(i * 7) % 25}`)
      const { ledger } = await begin(harness, ids)
      const seen: string[] = []
      let afterJobId: string | undefined
      for (;;) {
        const page = await ledger.readJobs({ lease, afterJobId, limit: 10 }, patience())
        seen.push(...page.map((read) => read.jobId))
        afterJobId = page.at(-1)?.jobId
        if (page.length < 10) break
      }
      assert.equal(seen.length, 25)
      assert.deepEqual(seen.toSorted(), ids.toSorted())
    },
  },
  {
    name: 'the history is read newest first, of all jobs or of one, up to a limit',
    async run(harness) {
      const { ledger, token } = await begin(harness, [jobId, 'other'])
      const other = [20, 40].map((tickMs) =>
        claim(tickMs, { jobId: 'other', runId: `other ${tickMs}` }),
      )
      const runs = [claim(10), claim(30, { startedAtMs: 99 }), ...other]
      await claimKinds(ledger, token, ...runs)
      await record(ledger, token, [], [skip(50), skip(60), skip(55, { jobId: 'other' })])
      const read = async (id: string | undefined, limit: number): Promise<unknown[][]> => {
        const reading = await ledger.readRuns({ lease, jobId: id, limit }, patience())
        return [reading.runs.map(({ tickMs }) => tickMs), reading.skips.map((row) => row.tickMs)]
      }
      assert.deepEqual(await read(undefined, 3), [
        [30, 40, 20],
        [60, 55, 50],
      ])
      assert.deepEqual(await read('other', 3), [[40, 20], [55]])
      assert.deepEqual(await read(undefined, 1), [[30], [60]])
      assert.deepEqual(await read('stranger', 3), [[], []])
    },
  },
  {
    name: 'of each job the newest runs and skips are kept, and whatever is not over',
    async run(harness) {
      const { ledger, token } = await begin(harness, [jobId, 'other'])
      const ticks = [1, 2, 3, 4, 5, 6]
      const runs = ticks.map((tickMs) => claim(tickMs))
      await claimKinds(ledger, token, ...runs, claim(1, { jobId: 'other', runId: 'only' }))
      const ends = runs.map((run) =>
        run.tickMs === 3
          ? endOf(run, { outcome: 'failed', retryAtMs: 99 })
          : endOf(run, { outcome: 'succeeded' }),
      )
      await record(
        ledger,
        token,
        ends.filter(({ tickMs }) => tickMs !== 2),
        [7, 8, 9].map((tickMs) => skip(tickMs)),
      )
      assert.deepEqual(await prune(ledger, token, { keepRuns: 2 }), [3])
      const history = await readHistory(ledger, jobId)
      // 2 runs, 3 owes an attempt, 5 and 6 are the newest.
      assert.deepEqual(
        history.runs.map(({ tickMs }) => tickMs),
        [6, 5, 3, 2],
      )
      assert.deepEqual(
        history.skips.map(({ tickMs }) => tickMs),
        [9, 8],
      )
      assert.equal((await readHistory(ledger, 'other')).runs.length, 1)
      const again = ticks.map((tickMs) => claim(tickMs, { runId: `again ${tickMs}` }))
      const kinds = await claimKinds(ledger, token, ...again)
      assert.deepEqual(
        kinds,
        ticks.map(() => 'taken'),
      )
    },
  },
  {
    name: 'nothing is kept for longer than its age but what runs, or was just found abandoned',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const runs = [1_000, 2_000, 3_000, 4_000].map((tickMs) =>
        claim(tickMs, { startedAtMs: tickMs }),
      )
      await claimKinds(ledger, token, ...runs)
      const [first = claim(0), , third = claim(0)] = runs
      const owed = endOf(first, { outcome: 'failed', retryAtMs: 1 })
      await record(ledger, token, [owed, endOf(third)], [skip(5_000), skip(6_000)])
      const next = await takeOver(harness)
      await ledger.tryAbandon({ lease, token: next, atMs: 9_000 }, patience())
      const bounds = { keepAgeMs: 4_000, nowMs: 9_500 }
      assert.deepEqual(await prune(ledger, next, bounds), [3])
      const { runs: kept, skips } = await readHistory(ledger)
      assert.deepEqual(
        kept.map(({ tickMs }) => tickMs),
        [4_000, 2_000],
      )
      assert.deepEqual(
        skips.map(({ tickMs }) => tickMs),
        [6_000],
      )
      const last = await takeOver(harness)
      assert.deepEqual(await prune(ledger, last, bounds), [2])
      assert.equal((await readJob(ledger)).cursorMs, 6_000)
    },
  },
  {
    name: 'a job is forgotten only if this term has not registered it, and after its age',
    async run(harness) {
      const { ledger } = await begin(harness, ['old', 'young', 'running', jobId])
      const next = await takeOver(harness)
      await claimKinds(ledger, next, claim(900, { jobId: 'young', runId: 'young' }))
      await claimKinds(ledger, next, claim(10, { jobId: 'running', runId: 'running' }))
      await register(ledger, next, job())
      await prune(ledger, next, { forgetAgeMs: 500, nowMs: 1_000 })
      const jobs = await ledger.readJobs({ lease, afterJobId: undefined, limit: 10 }, patience())
      const ids = jobs.map((read) => read.jobId)
      assert.deepEqual(ids.toSorted(), [jobId, 'running', 'young'])
    },
  },
  {
    name: 'a long history is pruned in parts',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const rows = prunedRowsMax + 100
      for (let from = 1; from <= rows; from += 300) {
        const runs = Array.from({ length: 300 }, (_, i) => claim(from + i))
        await claimKinds(ledger, token, ...runs)
        await record(
          ledger,
          token,
          runs.map((run) => endOf(run)),
        )
      }
      const written = Math.ceil(rows / 300) * 300
      const removed = await prune(ledger, token, { keepRuns: 2 })
      assert.equal(removed[0], prunedRowsMax)
      const sum = removed.reduce((total, count) => total + count, 0)
      assert.equal(sum, written - 2)
      assert.equal((await readHistory(ledger)).runs.length, 2)
    },
  },
]
