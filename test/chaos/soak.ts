// `npm run soak`: two instances at the fastest pace that the store allows, and what they use.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

import { createTestStore, type StoreName } from '../support/test-store.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { chartOf, judge, type Tolerance } from './flatness.ts'
import type { Sample } from './soaker.ts'

const usage = `Usage: npm run soak -- [options]

Two instances share a lease with the store's shortest ttl and a heartbeat of 20 ms, run a job ten
times a second, and hand over every 10 s. What they use is sampled, drawn and judged.

  --minutes N    how long                          default 30
  --store NAME   sqlite or postgres                default both
  -h, --help     this text`

const stores: Readonly<Record<string, StoreName>> = { sqlite: 'SQLite', postgres: 'PostgreSQL' }
const samplesMax = 240
const resignEveryMs = 10_000
const mebibyte = 2 ** 20

interface Quantity {
  readonly name: string
  readonly tolerance: Tolerance
  readonly of: (sample: Sample) => number
}

const memory = (name: string, of: (sample: Sample) => number, plus: number): Quantity => ({
  name: `${name}, MiB`,
  tolerance: { share: 0.05, plus },
  of: (sample) => of(sample) / mebibyte,
})
const count = (name: string, of: (sample: Sample) => number): Quantity => ({
  name,
  tolerance: { share: 0, plus: 2 },
  of,
})
const quantities: readonly Quantity[] = [
  memory('heap of the main thread', ({ heapBytes }) => heapBytes, 0.5),
  memory('resident memory', ({ rssBytes }) => rssBytes, 8),
  count('descriptors', ({ descriptors }) => descriptors),
  count('resources of the loop', ({ resources }) => resources),
  count('threads', ({ threads }) => threads),
]

function fail(message: string): never {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}

function readFlags(): { minutes: number; names: string[] } {
  let values
  try {
    ;({ values } = parseArgs({
      options: {
        minutes: { type: 'string', default: '30' },
        store: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }))
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const minutes = Number(values.minutes)
  if (!(minutes > 0)) fail(`Expected --minutes to be a number above 0; got ${values.minutes}.`)
  const { store } = values
  if (store !== undefined && !(store in stores)) {
    fail(`Expected --store to be one of ${Object.keys(stores).join(', ')}; got ${store}.`)
  }
  return { minutes, names: store === undefined ? Object.keys(stores) : [store] }
}

/** Draws and judges one series; false if it is not flat. */
function tell(name: string, series: readonly number[], tolerance: Tolerance): boolean {
  const { flat, early, late } = judge(series, tolerance)
  const values = `${early.toFixed(1)} -> ${late.toFixed(1)}`
  console.log(`${name.padEnd(42)}${chartOf(series)}  ${values}  ${flat ? 'flat' : 'NOT FLAT'}`)
  return flat
}

async function sampleOf(child: ChildProcess): Promise<Sample> {
  const answer = once(child, 'message')
  child.send('sample')
  const [sample] = (await answer) as [Sample]
  return sample
}

async function soak(store: StoreName, minutes: number, signal: AbortSignal): Promise<boolean> {
  const server = store === 'PostgreSQL' ? await PostgresServer.start() : undefined
  const place = await createTestStore(store, server)
  const client = place.open()
  const times = { ttl: client.ttlMsMin, heartbeat: 20, attemptTimeout: 400, retryBackoff: 20 }
  await client.close()
  const options = JSON.stringify({ store: place.url, ...times })
  const program = new URL('./soaker.ts', import.meta.url).pathname
  const children = [1, 2].map(() =>
    fork(program, [options], { execArgv: ['--expose-gc'], detached: true }),
  )
  const series: Sample[][] = [[], []]
  const connections: number[] = []
  const endMs = performance.now() + minutes * 60_000
  const everyMs = Math.max(250, (minutes * 60_000) / samplesMax)
  const resigning = setInterval(() => {
    for (const child of children) child.send('resign')
  }, resignEveryMs)
  try {
    while (performance.now() < endMs && !signal.aborted) {
      await sleep(everyMs)
      for (const [index, child] of children.entries()) {
        series[index]?.push(await sampleOf(child))
      }
      if (server !== undefined) connections.push(await server.connections('test_1'))
    }
  } finally {
    clearInterval(resigning)
    for (const child of children) child.kill('SIGKILL')
    await place.end()
    await server?.end()
  }
  const last = series.map((samples) => samples.at(-1))
  const sum = (of: (sample: Sample) => number): number =>
    last.reduce((total, sample) => total + (sample ? of(sample) : 0), 0)
  console.log(
    `${store}: ${sum(({ renewals }) => renewals)} renewals, ${sum(({ terms }) => terms)} terms, ` +
      `${sum(({ runs }) => runs)} runs; ${JSON.stringify(times)}`,
  )
  const judged = series.flatMap((samples, index) =>
    quantities.map(({ name, tolerance, of }) =>
      tell(`instance ${index + 1}: ${name}`, samples.map(of), tolerance),
    ),
  )
  if (server !== undefined) {
    judged.push(tell('connections of the server', connections, { share: 0, plus: 2 }))
  }
  return judged.every(Boolean)
}

const { minutes, names } = readFlags()
const controller = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => controller.abort())
console.log(
  'Flat: without the first fifth, the median of the last quarter is at most that of the first ' +
    'quarter, plus 5 % and 0.5 MiB for the heap, 5 % and 8 MiB for resident memory, 2 for counts.\n',
)
let good = true
for (const name of names) {
  if (controller.signal.aborted) break
  good = (await soak(stores[name] ?? 'SQLite', minutes, controller.signal)) && good
  console.log()
}
console.log(good ? 'All series are flat.' : 'A series is not flat; see above.')
process.exitCode = good ? 0 : 1
