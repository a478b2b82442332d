// Store URLs at random, right and wrong: whatever is said of one holds no secret, and one that is
// accepted is one that its client understands.
import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'

import fc from 'fast-check'
import pg from 'pg'

import { createTenure, TenureError } from '../../src/index.ts'
import { parseStoreUrl, redactStoreUrl } from '../../src/store/store-url.ts'

/** Two halves of every secret, to be found also where only one of them is shown. */
const halves = ['Zq7xAm', 'wV9kBn'] as const

const between = fc.string({
  unit: fc.constantFrom(
    '@',
    ':',
    '/',
    '?',
    '#',
    '%',
    '=',
    '[',
    ' ',
    '\\',
    '"',
    '+',
    ',',
    'ä',
    '%40',
  ),
  maxLength: 4,
})
const secret = between.map((text) => halves.join(text))
const scheme = fc.constantFrom(
  'postgres',
  'postgresql',
  'POSTGRES',
  'redis',
  'mysql',
  'sqlite',
  'etcd',
)
const user = fc.constantFrom('', 'user', 'first.last', 'u%20v')
const host = fc.constantFrom('host', 'host:5432', '[::1]:5432', 'one,two', '10.0.0.1')
const path = fc.constantFrom(
  '',
  '/',
  '/db',
  '/db?sslmode=disable',
  '/db?schema=x&ssl=true',
  '/db?tenure_schema=x&options=-c%20a%3Db',
  '/db#x',
)

/** What everything about a URL says, whether it is accepted or not. */
function allThatIsSaid(url: string): string {
  const said = [redactStoreUrl(url)]
  try {
    const tenure = createTenure({ store: url })
    said.push(tenure.settings.store, inspect(tenure, { depth: 9 }))
  } catch (error) {
    assert.ok(error instanceof TenureError, String(error))
    said.push(error.message, String(error.stack), inspect(error))
  }
  return said.join('\n').toLowerCase()
}

function assertHidden(url: string): void {
  const said = allThatIsSaid(url)
  for (const half of halves) assert.ok(!said.includes(half.toLowerCase()), `${url}\n${said}`)
}

describe('a store URL', () => {
  test('with a password in it never shows a part of it, wherever it stands and however wrong it is', () => {
    const parts = fc.record({ scheme, user, host, path, secret, encoded: fc.boolean() })
    const shape = fc.nat(9)
    const property = fc.property(parts, shape, (parts, shape) => {
      const { scheme, user, host, path } = parts
      const secret = parts.encoded ? encodeURIComponent(parts.secret) : parts.secret
      const parameter = encodeURIComponent(parts.secret)
      const shapes = [
        `${scheme}://${user}:${secret}@${host}${path}`,
        // The host is forgotten, or its port is the password.
        `${scheme}://user:${secret}${path}`,
        `${scheme}://${user}:x@h:${secret}${path}`,
        // A slash, a colon or the scheme is forgotten, or there is one too many.
        `${scheme}:/${user}:${secret}@${host}${path}`,
        `${scheme}:${user}:${secret}@${host}${path}`,
        `${scheme}//${user}:${secret}@${host}${path}`,
        `${user}:${secret}@${host}${path}`,
        ` ${scheme}:///${user}:${secret}@${host}${path}`,
        `jdbc:${scheme}://${user}:${secret}@${host}${path}`,
        `${scheme}://${user}@${host}/db?password=${parameter}&sslkey=${parameter}`,
      ]
      // What reads as a path or a parameter of SQLite, which has no passwords; or, after an @, as a host.
      const isPath = scheme === 'sqlite' && shape >= 1 && shape <= 4
      if (isPath || (shape === 1 && secret.includes('@'))) return
      assertHidden(shapes[shape] ?? '')
    })
    fc.assert(property, { numRuns: 5_000 })
  })

  test('of PostgreSQL that is accepted is understood by its client, with the password as it is', () => {
    const parts = fc.record({ user, host, path: fc.oneof(path, fc.string()), secret })
    const property = fc.property(parts, ({ user, host, path, secret }) => {
      const url = `postgres://${user}:${encodeURIComponent(secret)}@${host}${path}`
      let location
      try {
        location = parseStoreUrl(url)
      } catch (error) {
        assert.ok(error instanceof TenureError, String(error))
        return
      }
      assert.ok(location.scheme === 'postgres')
      const client = new pg.Client(location.url)
      assert.equal(client.password, secret)
      assert.ok(client.port > 0 && client.port < 65_536, url)
      assert.equal(new URL(location.url).searchParams.has('tenure_schema'), false)
    })
    fc.assert(property, { numRuns: 3_000 })
  })

  test('of SQLite names the file whose name was percent-encoded', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1 })
    const property = fc.property(name, (name) => {
      const url = `sqlite:./${encodeURIComponent(name)}`
      const isFile = !name.endsWith('/') && !name.includes('\0') && name.isWellFormed()
      if (!isFile) assert.throws(() => parseStoreUrl(url), TenureError)
      else assert.deepEqual(parseStoreUrl(url), { scheme: 'sqlite', path: resolve(`./${name}`) })
    })
    fc.assert(property, { numRuns: 1_000 })
  })

  test('of any text is accepted or refused with a TenureError', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.tuple(scheme, fc.constantFrom(':', '://', ':///'), fc.string()).map((all) => all.join('')),
    )
    const property = fc.property(text, (url) => {
      redactStoreUrl(url)
      try {
        parseStoreUrl(url)
      } catch (error) {
        assert.ok(error instanceof TenureError, `${url}: ${String(error)}`)
      }
    })
    fc.assert(property, { numRuns: 5_000 })
  })
})
