// Ledgers beside leases: tables that are there already, of a newer Tenure too, many processes.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'

import type { AcquireRequest, LedgerStore } from '../../src/index.ts'
import { ledgerBatchMax } from '../../src/store/ledger-store.ts'
import { openLedger } from '../../src/store/open-ledger.ts'
import { openStore, type StoreConfig } from '../../src/store/open-store.ts'
import { schemaSql } from '../../src/store/postgres/schema.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { createTestStore, type TestStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const patience = (): AbortSignal => AbortSignal.timeout(20_000)

const request: AcquireRequest = {
  lease: 'scheduler',
  holder: 'a',
  ttlMs: 20_000,
  application: 'test',
  label: undefined,
  observed: undefined,
}
const jobs = [{ jobId: 'nightly', schedule: 'every 1s', anchorMs: 0, cursorMs: 0 }]
const author = { lease: 'scheduler', token: 1 }

/** How many ticks of each job are written before it is counted what a further one reads. */
const history = 4
const job = { schedule: 'every 1s', anchorMs: 0, cursorMs: 0 }
const claimed = { kind: 'claimed' }
const succeeded = {
  outcome: 'succeeded',
  finishedAtMs: 1,
  error: undefined,
  retryAtMs: undefined,
} as const
const run = {
  attempt: 1,
  trigger: 'tick',
  correlationId: 'test',
  startedAtMs: 1,
  rerun: false,
  follows: undefined,
} as const

/** Something of each of some jobs. */
function numbered<Item>(count: number, make: (jobId: string) => Item): Item[] {
  return Array.from({ length: count }, (_, i) => make(`job-${i}`))
}

async function ledgerOf(t: TestContext, config: StoreConfig): Promise<LedgerStore> {
  const ledger = await openLedger(config)
  assert.ok(ledger)
  t.after(() => ledger.close())
  return ledger
}

async function leaseOf(t: TestContext, url: string): ReturnType<typeof openStore> {
  const store = await openStore(parseStoreUrl(url))
  t.after(() => store.close())
  return store
}

async function register(ledger: LedgerStore): Promise<string> {
  return (await ledger.tryRegister({ ...author, jobs }, patience())).kind
}

/** 10 processes make the tables of the ledger, and claim the same ticks. */
async function race(t: TestContext, store: TestStore): Promise<void> {
  const lease = store.open()
  t.after(() => lease.close())
  await lease.tryAcquire(request, patience())
  const program = new URL('../support/claim-ticks.ts', import.meta.url).pathname
  const outputs = await Promise.all(
    Array.from({ length: 10 }, async (_, i) => {
      const args = [program, store.url, `claimer-${i}`, '20']
      return (await promisify(execFile)(process.execPath, args)).stdout
    }),
  )
  const claimed = outputs.flatMap((output) => JSON.parse(output) as number[])
  const ticks = Array.from({ length: 20 }, (_, i) => i + 1)
  assert.deepEqual(
    claimed.toSorted((a, b) => a - b),
    ticks,
    outputs.join('\n'),
  )
}

describe('a ledger in SQLite', () => {
  test('10 processes race for its tables and for 20 ticks: each is claimed once', async (t) => {
    const store = await createTestStore('SQLite')
    t.after(store.end)
    await race(t, store)
  })

  test('tables of a later ledger are left alone, and the lease goes on', async (t) => {
    const store = await createTestStore('SQLite')
    t.after(store.end)
    const lease = await leaseOf(t, store.url)
    await lease.tryAcquire(request, patience())
    const database = new DatabaseSync(store.path, { timeout: 5_000 })
    database.exec('CREATE TABLE tenure_ledger (version INTEGER)')
    database.exec('INSERT INTO tenure_ledger VALUES (99)')
    database.close()
    const ledger = await ledgerOf(t, parseStoreUrl(store.url))
    await assert.rejects(register(ledger), {
      code: 'TENURE_ERR_STORE_UNUSABLE',
      message: /version 2 at most; got version 99 in tenure_ledger/,
    })
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    assert.equal((await lease.tryRenew(renewal, patience())).kind, 'renewed')
  })

  test('where the file is gone nothing is created, and nobody is granted anything', async (t) => {
    const store = await createTestStore('SQLite')
    t.after(store.end)
    const ledger = await ledgerOf(t, parseStoreUrl(store.url))
    assert.equal(await register(ledger), 'superseded')
    assert.throws(() => new DatabaseSync(store.path, { readOnly: true }))
    const lease = await leaseOf(t, store.url)
    await lease.tryAcquire(request, patience())
    assert.equal(await register(ledger), 'answered')
    for (const end of ['', '-wal', '-shm']) rmSync(`${store.path}${end}`, { force: true })
    assert.equal(await register(ledger), 'superseded')
  })
})

describe('a ledger in PostgreSQL', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.end())

  test('10 processes race for its tables and for 20 ticks: each is claimed once', async (t) => {
    const store = await createTestStore('PostgreSQL', server)
    t.after(store.end)
    await race(t, store)
  })

  test('a role without rights uses the lease without the ledger; the SQL file brings it', async (t) => {
    const database = await server.createDatabase()
    await server.sql(`CREATE ROLE clerk LOGIN PASSWORD '${server.password}'`)
    await server.sql('REVOKE ALL ON SCHEMA public FROM PUBLIC', database)
    const install = (sql: string): Promise<unknown> =>
      server.sql(sql.replaceAll(':"role"', 'clerk'), database)
    await install(`${schemaSql('tenure')}
      GRANT USAGE ON SCHEMA tenure TO :"role";
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tenure TO :"role"`)
    const url = server.url(database, { user: 'clerk' })
    const lease = await leaseOf(t, url)
    assert.deepEqual(await lease.tryAcquire(request, patience()), { kind: 'acquired', token: 1 })
    const ledger = await ledgerOf(t, parseStoreUrl(url))
    await assert.rejects(register(ledger), {
      code: 'TENURE_ERR_STORE_UNUSABLE',
      message: /permission denied.*docs\/stores\/postgres\.sql/s,
    })
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    assert.equal((await lease.tryRenew(renewal, patience())).kind, 'renewed')

    const file = new URL('../../docs/stores/postgres.sql', import.meta.url)
    await install(readFileSync(file, 'utf8'))
    await useAll(ledger)
    assert.equal((await lease.tryRenew(renewal, patience())).kind, 'renewed')
  })

  test('tables of a later ledger are left alone, and the lease goes on', async (t) => {
    const database = await server.createDatabase()
    const lease = await leaseOf(t, server.url(database))
    await lease.tryAcquire(request, patience())
    await server.sql(
      `CREATE TABLE tenure.tenure_ledger (version integer);
       INSERT INTO tenure.tenure_ledger VALUES (99)`,
      database,
    )
    const ledger = await ledgerOf(t, parseStoreUrl(server.url(database)))
    const refusal = {
      code: 'TENURE_ERR_STORE_UNUSABLE',
      message: /version 2 at most.*got version 99/,
    }
    await assert.rejects(register(ledger), refusal)
    const page = { lease: 'scheduler', afterJobId: undefined, limit: 10 }
    await assert.rejects(ledger.readJobs(page, patience()), refusal)
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    assert.equal((await lease.tryRenew(renewal, patience())).kind, 'renewed')
  })

  test('whoever only looks, or finds no lease, creates nothing', async (t) => {
    const database = await server.createDatabase()
    const ledger = await ledgerOf(t, parseStoreUrl(server.url(database)))
    assert.equal(await register(ledger), 'superseded')
    const page = { lease: 'scheduler', afterJobId: undefined, limit: 10 }
    assert.deepEqual(await ledger.readJobs(page, patience()), [])
    const schemas = await server.sql(`SELECT FROM pg_namespace WHERE nspname = 'tenure'`, database)
    assert.equal(schemas.length, 0)
  })

  describe('a call reads the rows that it is about, and not the history', () => {
    /** What stands in the indexes and was read so far; a connection counts it when it ends. */
    const readOf = async (database: string): Promise<number> => {
      await until('nobody is connected', async () => (await server.connections(database)) === 0)
      return until('it is counted', async () => {
        const [row] = await server.sql<{ n: number | null }>(
          `SELECT sum(idx_tup_read)::int AS n FROM pg_stat_user_indexes
            WHERE relname IN ('tenure_run', 'tenure_job')`,
          database,
        )
        return row?.n ?? undefined
      })
    }
    const write = async (ledger: LedgerStore, tickMs: number, count: number): Promise<void> => {
      const registrations = numbered(count, (jobId) => ({ ...job, jobId }))
      await ledger.tryRegister({ ...author, jobs: registrations }, patience())
      const claims = numbered(count, (jobId) => ({ ...run, jobId, tickMs, runId: `${tickMs}` }))
      const reply = await ledger.tryClaim({ ...author, claims }, patience())
      assert.deepEqual(reply, { kind: 'answered', outcomes: claims.map(() => claimed) })
      const ends = claims.map(({ jobId, trigger, attempt, runId }) => {
        return { jobId, tickMs, trigger, attempt, runId, ...succeeded }
      })
      await ledger.tryRecord({ ...author, ends, skips: [] }, patience())
    }
    const begin = async (t: TestContext): Promise<{ database: string; url: string }> => {
      const database = await server.createDatabase()
      const url = server.url(database)
      const lease = await leaseOf(t, url)
      await lease.tryAcquire(request, patience())
      await lease.close()
      return { database, url }
    }

    test('by a plan that is made when that is long', async (t) => {
      const { database, url } = await begin(t)
      const before = await ledgerOf(t, parseStoreUrl(url))
      for (let tickMs = 1; tickMs <= history; tickMs++) await write(before, tickMs, ledgerBatchMax)
      await before.close()
      const readBefore = await readOf(database)
      const ledger = await ledgerOf(t, parseStoreUrl(url))
      const calls = 10
      for (let i = 1; i <= calls; i++) await write(ledger, history + i, 1)
      await ledger.close()
      const perCall = ((await readOf(database)) - readBefore) / calls
      assert.ok(perCall < ledgerBatchMax / 2, `${perCall} entries were read for one run`)
    })

    test('by a plan that was made while there was none', async (t) => {
      const { database, url } = await begin(t)
      const ledger = await ledgerOf(t, parseStoreUrl(url))
      // After five calls the server keeps a plan for all (postgresql.org/docs, plan_cache_mode).
      const first = 10
      for (let tickMs = 1; tickMs <= first; tickMs++) await write(ledger, tickMs, 1)
      for (let i = 1; i <= history; i++) await write(ledger, first + i, ledgerBatchMax)
      await ledger.close()
      const perRun = (await readOf(database)) / (history * ledgerBatchMax)
      assert.ok(perRun < 30, `${perRun} entries were read for each run`)
    })
  })

  test('what is acknowledged is durable also where the role asks for less', async (t) => {
    const database = await server.createDatabase()
    const url = server.url(database)
    await (await leaseOf(t, url)).tryAcquire(request, patience())
    await register(await ledgerOf(t, parseStoreUrl(url)))
    const client = await server.connect(database)
    const claim = `SELECT tenure.tenure_try_claim_1('scheduler', 1, '[]')`
    await client.query(`BEGIN; SET LOCAL synchronous_commit = off; ${claim}`)
    const { rows } = await client.query('SHOW synchronous_commit')
    await client.end()
    assert.deepEqual(rows, [{ synchronous_commit: 'local' }])
    const tables = await server.sql(
      `SELECT relname FROM pg_class WHERE relname LIKE 'tenure%' AND relpersistence <> 'p'`,
      database,
    )
    assert.deepEqual(tables, [])
  })
})

describe('opening a ledger', () => {
  test('a memory has one, which knows the tokens of its leases', async (t) => {
    const config = parseStoreUrl('memory:ledger-test')
    const store = await leaseOf(t, 'memory:ledger-test')
    await store.tryAcquire(request, patience())
    await useAll(await ledgerOf(t, config))
  })

  test("a store of somebody's own may have one, or none", async (t) => {
    const moduleOf = (name: string): string =>
      new URL(`../support/${name}.ts`, import.meta.url).href
    const own = { module: moduleOf('ledger-module'), options: 'ledger-module-test' }
    const store = await openStore(own)
    await store.tryAcquire(request, patience())
    await useAll(await ledgerOf(t, own))
    const none = { module: moduleOf('counting-store'), options: {} }
    assert.equal(await openLedger(none), undefined)
    await assert.rejects(openLedger({ module: 'file:///nowhere.js', options: {} }), {
      code: 'TENURE_ERR_STORE_MODULE',
    })
  })
})

/** Calls every verb once. */
async function useAll(ledger: LedgerStore): Promise<void> {
  assert.equal(await register(ledger), 'answered')
  const run = {
    jobId: 'nightly',
    tickMs: 10,
    attempt: 1,
    runId: 'run',
    trigger: 'tick',
    correlationId: 'test',
    startedAtMs: 10,
    rerun: false,
    follows: undefined,
  } as const
  const claims = { ...author, claims: [run] }
  assert.deepEqual(await ledger.tryClaim(claims, patience()), {
    kind: 'answered',
    outcomes: [{ kind: 'claimed' }],
  })
  const end = { ...run, outcome: 'succeeded', finishedAtMs: 11 } as const
  const ends = [{ ...end, error: undefined, retryAtMs: undefined }]
  const skip = {
    jobId: 'nightly',
    tickMs: 20,
    untilTickMs: 20,
    count: 1,
    reason: 'overlap',
  } as const
  const records = { ...author, ends, skips: [skip] }
  assert.deepEqual(await ledger.tryRecord(records, patience()), {
    kind: 'answered',
    ends: [{ kind: 'recorded' }],
    skips: [{ kind: 'recorded' }],
  })
  assert.deepEqual(await ledger.tryAbandon({ ...author, atMs: 1 }, patience()), {
    kind: 'answered',
    abandoned: [],
    owed: [],
  })
  const wish = { paused: true, registers: false, nowMs: 1 }
  const paused = { lease: 'scheduler', jobIds: ['nightly'], ...wish }
  assert.deepEqual(await ledger.trySetPaused(paused, patience()), ['nightly'])
  const bounds = {
    keepRuns: 0,
    keepAgeMs: 0,
    forgetAgeMs: 0,
    followedRevision: 0,
    nowMs: 1e6,
    afterJobId: undefined,
  }
  assert.deepEqual(await ledger.tryPrune({ ...author, ...bounds }, patience()), {
    kind: 'answered',
    removed: 2,
    next: undefined,
  })
  const page = { lease: 'scheduler', afterJobId: undefined, limit: 10 }
  const [job] = await ledger.readJobs(page, patience())
  assert.deepEqual(job, { ...jobs[0], cursorMs: 20, runs: 1, paused: true })
  const newest = { lease: 'scheduler', jobId: undefined, limit: 10 }
  assert.deepEqual(await ledger.readRuns(newest, patience()), { runs: [], skips: [] })
}
