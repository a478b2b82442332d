import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { openLedger } from '../../src/store/open-ledger.ts'
import type { LedgerReading } from '../../src/store/ledger-store.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { withCluster, type Cluster, type Instance } from '../support/cluster.ts'
import { discrepancies } from '../support/ledger-accounts.ts'
import { onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const everyMs = { short: 1_000, long: 2_000 } as const
const ledger = true
const jobs = [
  { id: 'short', schedule: { every: everyMs.short }, lastsMs: 0, options: { ledger } },
  {
    id: 'long',
    schedule: { every: everyMs.long },
    lastsMs: 500,
    lastsMsInFirstTerm: 600_000,
    options: { ledger, onCrash: 'rerun', overdue: 'run-all' },
  },
] as const

interface Account {
  readonly reading: LedgerReading
  readonly found: object[]
}

/** What the ledger says of a job, and what is wrong with that. */
async function accountOf(cluster: Cluster, id: keyof typeof everyMs): Promise<Account> {
  const store = await openLedger(parseStoreUrl(cluster.store.url))
  assert.ok(store)
  const signal = AbortSignal.timeout(20_000)
  const page = { lease: 'scheduler', afterJobId: undefined, limit: 100 }
  const job = (await store.readJobs(page, signal)).find(({ jobId }) => jobId === id)
  const reading = await store.readRuns({ lease: 'scheduler', jobId: id, limit: 500 }, signal)
  await store.close()
  assert.ok(job)
  const ticks: number[] = []
  for (let ms = job.anchorMs + everyMs[id]; ms <= job.cursorMs; ms += everyMs[id]) ticks.push(ms)
  return { reading, found: discrepancies(ticks, reading.runs, reading.skips) }
}

/** The next leader after this one. */
async function nextLeader(cluster: Cluster, before: Instance): Promise<Instance> {
  const token = before.said('acquired').at(-1)?.token ?? 0
  return until('another one leads', () =>
    cluster.instances.find((one) => (one.said('acquired').at(-1)?.token ?? 0) > token),
  )
}

onEachStore((on) => {
  describe(`the ledger on ${on}`, () => {
    test('a leader killed in mid-run: found out once, run again; each tick is accounted for', () =>
      withCluster({ on, jobs }, async (cluster) => {
        const [first] = await cluster.start(3)
        assert.ok(first)
        const isLong = ({ fields }: { fields: object }): boolean =>
          (fields as { jobId?: string }).jobId === 'long'
        await until('a long run goes on', () => first.lines('run_started').some(isLong))
        first.signal('SIGKILL')

        const second = await nextLeader(cluster, first)
        // The short one may have ended without a word of it in the ledger, too.
        const abandoned = await until('the long run is found out', () =>
          second.lines('run_abandoned').find(isLong),
        )
        assert.equal(abandoned.fields['rerun'], true)
        assert.equal(abandoned.fields['token'], 1)
        await until('it is run again', () =>
          second.lines('run_finished').some((line) => isLong(line) && line.fields['attempt'] === 2),
        )
        const hasRunShort = (leader: Instance): Promise<unknown> =>
          until('it has run the short one', () =>
            leader.lines('run_finished').some((line) => !isLong(line)),
          )
        await hasRunShort(second)
        second.send({ do: 'resign', coolDown: 60_000 })

        const third = await nextLeader(cluster, second)
        await until('it has run the long one', () => third.lines('run_finished').some(isLong))
        await hasRunShort(third)
        assert.deepEqual(third.lines('run_abandoned'), [])
        third.send({ do: 'stop' })
        await third.next('stopped')
        second.send({ do: 'stop' })
        await second.next('stopped')

        const long = await accountOf(cluster, 'long')
        assert.deepEqual(long.found, [])
        const outcomes = long.reading.runs.map(({ outcome }) => outcome)
        assert.equal(outcomes.filter((outcome) => outcome === 'abandoned').length, 1)
        assert.ok(!outcomes.includes('running'))
        const short = await accountOf(cluster, 'short')
        assert.deepEqual(short.found, [])
        const terms = new Set(short.reading.runs.map(({ token }) => token))
        assert.deepEqual(terms, new Set([1, 2, 3]))
      }))
  })
})
