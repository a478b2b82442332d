import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { createTenure, TenureError } from '../../src/index.ts'
import { parseStoreUrl, redactStoreUrl } from '../../src/store-url.ts'

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
      'postgres://localhost/x?schema=',
      `postgres://localhost/x?schema=${'x'.repeat(64)}`,
    ]
    for (const url of bad) {
      assert.throws(() => createTenure({ store: url }), { code: 'TENURE_ERR_STORE_URL' }, url)
    }
    assert.throws(() => parseStoreUrl('sqlite:./x.db?mode=ro'), {
      code: 'TENURE_ERR_OPTION_UNKNOWN',
      message: /got \[mode\]/,
    })
    assert.throws(() => parseStoreUrl('postgres://localhost/x?pgbouncer=true&sslmode=disable'), {
      code: 'TENURE_ERR_OPTION_UNKNOWN',
      message: /\[schema, .*\] in a postgres: URL; got \[pgbouncer\]/,
    })
  })

  test('of a PostgreSQL server is handed on to its client, without the schema', () => {
    const location = { scheme: 'postgres', schema: undefined }
    const urls = {
      // All of it in the environment: PGHOST and the like.
      'postgres://': 'postgres://',
      'postgres://localhost': 'postgres://localhost',
      'postgresql://u:p%40@[::1]:6432/db': 'postgresql://u:p%40@[::1]:6432/db',
      'postgres:///db?host=/run/postgresql': 'postgres:///db?host=/run/postgresql',
    }
    for (const [url, handedOn] of Object.entries(urls)) {
      assert.deepEqual(parseStoreUrl(url), { ...location, url: handedOn })
    }
    assert.deepEqual(parseStoreUrl('postgres://h/db?schema=a%20b&sslmode=no-verify'), {
      scheme: 'postgres',
      schema: 'a b',
      url: 'postgres://h/db?sslmode=no-verify',
    })
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
      secret: '***',
    }
    for (const [url, expected] of Object.entries(shown)) assert.equal(redactStoreUrl(url), expected)
  })

  test('never puts its secret into an error', () => {
    const password = fc.string({ minLength: 6, unit: 'grapheme-ascii' }).map((text) => `S3${text}`)
    fc.assert(
      fc.property(password, fc.boolean(), (secret, encoded) => {
        const url = `postgres://user:${encoded ? encodeURIComponent(secret) : secret}@host/db`
        const shown = [redactStoreUrl(url)]
        try {
          shown.push(createTenure({ store: url }).settings.store)
        } catch (error) {
          assert.ok(error instanceof TenureError)
          shown.push(error.message, String(error.stack))
        }
        const said = shown.join('\n')
        assert.ok(!said.includes(secret) && !said.includes(encodeURIComponent(secret)), said)
      }),
      { numRuns: 1_000 },
    )
  })
})
