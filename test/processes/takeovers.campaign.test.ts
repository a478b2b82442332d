// With a ttl of a minute, nobody waits for the expiry after a resignation or a kill.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { withCluster } from '../support/cluster.ts'
import { measureTakeovers, percentiles, tally, waits } from '../support/takeovers.ts'
import { onEachStore } from '../support/test-store.ts'

const count = 50
const minute = { ttl: 60_000, heartbeat: 15_000, attemptTimeout: 5_000, stallLimit: 60_000 }

onEachStore((on) => {
  for (const [way, reason] of [
    ['resign', 'resigned'],
    ['kill', 'crashed'],
  ] as const) {
    test(`${count} times ${way}: each takeover is woken by the end of the term before`, (t) =>
      withCluster({ on, ...minute }, async (cluster) => {
        const takeovers = await measureTakeovers(cluster, way, count)
        t.diagnostic(percentiles(takeovers.map(({ ms }) => ms)))
        t.diagnostic(tally(takeovers.map(({ wokenBy }) => wokenBy)))
        const waited = takeovers.filter(({ wokenBy }) => waits.has(wokenBy))
        assert.deepEqual(waited, [])
        const others = takeovers.filter((takeover) => takeover.reason !== reason)
        assert.deepEqual(others, [], `each term before has ended as ${reason}`)
      }))
  }
})
