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
      'postgres://localhost/x',
      'redis://localhost',
    ]
    for (const url of bad) {
      assert.throws(() => createTenure({ store: url }), { code: 'TENURE_ERR_STORE_URL' }, url)
    }
    assert.throws(() => parseStoreUrl('sqlite:./x.db?mode=ro'), {
      code: 'TENURE_ERR_OPTION_UNKNOWN',
      message: /got \[mode\]/,
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
        const shown = redactStoreUrl(url)
        assert.ok(!shown.includes(secret) && !shown.includes(encodeURIComponent(secret)), shown)
        try {
          createTenure({ store: url })
          assert.fail('it should have been refused')
        } catch (error) {
          assert.ok(error instanceof TenureError)
          assert.ok(!`${error.message}${error.stack}`.includes(secret), error.message)
        }
      }),
      { numRuns: 1_000 },
    )
  })
})
