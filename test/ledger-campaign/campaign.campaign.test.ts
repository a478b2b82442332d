// A share of the campaign for `npm run test:campaigns`; `npm run chaos:ledger` is the whole one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { createTestStore, onEachStore, type StoreName } from '../support/test-store.ts'
import { runCampaign, type CampaignOptions, type CampaignReport } from './campaign.ts'
import { lossKinds } from './losses.ts'

/** A campaign on a store of its own. */
async function campaign(
  on: StoreName,
  options: Pick<CampaignOptions, 'seed' | 'losses' | 'only' | 'changes'>,
): Promise<CampaignReport> {
  const store = await createTestStore(on)
  try {
    return await runCampaign({
      store,
      jobs: 60,
      everyMsMax: 10_000,
      instances: 3,
      pauseMs: [200, 2_000],
      ...options,
    })
  } finally {
    await store.end()
  }
}

onEachStore((on) => {
  test('a leader lost in six ways: every tick is accounted for exactly once', async (t) => {
    const seed = Math.floor(Math.random() * 2 ** 31)
    const { figures, losses, violations } = await campaign(on, { seed, losses: lossKinds.length })
    t.diagnostic(`on ${on}, with the seed ${seed}: ${JSON.stringify(figures)}`)
    assert.deepEqual(violations, [], `with the seed ${seed}`)
    assert.equal(Object.keys(losses).length, lossKinds.length)
    assert.ok(figures.ran > 0, 'ticks were run')
    // The run in whose middle its leader was killed.
    assert.ok(figures.abandonedRuns > 0, 'runs were abandoned')
    assert.ok((figures.skipped['overdue'] ?? 0) > 0, 'ticks were overdue, and skipped')
    const skipped = Object.values(figures.skipped).reduce((sum, count) => sum + count, 0)
    const { ticks, ran, abandoned, notBegun, running } = figures
    assert.equal(ran + abandoned + notBegun + running + skipped, ticks)
  })
})

/** Broken variants, how their leaders are lost, and what is said of them. */
const broken = [
  {
    what: 'a new leader goes on from now',
    file: 'src/schedule/term-scheduler.ts',
    from: "if (job.state.kind === 'registering') this.#plan(job, continueFrom(job, entry, clock))",
    to: "if (job.state.kind === 'registering') {\n        continueFrom(job, entry, clock)\n        this.#plan(job)\n      }",
    only: ['frozen'],
    told: /ran 0 times, skipped 0 times/,
  },
  {
    what: 'a run whose leader was lost goes on for ever',
    file: 'src/store/ledger/calls.ts',
    from: "token: ['<>', token] }",
    to: "token: ['=', -token] }",
    only: ['killed in mid-run'],
    told: /goes on in term/,
  },
] as const

describe('a broken variant is found', { concurrency: 2 }, () => {
  for (const { what, only, told, ...change } of broken) {
    test(what, async () => {
      const options = { seed: 2, losses: 2, only, changes: [change] }
      const { violations } = await campaign('SQLite', options)
      assert.ok(violations.some((violation) => told.test(violation.what)))
    })
  }
})
