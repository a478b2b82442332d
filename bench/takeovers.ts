// `npm run bench:takeovers`: ends leader after leader, and shows that nobody waits for the expiry.
import { parseArgs } from 'node:util'

import { parseDuration } from '../src/index.ts'
import { Cluster } from '../test/support/cluster.ts'
import { PostgresServer } from '../test/support/postgres-server.ts'
import { measureTakeovers, percentiles, tally, waits, type Way } from '../test/support/takeovers.ts'
import { createTestStore, type StoreName } from '../test/support/test-store.ts'

const usage = `Usage: npm run bench:takeovers -- [options]

  --count N     takeovers of each kind on each store (default 1000)
  --ttl D       the ttl (default 60s)
  --way W       resign or kill (default: both)
  --store S     SQLite or PostgreSQL (default: both)
  -h, --help    this text

Two candidates wait beside each leader. Exits with 1 if one of them has waited for a time to pass.`

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    ttl: { type: 'string', default: '60s' },
    way: { type: 'string' },
    store: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const ways: readonly Way[] = ['resign', 'kill']
const stores: readonly StoreName[] = ['SQLite', 'PostgreSQL']
const count = Number(values.count)
const isKnown = (name: string | undefined, names: readonly string[]): boolean =>
  name === undefined || names.includes(name)

if (values.help) {
  console.log(usage)
  process.exit()
}
if (
  !(Number.isSafeInteger(count) && count > 0) ||
  !isKnown(values.way, ways) ||
  !isKnown(values.store, stores)
) {
  console.error(usage)
  process.exit(2)
}

const ttl = parseDuration(values.ttl, '--ttl')
const times = { ttl, heartbeat: ttl / 4, attemptTimeout: Math.min(5_000, ttl / 6) }
console.log(`${count} takeovers of each kind at a ttl of ${values.ttl}, with two candidates`)
for (const store of stores) {
  if ((values.store ?? store) !== store) continue
  const server = store === 'PostgreSQL' ? await PostgresServer.start() : undefined
  for (const way of ways) {
    if ((values.way ?? way) !== way) continue
    const cluster = new Cluster(await createTestStore(store, server), times)
    try {
      const takeovers = await measureTakeovers(cluster, way, count)
      const waited = takeovers.filter(({ wokenBy }) => waits.has(wokenBy)).length
      if (waited > 0) process.exitCode = 1
      console.log(`\n${store}, ${way}: ${percentiles(takeovers.map(({ ms }) => ms))}`)
      console.log(`  woken by: ${tally(takeovers.map(({ wokenBy }) => wokenBy))}`)
      console.log(`  the term before ended as: ${tally(takeovers.map(({ reason }) => reason))}`)
      console.log(`  have waited for a time to pass: ${waited}`)
    } finally {
      await cluster.end()
    }
  }
  await server?.end()
}
