import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, test } from 'node:test'

import { createTenure } from '../../src/index.ts'
import { parsePostgresUrl } from '../../src/store/postgres/postgres-url.ts'
import { parseStoreUrl, redactStoreUrl } from '../../src/store/store-url.ts'

/**
 * How others document a URL, what is made of it, what means nothing here, and the schema of the
 * tables where one is named.
 */
const documented: [url: string, understood: string, passedOver?: string[], schema?: string][] = [
  // All of it in the environment: PGHOST and the like.
  ['postgres://', 'postgres://'],
  ['postgres://localhost', 'postgres://localhost'],
  ['postgresql://u:p%40w@[::1]:6432/db', 'postgresql://u:p%40w@[::1]:6432/db'],
  // libpq: the parts as parameters, a folder with a socket, a user without a host.
  ['postgresql:///db?host=/run/postgresql', 'postgresql:///db?host=%2Frun%2Fpostgresql'],
  ['postgresql://%2Frun%2Fpostgresql/db', 'postgresql://%2Frun%2Fpostgresql/db'],
  [
    'postgresql:///db?host=h&port=5433&user=u&password=pw&dbname=other',
    'postgresql:///db?dbname=other&host=h&password=pw&port=5433&user=u',
  ],
  ['postgresql://u:pw@/db', 'postgresql:///db?password=pw&user=u'],
  ['postgresql://u:pw@:5433', 'postgresql://?password=pw&port=5433&user=u'],
  [
    'postgresql://u@h/db?connect_timeout=10&application_name=myapp&target_session_attrs=read-write',
    'postgresql://u@h/db?application_name=myapp&connect_timeout=10',
  ],
  [
    'postgresql://u@h/db?hostaddr=10.0.0.1&gssencmode=disable&keepalives=1&keepalives_idle=30&target_session_attrs=standby',
    'postgresql://u@h/db?hostaddr=10.0.0.1',
    ['gssencmode', 'keepalives', 'keepalives_idle', 'target_session_attrs'],
  ],
  [
    'postgresql://u@h/db?sslmode=verify-full&sslrootcert=/ca.pem&sslcert=/c.pem&sslkey=/k.pem&sslpassword=pw',
    'postgresql://u@h/db?sslcert=%2Fc.pem&sslkey=%2Fk.pem&sslmode=verify-full&sslpassword=pw&sslrootcert=%2Fca.pem',
  ],
  // The client `pg`.
  ['postgres://h/db?ssl=true', 'postgres://h/db?sslmode=verify-full'],
  ['postgres://h/db?ssl=0', 'postgres://h/db?sslmode=disable'],
  ['postgres://h/db?uselibpqcompat=true&sslmode=require', 'postgres://h/db?sslmode=require'],
  [
    'postgres://h/db?sslnegotiation=direct',
    'postgres://h/db?sslmode=require&sslnegotiation=direct',
  ],
  [
    'postgres://h/db?statement_timeout=1&lock_timeout=2&replication=database&client_encoding=x',
    'postgres://h/db',
    ['statement_timeout', 'lock_timeout', 'replication', 'client_encoding'],
  ],
  // Prisma.
  [
    'postgresql://u:pw@h:5432/mydb?schema=public&connection_limit=5&socket_timeout=3&pool_timeout=2',
    'postgresql://u:pw@h:5432/mydb',
    ['schema', 'connection_limit', 'socket_timeout', 'pool_timeout'],
  ],
  [
    'postgresql://u:pw@localhost/database?host=/var/run/postgresql/',
    'postgresql://u:pw@localhost/database?host=%2Fvar%2Frun%2Fpostgresql%2F',
  ],
  [
    'postgresql://u:pw@h/db?sslmode=require&sslcert=/ca.pem&sslaccept=strict&sslidentity=/c.p12&sslpassword=pw',
    'postgresql://u:pw@h/db?sslidentity=%2Fc.p12&sslmode=verify-full&sslpassword=pw&sslrootcert=%2Fca.pem',
  ],
  [
    'postgresql://u:pw@h/db?sslmode=require&sslaccept=accept_invalid_certs',
    'postgresql://u:pw@h/db?sslmode=no-verify',
  ],
  ['postgresql://u:pw@h/db?sslaccept=strict', 'postgresql://u:pw@h/db?sslaccept=strict'],
  ['postgresql://u:pw@h/db?pgbouncer=true', 'postgresql://u:pw@h/db', ['pgbouncer']],
  // Neon.
  [
    'postgresql://alex:pw@ep-a-1-pooler.us-east-2.aws.neon.tech/db?sslmode=require&channel_binding=require',
    'postgresql://alex:pw@ep-a-1-pooler.us-east-2.aws.neon.tech/db?channel_binding=require&sslmode=require',
  ],
  [
    'postgresql://alex:pw@ep-a-1.neon.tech/db?options=endpoint%3Dep-a-1',
    'postgresql://alex:pw@ep-a-1.neon.tech/db?options=endpoint%3Dep-a-1',
  ],
  [
    'postgresql://alex:endpoint=ep-a-1;pw@ep-a-1.neon.tech/db',
    'postgresql://alex:endpoint%3Dep-a-1%3Bpw@ep-a-1.neon.tech/db',
  ],
  // Supabase.
  [
    'postgres://postgres.ref:pw@aws-0-x.pooler.supabase.com:6543/postgres?pgbouncer=true&connection_limit=1&supa=base-pooler.x',
    'postgres://postgres.ref:pw@aws-0-x.pooler.supabase.com:6543/postgres',
    ['pgbouncer', 'connection_limit', 'supa'],
  ],
  [
    'postgres://postgres:pw@h:6543/postgres?options=reference%3Dref',
    'postgres://postgres:pw@h:6543/postgres?options=reference%3Dref',
  ],
  // Heroku.
  ['postgres://u:pw@ec2-1.amazonaws.com:5432/d', 'postgres://u:pw@ec2-1.amazonaws.com:5432/d'],
  ['postgres://u:pw@h:5432/d?sslmode=no-verify', 'postgres://u:pw@h:5432/d?sslmode=no-verify'],
  // Amazon RDS.
  [
    'postgres://u:pw@x.rds.amazonaws.com:5432/db?sslmode=verify-full&sslrootcert=/certs/global-bundle.pem',
    'postgres://u:pw@x.rds.amazonaws.com:5432/db?sslmode=verify-full&sslrootcert=%2Fcerts%2Fglobal-bundle.pem',
  ],
  // Cloud SQL: the socket of its proxy, in all its forms.
  [
    'postgresql://u:pw@localhost/db?host=/cloudsql/project:region:instance',
    'postgresql://u:pw@localhost/db?host=%2Fcloudsql%2Fproject%3Aregion%3Ainstance',
  ],
  [
    'postgresql://u:pw@/db?host=/cloudsql/project:region:instance',
    'postgresql:///db?host=%2Fcloudsql%2Fproject%3Aregion%3Ainstance&password=pw&user=u',
  ],
  [
    'postgresql://u:pw@%2Fcloudsql%2Fproject%3Aregion%3Ainstance/db',
    'postgresql://u:pw@%2Fcloudsql%2Fproject%3Aregion%3Ainstance/db',
  ],
  [
    'postgresql://u:pw@/db?host=/cloudsql/project:region:instance/.s.PGSQL.5432',
    'postgresql:///db?host=%2Fcloudsql%2Fproject%3Aregion%3Ainstance&password=pw&port=5432&user=u',
  ],
  // Azure: the name of the server is part of that of the user.
  [
    'postgres://me%40server:pw@server.postgres.database.azure.com:5432/postgres?sslmode=require',
    'postgres://me%40server:pw@server.postgres.database.azure.com:5432/postgres?sslmode=require',
  ],
  [
    'postgres://me@server:pw@server.postgres.database.azure.com/postgres?ssl=true',
    'postgres://me%40server:pw@server.postgres.database.azure.com/postgres?sslmode=verify-full',
  ],
  // JDBC, SQLAlchemy and others.
  [
    'postgresql://h/db?currentSchema=x&search_path=y&ApplicationName=z&prepareThreshold=0&statement_cache_size=0',
    'postgresql://h/db',
    ['currentSchema', 'search_path', 'ApplicationName', 'prepareThreshold', 'statement_cache_size'],
  ],
  // Tenure's own.
  [
    'postgres://h/db?tenure_schema=a%20b&schema=public&sslmode=no-verify',
    'postgres://h/db?sslmode=no-verify',
    ['schema'],
    'a b',
  ],
]

describe('a store URL', () => {
  test('names a file, relative to the working directory or absolute', () => {
    const files: Record<string, string> = {
      'sqlite:./tenure.db': resolve('tenure.db'),
      'sqlite:tenure.db': resolve('tenure.db'),
      'sqlite:/var/lib/tenure.db': '/var/lib/tenure.db',
      'sqlite:///var/lib/tenure.db': '/var/lib/tenure.db',
      'sqlite:///var/lib/my%20leases%3F.db': '/var/lib/my leases?.db',
      'SQLite:./x.db': resolve('x.db'),
    }
    for (const [url, path] of Object.entries(files)) {
      assert.deepEqual(parseStoreUrl(url), { scheme: 'sqlite', path })
    }
    assert.deepEqual(parseStoreUrl('memory:'), { scheme: 'memory', name: '' })
    assert.deepEqual(parseStoreUrl('memory:a%20b'), { scheme: 'memory', name: 'a b' })
  })

  test('that is not understood is refused, with the schemes that are', () => {
    const bad = [
      '',
      'tenure.db',
      './tenure.db',
      'http://example.org',
      'sqlite',
      'sqlite:',
      'sqlite::memory:',
      'sqlite:folder/',
      'sqlite://host/tenure.db',
      'sqlite:%zz',
      'sqlite:a%00b',
      // Stores that are not built yet do not exist.
      'redis://localhost',
      'postgres:localhost/x',
      'postgres://one,two/x',
      'postgres://localhost:port/x',
      'postgres://user:sec/ret@localhost/x',
      'postgres://user:sec?ret@localhost/x',
      'postgres://user:sec#ret@localhost/x',
      'postgres://localhost/x?tenure_schema=',
      'postgres://localhost/%zz',
      'postgres://localhost%',
      'postgres://user:100%@localhost',
      'postgres://localhost:0/x',
      'postgres://localhost/x?port=five',
      'postgres://localhost/x?port=65536',
      `postgres://localhost/x?tenure_schema=${'x'.repeat(64)}`,
      'postgres://localhost/x?host=one,two',
      'postgres://user:secret@/db#x',
      'postgres://localhost/x?sslmode=on',
      'postgres://localhost/x?ssl=perhaps',
      'postgres://localhost/x?sslaccept=all',
      'postgres://localhost/x?channel_binding=yes',
      'postgres://localhost/x?connect_timeout=soon',
      'postgres://localhost/x?sslnegotiation=direct&sslmode=prefer',
      'postgres://localhost/x?ssl_min_protocol_version=SSLv3',
    ]
    for (const url of bad) {
      assert.throws(() => createTenure({ store: url }), { code: 'TENURE_ERR_STORE_URL' }, url)
    }
    assert.throws(() => parseStoreUrl('sqlite:./x.db?mode=ro'), {
      code: 'TENURE_ERR_OPTION_UNKNOWN',
      message: /got \[mode\]/,
    })
    for (const misspelt of ['tenure_shema', 'tenureSchema', 'Tenure_schema']) {
      assert.throws(() => parseStoreUrl(`postgres://localhost/x?${misspelt}=a&sslmode=disable`), {
        code: 'TENURE_ERR_OPTION_UNKNOWN',
        message: new RegExp(`\\[tenure_schema\\] among .*; got \\[${misspelt}\\]`),
      })
    }
  })

  test('of a PostgreSQL server is understood as others write it', () => {
    for (const [url, understood, passedOver = [], schema] of documented) {
      const read = parseStoreUrl(url)
      assert.deepEqual(read, { scheme: 'postgres', url: understood, passedOver, schema }, url)
      // It is read again where a store is opened.
      assert.deepEqual(parseStoreUrl(understood), { ...read, passedOver: [], schema: undefined })
      assert.ok(!redactStoreUrl(url).includes('pw'), redactStoreUrl(url))
    }
  })

  test('finds the files that it names, whatever the working directory is later', () => {
    const shown = 'postgres://host/db?sslrootcert'
    const of = (query: string, environment = {}): URLSearchParams =>
      new URL(parsePostgresUrl(`postgres://host/db?${query}`, shown, environment).url).searchParams
    const names = ['passfile', 'sslcert', 'sslcrl', 'sslidentity', 'sslkey', 'sslrootcert']
    const given = of(names.map((name) => `${name}=./${name}.x`).join('&'))
    for (const name of names) assert.equal(given.get(name), resolve(`${name}.x`))
    assert.equal(of('sslrootcert=system').get('sslrootcert'), 'system')
    const environment = { PGPASSFILE: 'pass', PGSSLROOTCERT: 'ca.pem', PGSSLMODE: 'verify-ca' }
    assert.deepEqual(Object.fromEntries(of('', environment)), {
      passfile: resolve('pass'),
      sslmode: 'verify-ca',
      sslrootcert: resolve('ca.pem'),
    })
    const said = of('sslmode=require&sslrootcert=/other.pem', environment)
    assert.deepEqual([said.get('sslmode'), said.get('sslrootcert')], ['require', '/other.pem'])
  })

  test('is shown without its password and without the values of its parameters', () => {
    const shown: Record<string, string> = {
      'postgres://user:secret@host:5432/db?sslkey=secret':
        'postgres://user:***@host:5432/db?sslkey',
      'redis://:secret@host': 'redis://:***@host',
      'postgres://host/db': 'postgres://host/db',
      'sqlite:/home/me@work/x.db': 'sqlite:/home/me@work/x.db',
      // Passwords that somebody forgot to encode.
      'postgres://user:sec@ret@host/db': 'postgres:***',
      'postgres://user:sec/secret@host/db': 'postgres:***',
      'user:secret@host': 'user:***',
      // Hosts that somebody forgot, or that do not belong there.
      'postgres://user:secret/db': 'postgres:***',
      'redis://user:secret:6379': 'redis:***',
      'postgres://[user:secret]/db': 'postgres:***',
      // A name with an @, as Azure's have; and a password with one, which is taken for nothing else.
      'postgres://me@server:secret@host/db': 'postgres://me@server:***@host/db',
      'postgres://me@server:sec@ret@host/db': 'postgres:***',
      'postgres://user:secret@/db?host=/cloudsql/a:b:c': 'postgres://user:***@/db?host',
      'sqlite://user:secret@host/x.db': 'sqlite://user:***@host/x.db',
      'postgres://[::1]:5432,two/db': 'postgres://[::1]:5432,two/db',
      secret: '***',
    }
    for (const [url, expected] of Object.entries(shown)) assert.equal(redactStoreUrl(url), expected)
  })
})
