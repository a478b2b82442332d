// Store URLs as others write them, on real servers: what is encrypted and verified, what reaches the
// server as it starts a connection, and the files that a URL names.
import assert from 'node:assert/strict'
import { chmodSync, copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { createSystemClock, timeoutSignal } from '../../src/clock.ts'
import { openStore } from '../../src/store/open-store.ts'
import type { AcquireRequest, LeaseStore } from '../../src/store/lease-store.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { makeCertificates, type Certificates } from '../support/certificates.ts'
import { PgBouncer } from '../support/pgbouncer.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'

const patience = (): AbortSignal => timeoutSignal(createSystemClock(), 20_000)

const request: AcquireRequest = {
  lease: 'scheduler',
  holder: 'a',
  ttlMs: 20_000,
  application: 'test',
  label: undefined,
  observed: undefined,
}

/** Opens a store, uses it and looks at it on the server; or tells why it cannot be used. */
async function outcomeOf(server: PostgresServer, url: string): Promise<'plain' | 'tls' | Error> {
  const store = await openStore(parseStoreUrl(url))
  try {
    await store.tryAcquire(request, patience())
    const [row] = await server.sql<{ ssl: boolean }>(
      `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'tenure' ORDER BY backend_start DESC LIMIT 1`,
    )
    return row?.ssl === true ? 'tls' : 'plain'
  } catch (error) {
    return error as Error
  } finally {
    await store.close()
  }
}

async function assertOutcomes(
  server: PostgresServer,
  urls: Readonly<Record<string, 'plain' | 'tls' | RegExp>>,
): Promise<void> {
  for (const [url, expected] of Object.entries(urls)) {
    const outcome = await outcomeOf(server, url)
    if (typeof expected === 'string') assert.equal(outcome, expected, url)
    else assert.match(String(outcome), expected, url)
  }
}

describe('a URL of a PostgreSQL server without TLS', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.end())

  test('is used in plain text where libpq would', async () => {
    const url = server.url()
    await assertOutcomes(server, {
      [url]: 'plain',
      [`${url}?sslmode=disable`]: 'plain',
      [`${url}?sslmode=allow`]: 'plain',
      [`${url}?sslmode=prefer`]: 'plain',
      [`${url}?sslaccept=strict&schema=public&connection_limit=1`]: 'plain',
      [`${url}?sslmode=require`]: /speaks TLS/,
      [`${url}?sslmode=no-verify`]: /speaks TLS/,
      [`${url}?channel_binding=require`]: /speaks TLS/,
      [`${url}?channel_binding=require&sslmode=disable`]: /allows TLS/,
    })
  })

  test('may name a socket, which is never encrypted, in all the ways there are', async () => {
    const { folder, port } = server
    const encoded = encodeURIComponent(folder)
    await assertOutcomes(server, {
      [`postgres://postgres@/postgres?host=${folder}&port=${port}`]: 'plain',
      [`postgres://postgres@/postgres?host=${folder}/.s.PGSQL.${port}&sslmode=require`]: 'plain',
      [`postgres:///postgres?host=${encoded}&port=${port}&user=postgres`]: 'plain',
      [`postgres://postgres:any@localhost:${port}/postgres?host=${folder}`]: 'plain',
      [`postgres://postgres@${encoded}:${port}/postgres`]: 'plain',
    })
  })

  test('hands `options` on to the server, and only those', async () => {
    const url = server.url(await server.createDatabase())
    const readOnly = encodeURIComponent('-c default_transaction_read_only=on')
    await assertOutcomes(server, {
      [`${url}?options=${readOnly}`]: /read-only/,
      [`${url}?options=endpoint%3Dep-a-1`]: /endpoint=ep-a-1/,
      // The server would refuse, or take, each of these as well.
      [`${url}?default_transaction_read_only=on&currentSchema=x&replication=database`]: 'plain',
      [`${url}?statement_timeout=1&lock_timeout=1&search_path=nowhere`]: 'plain',
    })
  })

  test('of Prisma has the tables in a schema of their own', async () => {
    const database = await server.createDatabase()
    await outcomeOf(server, `${server.url(database)}?schema=public&connection_limit=5`)
    const rows = await server.sql(
      `SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'tenure%'`,
      database,
    )
    assert.deepEqual(rows, [{ schemaname: 'tenure' }])
  })

  test('may leave the password to a file', async () => {
    const path = join(server.folder, 'passwords')
    const url = `postgres://${server.user}@127.0.0.1:${server.port}/postgres?passfile=${path}`
    const line = `${server.user}:${server.password.replaceAll(':', '\\:')}`
    writeFileSync(path, `# ours\nelsewhere:*:*:*:x\n127.0.0.1:${server.port}:*:${line}\n`)
    chmodSync(path, 0o644)
    await assertOutcomes(server, { [url]: /only its owner may read/ })
    chmodSync(path, 0o600)
    await assertOutcomes(server, { [url]: 'plain' })
    writeFileSync(path, 'elsewhere:*:*:*:x\n')
    await assertOutcomes(server, { [url]: /a line for 127\.0\.0\.1:\d+:postgres:postgres/ })
  })

  test(
    'behind PgBouncer is used whatever others have written into it',
    { skip: missing('pgbouncer') },
    async () => {
      const pooler = await PgBouncer.start(server)
      try {
        const url = server.url(await server.createDatabase(), { port: pooler.port })
        const prisma = 'pgbouncer=true&connection_limit=1&schema=public&statement_cache_size=0'
        await assertOutcomes(server, {
          [url]: 'plain',
          [`${url}?${prisma}&statement_timeout=5000&lock_timeout=1&search_path=x`]: 'plain',
          // What is for the server itself the pooler has to know.
          [`${url}?options=-c%20enable_seqscan%3Doff`]:
            /unsupported startup parameter.*pooler in between/s,
        })
      } finally {
        await pooler.end()
      }
    },
  )
})

const skipTls = missing('postgres') || missing('openssl')

describe('a URL of a PostgreSQL server with TLS', { skip: skipTls }, () => {
  let server: PostgresServer
  let files: Certificates
  /** By another name than the certificate's, and by that name. */
  let [url, named] = ['', '']

  before(async () => {
    server = await PostgresServer.start()
    files = makeCertificates(server.folder, { host: 'db.test', user: 'certified', password: 'pw' })
    server.own(files.serverKey, files.serverCertificate)
    for (const role of ['certified', 'clear', 'plain_only', 'tls_only']) {
      await server.sql(`CREATE ROLE ${role} LOGIN SUPERUSER PASSWORD '${server.password}'`)
    }
    await server.rule(
      'hostssl all certified 127.0.0.1/32 cert',
      'hostssl all clear 127.0.0.1/32 password',
      'hostnossl all plain_only 127.0.0.1/32 scram-sha-256',
      'host all plain_only 127.0.0.1/32 reject',
      'hostssl all tls_only 127.0.0.1/32 scram-sha-256',
      'host all tls_only 127.0.0.1/32 reject',
    )
    await server.configure(
      'ssl = on',
      `ssl_ca_file = '${files.authority}'`,
      `ssl_key_file = '${files.serverKey}'`,
      `ssl_cert_file = '${files.serverCertificate}'`,
    )
    url = server.url()
    named = `${url.replace('127.0.0.1', 'db.test')}?hostaddr=127.0.0.1`
    await until('TLS is spoken', async () => {
      return (await outcomeOf(server, `${url}?sslmode=no-verify`)) === 'tls'
    })
  })
  after(() => server.end())

  test('is encrypted and verified as libpq does', async () => {
    const { authority, otherAuthority } = files
    await assertOutcomes(server, {
      [url]: 'tls',
      [`${url}?sslmode=disable`]: 'plain',
      [`${url}?sslmode=allow`]: 'plain',
      [`${url}?sslmode=prefer`]: 'tls',
      [`${url}?sslmode=require`]: 'tls',
      [`${url}?sslmode=require&sslrootcert=${authority}`]: 'tls',
      [`${url}?sslmode=require&sslrootcert=${otherAuthority}`]: /can be trusted/,
      [`${url}?sslmode=verify-ca&sslrootcert=${authority}`]: 'tls',
      [`${url}?sslmode=verify-ca`]: /can be trusted/,
      [`${url}?sslmode=verify-full&sslrootcert=${authority}`]: /can be trusted/,
      [`${named}&sslmode=verify-full&sslrootcert=${authority}`]: 'tls',
      [`${named}&sslmode=verify-full&sslrootcert=${otherAuthority}`]: /can be trusted/,
      [`${named}&sslmode=verify-full`]: /can be trusted/,
      [`${named}&sslrootcert=system`]: /can be trusted/,
      [`${url}?ssl=no-verify`]: 'tls',
      [`${url}?ssl=true`]: /can be trusted/,
      [`${url}?sslmode=no-verify&ssl_min_protocol_version=TLSv1.3`]: 'tls',
    })
  })

  test('is tried the other way where libpq would, and only there', async () => {
    const [plainOnly, tlsOnly] = ['plain_only', 'tls_only'].map((user) =>
      server.url('postgres', { user }),
    )
    await assertOutcomes(server, {
      [`${plainOnly}`]: 'plain',
      [`${plainOnly}?sslmode=require`]: /pg_hba\.conf/,
      [`${tlsOnly}`]: 'tls',
      [`${tlsOnly}?sslmode=allow`]: 'tls',
      [`${tlsOnly}?sslmode=disable`]: /pg_hba\.conf/,
      // A certificate that is not trusted is no reason to do without any.
      [`${url}?sslaccept=strict`]: /can be trusted/,
      [`${url}?sslmode=prefer&sslrootcert=${files.otherAuthority}`]: /can be trusted/,
    })
  })

  test('may be written as Prisma does', async () => {
    const certified = server.url('postgres', { user: 'certified' }).replace(/:[^:@]*@/, '@')
    const { authority, otherAuthority, clientIdentity, clientCertificate, clientKey } = files
    const strict = 'sslmode=require&sslaccept=strict'
    await assertOutcomes(server, {
      [`${named}&${strict}&sslcert=${authority}`]: 'tls',
      [`${named}&${strict}&sslcert=${otherAuthority}`]: /can be trusted/,
      [`${url}?${strict}&sslcert=${authority}`]: /can be trusted/,
      [`${url}?sslmode=require&sslaccept=accept_invalid_certs&sslcert=${otherAuthority}`]: 'tls',
      [`${certified}?sslidentity=${clientIdentity}&sslpassword=pw`]: 'tls',
      [`${certified}?sslcert=${clientCertificate}&sslkey=${clientKey}`]: 'tls',
      [`${certified}?sslmode=require`]: /certificate/,
    })
  })

  test('may demand that the password is bound to the connection', async () => {
    const bound = 'channel_binding=require'
    const certified = server.url('postgres', { user: 'certified' })
    const { clientCertificate, clientKey } = files
    await assertOutcomes(server, {
      [`${url}?sslmode=require&${bound}`]: 'tls',
      [`${url}?${bound}`]: 'tls',
      [server.url('postgres', { user: 'clear' })]: 'tls',
      // Nobody is given the password who does not bind it, and so nobody finds that it is wrong.
      [`postgres://clear:wrong@127.0.0.1:${server.port}/postgres?${bound}`]: /SCRAM-SHA-256-PLUS/,
      // Whoever asks for no password binds none.
      [`${certified}?${bound}&sslcert=${clientCertificate}&sslkey=${clientKey}`]:
        /SCRAM-SHA-256-PLUS/,
    })
  })

  test('goes on to be used when a file that it names is gone', async () => {
    const copy = join(server.folder, 'copy.pem')
    copyFileSync(files.authority, copy)
    const database = await server.createDatabase()
    const place = server.url(database)
    const store: LeaseStore = await openStore(
      parseStoreUrl(`${place}?sslmode=verify-ca&sslrootcert=${copy}`),
    )
    try {
      await store.tryAcquire(request, patience())
      rmSync(copy)
      assert.equal(await server.terminateConnections(database), 1)
      const again = await until('it is used again', () =>
        store.tryAcquire(request, patience()).catch(() => undefined),
      )
      assert.deepEqual(again, { kind: 'acquired', token: 1 })
    } finally {
      await store.close()
    }
  })
})
