// What a claim costs through the ledger of a store, beside the store's own bare statement.
import type { LedgerStore, RunClaim } from '../../src/store/ledger-store.ts'
import { openStore } from '../../src/store/open-store.ts'
import { openLedger } from '../../src/store/open-ledger.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { barePostgres, bareSqlite } from './bare.ts'
import { author, claimOf, endOf, jobIdOf } from './claim-rows.ts'
import type { Scale } from './scale.ts'
import { absenceOf, surround } from './surroundings.ts'
import { printTable, quantile, rowWithout, tell } from './table.ts'

const head = ['store', '', 'median', 'p99', 'a second']
/** The share of rounds that are made before it is measured. */
const warmUpShare = 0.1
const signal = new AbortController().signal

/** Writes claims, and returns when they are durable. */
type Write = (claims: readonly RunClaim[]) => unknown

/** The ticks of one store: each claim is of another. */
class Claims {
  readonly #jobs: number
  #tickMs = 0

  constructor(jobs: number) {
    this.#jobs = jobs
  }

  /** One claim of each of some jobs. */
  next(count: number): RunClaim[] {
    if (count > this.#jobs) throw new Error('one claim of each job')
    const tickMs = ++this.#tickMs
    return Array.from({ length: count }, (_, job) => claimOf(job, tickMs))
  }
}

/** How long it takes to write, again and again. */
async function cells(
  claims: Claims,
  rounds: number,
  size: number,
  write: Write,
): Promise<string[]> {
  for (let round = 0; round < rounds * warmUpShare; round++) await write(claims.next(size))
  const ms: number[] = []
  for (let round = 0; round < rounds; round++) {
    const batch = claims.next(size)
    const startedMs = performance.now()
    await write(batch)
    ms.push(performance.now() - startedMs)
  }
  const sorted = ms.toSorted((a, b) => a - b)
  const perSecond = (rounds * size * 1_000) / ms.reduce((sum, each) => sum + each, 0)
  const times = [quantile(sorted, 0.5), quantile(sorted, 0.99)].map((each) => each.toFixed(2))
  return [...times.map((time) => `${time} ms`), Math.round(perSecond).toLocaleString('en')]
}

/** A ledger whose lease is held and whose jobs are known. */
async function openEntered(url: string, jobs: number): Promise<LedgerStore> {
  const location = parseStoreUrl(url)
  const leases = await openStore(location)
  try {
    const reply = await leases.tryAcquire(
      {
        lease: author.lease,
        holder: 'bench:1:claims',
        ttlMs: 60_000,
        application: 'bench',
        label: undefined,
        observed: undefined,
      },
      signal,
    )
    const isOurs = reply.kind === 'acquired' && reply.token === author.token
    if (!isOurs) throw new Error('the lease is free, and new')
  } finally {
    await leases.close()
  }
  const ledger = await openLedger(location)
  if (ledger === undefined) throw new Error('the store has a ledger')
  const ids = Array.from({ length: jobs }, (_, job) => jobIdOf(job))
  const registrations = ids.map((jobId) => ({
    jobId,
    schedule: 'every 1s',
    anchorMs: 0,
    cursorMs: 0,
  }))
  await ledger.tryRegister({ ...author, jobs: registrations }, signal)
  return ledger
}

/** Claims through the ledger, each of which has to be granted. */
async function claim(ledger: LedgerStore, claims: readonly RunClaim[]): Promise<void> {
  const reply = await ledger.tryClaim({ ...author, claims }, signal)
  const isClaimed =
    reply.kind === 'answered' && reply.outcomes.every(({ kind }) => kind === 'claimed')
  if (!isClaimed) throw new Error(`expected all to be claimed; got ${JSON.stringify(reply)}`)
}

async function claimAndEnd(ledger: LedgerStore, claims: readonly RunClaim[]): Promise<void> {
  await claim(ledger, claims)
  const reply = await ledger.tryRecord({ ...author, ends: claims.map(endOf), skips: [] }, signal)
  const isRecorded =
    reply.kind === 'answered' && reply.ends.every(({ kind }) => kind === 'recorded')
  if (!isRecorded) throw new Error(`expected all to be recorded; got ${JSON.stringify(reply)}`)
}

async function measureOn(store: 'SQLite' | 'PostgreSQL', scale: Scale): Promise<string[][]> {
  const absence = absenceOf(store)
  if (absence !== undefined) return [rowWithout([store], absence, head.length)]
  const { singles, batches, batchSize } = scale.claims
  const rows: string[][] = []
  const ways = [
    { name: 'a claim', write: claim },
    { name: 'a claim and its end', write: claimAndEnd },
    { name: 'bare `INSERT`', write: undefined },
  ]
  for (const [rounds, size] of [
    [singles, 1],
    [batches, batchSize],
  ] as const) {
    for (const { name, write } of ways) {
      const shown = size === 1 ? name : `${name}, ${size} at once`
      tell(`claims: ${store}, ${shown}`)
      // Each begins with tables that are as empty.
      const { url, end } = await surround(store)
      const ledger = await openEntered(url, batchSize)
      const location = parseStoreUrl(url)
      const bare =
        location.scheme === 'sqlite' ? bareSqlite(location.path) : await barePostgres(url)
      const writeAll: Write = (claims) =>
        write === undefined ? bare.insert(claims) : write(ledger, claims)
      try {
        rows.push([store, shown, ...(await cells(new Claims(batchSize), rounds, size, writeAll))])
      } finally {
        await bare.close()
        await ledger.close()
        await end()
      }
    }
  }
  return rows
}

export async function benchClaims(scale: Scale): Promise<void> {
  const rows = [...(await measureOn('SQLite', scale)), ...(await measureOn('PostgreSQL', scale))]
  const { singles, batches } = scale.claims
  console.log(`Claims: ${singles} one by one, and ${batches} batches\n`)
  printTable(head, rows)
}
