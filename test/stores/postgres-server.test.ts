import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import pg from 'pg'

import { installSql } from '../../scripts/postgres-sql.ts'
import { createSystemClock } from '../../src/clock.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { AcquireRequest, LeaseStore, PushedRenewal } from '../../src/store/lease-store.ts'
import { PostgresLeaseStore } from '../../src/store/postgres/postgres-store.ts'
import { startOldPostgres } from '../support/old-postgres.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing, pathOf } from '../support/programs.ts'
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

describe('a PostgreSQL server', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  const opened: LeaseStore[] = []

  /** The store that an application names by a URL. */
  async function open(url: string): Promise<LeaseStore> {
    const store = await openStore(parseStoreUrl(url))
    opened.push(store)
    return store
  }

  async function rejection(url: string): Promise<{ code?: string; message: string }> {
    const store = await open(url)
    try {
      await store.tryAcquire(request, patience())
    } catch (error) {
      return error as Error
    }
    return assert.fail('it should have been refused')
  }

  before(async () => {
    server = await PostgresServer.start()
  })
  after(async () => {
    await Promise.all(opened.map((store) => store.close()))
    await server.end()
  })

  test('a clock that was stepped forward is believed about a record neither at the first look nor later', async () => {
    const database = await server.createDatabase()
    const url = server.url(database)
    const holder = await open(url)
    await holder.tryAcquire(request, patience())
    // To a candidate whose own clock has lost a minute, the server's has gained one.
    const clock = createSystemClock()
    let lostMs = 0
    const slow = { ...clock, monotonicMs: () => clock.monotonicMs() - lostMs }
    const candidate = new PostgresLeaseStore({ url, Client: pg.Client, clock: slow })
    opened.push(candidate)
    const ask = { ...request, holder: 'b' }
    assert.equal((await candidate.tryAcquire(ask, patience())).kind, 'held')
    lostMs = 60_000
    await server.sql('UPDATE tenure.tenure_lease SET renewed_ms = renewed_ms - 60000', database)
    for (const look of ['first', 'second', 'third']) {
      const reply = await candidate.tryAcquire(ask, patience())
      assert.ok(reply.kind === 'held', `${look} look: ${reply.kind}`)
      assert.equal(reply.record.remainingMs, undefined)
    }
    // What is renewed after the step is believed, and so is its expiry.
    const { token } = (await holder.read('scheduler', patience())).record ?? {}
    assert.ok(token !== undefined)
    await server.sql('UPDATE tenure.tenure_lease SET renewed_ms = renewed_ms + 60000', database)
    await holder.tryRenew({ ...request, token }, patience())
    const renewed = await candidate.tryAcquire(ask, patience())
    assert.ok(renewed.kind === 'held' && renewed.record.remainingMs !== undefined)
    await server.sql('UPDATE tenure.tenure_lease SET renewed_ms = renewed_ms - 60000', database)
    assert.equal((await candidate.tryAcquire(ask, patience())).kind, 'acquired')
  })

  test('a push tells of each renewal, so that candidates need not look', async () => {
    const url = server.url(await server.createDatabase())
    const [leader, candidate] = [await open(url), await open(url)]
    await leader.tryAcquire(request, patience())
    const heard: PushedRenewal[] = []
    const works = Promise.withResolvers<void>()
    candidate.watch('scheduler', {
      works: () => works.resolve(),
      failed: works.reject,
      changed: () => {},
      renewed: (renewal) => void heard.push(renewal),
    })
    await works.promise
    const renewal = { lease: 'scheduler', holder: 'a', token: 1 }
    await leader.tryRenew({ ...renewal, ttlMs: 20_000 }, patience())
    await leader.tryRenew({ ...renewal, ttlMs: 60_000 }, patience())
    await until('both are heard', () => heard.length === 2)
    const facts = heard.map(({ token, renewals, ttlMs }) => ({ token, renewals, ttlMs }))
    assert.deepEqual(facts, [
      { token: 1, renewals: 1, ttlMs: 20_000 },
      { token: 1, renewals: 2, ttlMs: 60_000 },
    ])
    const held = await candidate.tryAcquire({ ...request, holder: 'b' }, patience())
    assert.equal(held.kind === 'held' && held.record.renewals, 2)
  })

  test('a push that makes no sense, or is of a later form, says that something changed, and no more', async () => {
    const database = await server.createDatabase()
    const [leader, candidate] = [await open(server.url(database)), await open(server.url(database))]
    const heard: (PushedRenewal | 'changed')[] = []
    const works = Promise.withResolvers<unknown>()
    candidate.watch('scheduler', {
      works: works.resolve,
      failed: works.reject,
      changed: () => void heard.push('changed'),
      renewed: (renewal) => void heard.push(renewal),
    })
    assert.equal(await works.promise, 'renewals')
    await leader.tryAcquire(request, patience())
    await until('the acquisition is heard of', () => heard.length === 1)
    const channel = `tenure_${createHash('sha256').update('tenure\0scheduler').digest('hex').slice(0, 40)}`
    const senseless = [
      'garbage',
      '',
      'null',
      '[]',
      '"x"',
      '7',
      '{"v":2,"term":{"token":1}}',
      '{"token":"1","renewals":1,"ttl_ms":1000,"now_ms":1}',
      '{"token":1,"renewals":1,"ttl_ms":-1,"now_ms":1}',
      `{"token":1,"renewals":1,"ttl_ms":1e400,"now_ms":1}`,
      '['.repeat(3_000),
    ]
    await server.sql('CREATE ROLE stranger', database)
    const client = await server.connect(database)
    await client.query('SET ROLE stranger')
    for (const payload of senseless)
      await client.query('SELECT pg_notify($1, $2)', [channel, payload])
    // A forged one is handed on, for whoever hears it to judge, and the server's clock is not set by it.
    const forged = { token: 99, renewals: 1, ttl_ms: 1e15, now_ms: 1 }
    await client.query('SELECT pg_notify($1, $2)', [channel, JSON.stringify(forged)])
    await client.end()
    await until('all are heard', () => heard.length === senseless.length + 2)
    assert.deepEqual(heard.slice(1, -1), Array(senseless.length).fill('changed'))
    const held = await candidate.tryAcquire({ ...request, holder: 'b' }, patience())
    assert.ok(held.kind === 'held' && (held.record.remainingMs ?? 0) > 0, 'its clock is believed')
  })

  test('whoever watches is told when the connection is lost, and when pushes come again', async () => {
    const database = await server.createDatabase()
    const store = await open(server.url(database))
    let works = 0
    let failed = 0
    store.watch('scheduler', {
      works: () => void works++,
      failed: () => void failed++,
      changed: () => {},
      renewed: () => {},
    })
    await until('pushes come', () => works === 1)
    assert.equal(await server.terminateConnections(database), 1)
    await until('they are lost', () => failed === 1)
    await store.tryAcquire(request, patience())
    assert.equal(works, 2)
  })

  test('tables are created in the schema that the URL names, whatever its name is', async () => {
    const database = await server.createDatabase()
    const schema = `it's "odd" %`
    const store = await open(`${server.url(database)}?tenure_schema=${encodeURIComponent(schema)}`)
    assert.deepEqual(await store.tryAcquire(request, patience()), { kind: 'acquired', token: 1 })
    const rows = await server.sql<{ schemaname: string }>(
      `SELECT schemaname FROM pg_tables WHERE tablename = 'tenure_lease'`,
      database,
    )
    assert.deepEqual(rows, [{ schemaname: schema }])
  })

  test('whoever only looks, or releases, creates nothing', async () => {
    const database = await server.createDatabase()
    const store = await open(server.url(database))
    const reading = await store.read('scheduler', patience())
    assert.deepEqual(reading, { record: undefined, token: 0, terms: [] })
    const ended = { lease: 'scheduler', holder: 'a', token: 1, reason: 'crashed' } as const
    assert.deepEqual(await store.tryRelease(ended, patience()), { kind: 'not-held' })
    const schemas = await server.sql(`SELECT FROM pg_namespace WHERE nspname = 'tenure'`, database)
    assert.equal(schemas.length, 0)
  })

  test('tables of a later version are left alone, and the reason is said', async () => {
    const database = await server.createDatabase()
    await server.sql(
      `CREATE SCHEMA tenure; CREATE TABLE tenure.tenure_schema (version integer);
       INSERT INTO tenure.tenure_schema VALUES (99)`,
      database,
    )
    const { code, message } = await rejection(server.url(database))
    assert.equal(code, 'TENURE_ERR_STORE_UNUSABLE')
    assert.match(message, /version 2 at most.*got version 99/)
  })

  test('what is acknowledged is durable also where the role asks for less', async () => {
    const database = await server.createDatabase()
    await (await open(server.url(database))).tryAcquire(request, patience())
    const client = await server.connect(database)
    await client.query('BEGIN; SET LOCAL synchronous_commit = off; SELECT tenure.tenure_begin_1()')
    const { rows } = await client.query('SHOW synchronous_commit')
    await client.end()
    assert.deepEqual(rows, [{ synchronous_commit: 'local' }])
    const tables = await server.sql(
      `SELECT relname FROM pg_class WHERE relname LIKE 'tenure%' AND relpersistence <> 'p'`,
      database,
    )
    assert.deepEqual(tables, [])
  })

  test('a role that may not create tables is told what to do; the SQL file is enough', async () => {
    const database = await server.createDatabase()
    await server.sql(`CREATE ROLE least LOGIN PASSWORD '${server.password}'`)
    await server.sql('REVOKE ALL ON SCHEMA public FROM PUBLIC', database)
    const url = server.url(database, { user: 'least' })
    const { code, message } = await rejection(url)
    assert.equal(code, 'TENURE_ERR_STORE_UNUSABLE')
    assert.match(message, /permission denied.*docs\/stores\/postgres\.sql/s)

    const file = new URL('../../docs/stores/postgres.sql', import.meta.url).pathname
    assert.equal(readFileSync(file, 'utf8'), installSql(), 'run: node scripts/postgres-sql.ts')
    const psql = (): void => {
      execFileSync(
        join(dirname(pathOf('postgres')), 'psql'),
        [
          `--host=${server.folder}`,
          `--port=${server.port}`,
          `--username=${server.user}`,
          '--set=ON_ERROR_STOP=1',
          '--set=role=least',
          '--single-transaction',
          '--quiet',
          '--output=/dev/null',
          `--file=${file}`,
          database,
        ],
        { env: { ...process.env, PGOPTIONS: '--client-min-messages=warning' } },
      )
    }
    psql()
    const store = await open(url)
    assert.deepEqual(await store.tryAcquire(request, patience()), { kind: 'acquired', token: 1 })
    const renewal = { lease: 'scheduler', holder: 'a', token: 1, ttlMs: 20_000 }
    assert.equal((await store.tryRenew(renewal, patience())).kind, 'renewed')
    const wish = { token: 1, by: 'ops', coolDownMs: 0 }
    assert.equal((await store.tryRequestResign('scheduler', wish, patience())).kind, 'requested')
    psql()
    const ended = { lease: 'scheduler', holder: 'a', token: 1, reason: 'stopped' } as const
    assert.equal((await store.tryRelease(ended, patience())).kind, 'released')
    assert.equal((await store.read('scheduler', patience())).terms[0]?.reason, 'stopped')
  })

  test('a wrong password, user, database or server: each is named, and no password is shown', async () => {
    const url = server.url('postgres')
    const wrong: [url: string, code: string, says: RegExp][] = [
      [url.replace(/:[^:@]*@/, ':wrong-secret@'), 'UNUSABLE', /wrong user name or password/],
      [server.url('nowhere'), 'UNUSABLE', /nowhere.*the database does not exist/s],
      [server.url('postgres', { port: 1 }), 'UNREACHABLE', /ECONNREFUSED/],
      [`${url}?sslmode=verify-full`, 'UNUSABLE', /speaks TLS/],
      [`${url}?sslmode=verify-full&sslrootcert=/nowhere.pem`, 'STORE_URL', /nowhere\.pem/],
    ]
    for (const [wrongUrl, code, says] of wrong) {
      const error = await rejection(wrongUrl)
      assert.ok(error.code?.endsWith(code), `${error.code}: ${error.message}`)
      assert.match(error.message, says)
      assert.doesNotMatch(error.message, /wrong-secret|p@ss|p%40ss/)
    }
  })

  test('a standby, which is read-only, is named as such', async () => {
    const database = await server.createDatabase()
    await server.sql(`ALTER DATABASE ${database} SET default_transaction_read_only = on`)
    const { message } = await rejection(server.url(database))
    assert.match(message, /read-only/)
  })

  test('a server that is too old is refused, with both versions', async (t) => {
    const old = await startOldPostgres(110_022)
    t.after(() => old.server.close())
    const { code, message } = await rejection(server.url('postgres', { port: old.port }))
    assert.equal(code, 'TENURE_ERR_STORE_UNUSABLE')
    assert.match(message, /version 12 or later.*got 11\./s)
  })

  test('TLS: an untrusted certificate is refused, a trusted one works', async () => {
    const [key, certificate] = [join(server.folder, 'tls.key'), join(server.folder, 'tls.pem')]
    const what = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1']
    const whose = ['-subj', '/CN=tenure', '-addext', 'subjectAltName=IP:127.0.0.1']
    const where = ['-keyout', key, '-out', certificate]
    execFileSync(pathOf('openssl'), [...what, ...whose, ...where], { stdio: 'ignore' })
    server.own(key, certificate)
    await server.configure(
      'ssl = on',
      `ssl_key_file = '${key}'`,
      `ssl_cert_file = '${certificate}'`,
    )
    const url = `${server.url(await server.createDatabase())}?sslmode=verify-full`
    const untrusted = await until('the server speaks TLS', async () => {
      const error = await rejection(url)
      return !error.message.includes('speaks TLS') && error
    })
    assert.equal(untrusted.code, 'TENURE_ERR_STORE_UNUSABLE')
    assert.match(untrusted.message, /certificate.*can be trusted.*sslrootcert/s)
    const store = await open(`${url}&sslrootcert=${encodeURIComponent(certificate)}`)
    assert.deepEqual(await store.tryAcquire(request, patience()), { kind: 'acquired', token: 1 })
    const rows = await server.sql<{ ssl: boolean }>(
      `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename IS NOT NULL AND ssl`,
    )
    assert.equal(rows.length, 1)
  })

  test('a connection finds its server although the thread pool is saturated', async () => {
    // Only a password that is not hashed on that very pool shows it: see docs/stores/postgres.md.
    const program = new URL('../support/saturated-connect.ts', import.meta.url).pathname
    await server.sql('CREATE ROLE trusted LOGIN')
    // A store that somebody could never use is no store to read from.
    await server.sql('GRANT CREATE ON DATABASE postgres TO trusted')
    await server.trust('trusted')
    const url = `postgres://trusted@localhost:${server.port}/postgres`
    const output = execFileSync(process.execPath, [program, url], { encoding: 'utf8' })
    assert.equal(output.trim(), 'connected twice')
  })
})

test('a client that is not installed is an error that names the package', () => {
  const opener = new URL('../../src/store/open-store.ts', import.meta.url).href
  const program = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(name, context, next) {
        if (name === 'pg') throw new Error("Cannot find package 'pg'")
        return next(name, context)
      },
    })
    const { openStore } = await import(${JSON.stringify(opener)})
    const location = { scheme: 'postgres', url: 'postgres://nowhere/none', schema: undefined }
    await openStore(location).catch((error) => console.log(error.code, error.message))`
  const args = ['--input-type=module', '--eval', program]
  const output = execFileSync(process.execPath, args, { encoding: 'utf8' })
  assert.match(output, /^TENURE_ERR_STORE_MODULE .*`pg` is installed.*npm install pg$/m)
})
