// After its event loop was blocked for many ticks a leader accounts for each of them by `overdue`.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Overdue } from '../../src/schedule/job-options.ts'
import { openLedger } from '../../src/store/open-ledger.ts'
import { ledgerBatchMax, type LedgerRun, type LedgerStore } from '../../src/store/ledger-store.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { withCluster, type Cluster } from '../support/cluster.ts'
import { discrepancies } from '../support/ledger-accounts.ts'
import { onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const everyMs = 200
const blockedMs = 5_000
const policies: readonly Overdue[] = ['run-once', 'run-all', 'skip']

/** By how much the wall clock may have been slewed against the one that an interval goes by. */
const slewMs = 20

const jobs = policies.map((overdue) => ({
  id: overdue,
  schedule: { every: everyMs },
  lastsMs: 0,
  // A run from before the block may still have no end after it, and must not be a reason to skip;
  // by `run-all` each tick waits for the one before it.
  options: { overdue, ...(overdue !== 'run-all' && { overlap: { allow: 1_000 } }) },
}))

/** What the ledger says of a job. */
interface Account {
  readonly ticks: readonly number[]
  /** By tick. */
  readonly runs: ReadonlyMap<number, LedgerRun>
  /** The ticks that were skipped, with the reason. */
  readonly skipped: ReadonlyMap<number, string>
  readonly found: object[]
}

async function accountOf(ledger: LedgerStore, id: Overdue): Promise<Account> {
  const signal = AbortSignal.timeout(20_000)
  const page = { lease: 'scheduler', afterJobId: undefined, limit: 100 }
  const job = (await ledger.readJobs(page, signal)).find(({ jobId }) => jobId === id)
  const wish = { lease: 'scheduler', jobId: id, limit: ledgerBatchMax }
  const { runs, skips } = await ledger.readRuns(wish, signal)
  assert.ok(job && runs.length < ledgerBatchMax, 'all runs have been read')
  const ticks: number[] = []
  for (let ms = job.anchorMs + everyMs; ms <= job.cursorMs; ms += everyMs) ticks.push(ms)
  const skipped = new Map<number, string>()
  for (const { tickMs, untilTickMs, reason } of skips) {
    for (let ms = tickMs; ms <= untilTickMs; ms += everyMs) skipped.set(ms, reason)
  }
  const byTick = new Map(runs.map((run) => [run.tickMs, run]))
  return { ticks, runs: byTick, skipped, found: discrepancies(ticks, runs, skips) }
}

/** Blocks a leader that runs its jobs, lets it go on for a while, and stops it. */
async function stall(cluster: Cluster, ledger: LedgerStore): Promise<[from: number, to: number]> {
  const [leader] = await cluster.start(1)
  assert.ok(leader)
  const haveRunAfter = async (ms: number): Promise<boolean> => {
    const accounts = await Promise.all(policies.map((id) => accountOf(ledger, id)))
    return accounts.every(({ runs }) =>
      Array.from(runs.values()).some(
        ({ tickMs, outcome }) => tickMs > ms && outcome === 'succeeded',
      ),
    )
  }
  await until('each job has run', () => leader.lines('run_finished').length >= 3 * policies.length)
  await until('it stands in the ledger', () => haveRunAfter(0))
  leader.send({ do: 'block', how: 'busy loop', ms: blockedMs })
  const { fromMs, untilMs } = await leader.next('blocked')
  const seen = await leader.next('looked')
  assert.deepEqual([seen.isLeader, seen.token], [true, 1], 'it leads on')
  await until('each job has caught up', () => haveRunAfter(untilMs + everyMs))
  assert.deepEqual(leader.said('lost'), [])
  leader.send({ do: 'stop' })
  await leader.next('stopped')
  return [fromMs, untilMs]
}

onEachStore((on) => {
  describe(`a leader whose event loop is blocked for 5 s, on ${on}`, () => {
    test('accounts for each tick of a job of 200 ms by its policy, in the same term', (t) =>
      withCluster({ on, jobs, history: { runs: ledgerBatchMax, age: '1h' } }, async (cluster) => {
        const ledger = await openLedger(parseStoreUrl(cluster.store.url))
        assert.ok(ledger)
        t.after(() => ledger.close())
        const [fromMs, untilMs] = await stall(cluster, ledger)
        for (const policy of policies) {
          const { ticks, runs, skipped, found } = await accountOf(ledger, policy)
          assert.deepEqual(found, [], `${policy}: each tick is accounted for once`)
          assert.ok([...runs.values()].every(({ token }) => token === 1))
          const blocked = ticks.filter((ms) => ms > fromMs + slewMs && ms < untilMs - slewMs)
          assert.ok(blocked.length >= (blockedMs - 2 * slewMs) / everyMs - 1)
          assert.ok(blocked.every((ms) => (runs.get(ms)?.startedAtMs ?? untilMs) >= untilMs))
          if (policy === 'run-all') {
            assert.deepEqual([...skipped], [], 'none is skipped')
            const ofTicks = ticks.map((ms) => runs.get(ms))
            for (const [index, run] of ofTicks.entries()) {
              const before = ofTicks[index - 1]?.finishedAtMs ?? 0
              assert.ok(run && run.startedAtMs >= before, 'one after the other, in order')
            }
            assert.ok(blocked.every((ms) => runs.get(ms)?.outcome === 'succeeded'))
          } else {
            // Before the timer was handled another tick may have come: that is the latest then.
            const latest = ticks.find((ms) => ms >= (blocked.at(-1) ?? 0) && runs.has(ms)) ?? 0
            const overdue = ticks.filter((ms) => ms >= (blocked[0] ?? 0) && ms < latest)
            assert.ok(overdue.every((ms) => skipped.get(ms) === 'overdue'))
            assert.ok(overdue.length >= blocked.length - 1, 'all but the latest')
            assert.equal(runs.get(latest)?.outcome, 'succeeded')
            assert.deepEqual(new Set(skipped.values()), new Set(['overdue']))
          }
        }
      }))
  })
})
