// Requests to the routes of the Fastify plugin at random: whatever a stranger asks, he gets an answer that
// is none of an error of ours, with an id in it that is a good one, and changes nothing.
import assert from 'node:assert/strict'
import { request, validateHeaderValue, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'

import fc from 'fast-check'
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'

import { correlationHeader, tenurePlugin, tenureRoutes } from '../../src/fastify/tenure-plugin.ts'
import { correlationId } from '../../src/index.ts'
import { atEnd, ownFolder, ownModule, silentLogger, untilLeader } from '../support/fastify-app.ts'

const secret = 'hunter2'

const word = fc.oneof(
  fc.constantFrom('tenure', 'TENURE', 'status', 'health', 'leader', 'data.json', 'view.js', 'echo'),
  fc.constantFrom(
    '',
    '.',
    '..',
    '%2e%2e',
    '%2F',
    '%00',
    '%zz',
    '%',
    '*',
    ':id',
    '@',
    'http:',
    '\\',
  ),
  fc.string({ maxLength: 6 }),
  fc.string({ unit: 'grapheme', maxLength: 3 }).map(encodeURIComponent),
)
const path = fc.array(word, { maxLength: 5 }).map((words) => `/${words.join('/')}`)
const query = fc.oneof(
  fc.constant(''),
  fc.string({ maxLength: 8 }).map((text) => `?${text}`),
  fc.webQueryParameters().map((text) => `?${text}`),
)
const url = fc
  .oneof(
    fc.tuple(
      fc.constantFrom(
        '/tenure',
        '/tenure/',
        '/tenure/status',
        '/tenure/health',
        '/tenure/health/leader',
        '/tenure/data.json',
        '//tenure',
        '//',
        '/',
        '/echo',
      ),
      query,
    ),
    fc.tuple(path, query),
  )
  .map((parts) => parts.join(''))
  // What a client can send in the first line of a request.
  .filter((url) => /^[\x21-\x7e]+$/.test(url))
const method = fc.oneof(
  { weight: 5, arbitrary: fc.constant('GET') },
  { weight: 3, arbitrary: fc.constantFrom('HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS') },
)
const id = fc.oneof(
  fc.uuid(),
  fc.string({ maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    '',
    'a'.repeat(128),
    'a'.repeat(129),
    'a b',
    'a\r\nset-cookie: x=y',
    '../x',
    'a,b',
  ),
)
const headers = fc.dictionary(
  fc.constantFrom(
    'accept',
    'host',
    'range',
    'if-none-match',
    'content-type',
    'x-forwarded-host',
    'x-forwarded-proto',
    'cookie',
  ),
  fc.oneof(
    fc.string(),
    fc.constantFrom('application/json', 'text/html', '*/*', '-1', 'bytes=0-', 'evil.example'),
  ),
  { maxKeys: 3 },
)

/** A request of a stranger. */
interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly id: string | readonly string[] | null
  readonly payload: string | null
}

const asked: fc.Arbitrary<Asked> = fc.record({
  method,
  url,
  headers,
  id: fc.option(fc.oneof(id, fc.array(id, { maxLength: 2 }))),
  payload: fc.option(fc.string()),
})

/** Whether a client can send this at all. */
function isSendable(name: string, value: string | readonly string[]): boolean {
  try {
    for (const one of [value].flat()) validateHeaderValue(name, one)
    return true
  } catch {
    return false
  }
}

/** The answer of a server that listens, over a connection as strangers have it. */
async function ask(
  port: number,
  { method, url, headers, id, payload }: Asked,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: string }> {
  const all = {
    ...headers,
    ...(id !== null && { [correlationHeader]: id }),
    ...(payload !== null && { 'content-length': String(Buffer.byteLength(payload)) }),
  }
  const sent = Object.fromEntries(
    Object.entries(all).filter(([name, value]) => isSendable(name, value)),
  ) as Record<string, string | string[]>
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: url, method, headers: sent, agent: false }
    const message = request(options, (response) => {
      const { statusCode = 0, headers } = response
      text(response).then((body) => resolve({ status: statusCode, headers, body }), reject)
    })
    message.on('error', reject)
    message.end(payload ?? undefined)
  })
}

/** What a correlation id may be, by docs/fastify.md. */
function isGoodId(id: unknown): boolean {
  return typeof id === 'string' && /^[A-Za-z0-9_.:/+=@-]{1,128}$/.test(id)
}

/** An application that leads, with all routes and one of its own. */
async function lead(
  t: TestContext,
  prefix: string,
  options: FastifyServerOptions,
): Promise<{ app: FastifyInstance; port: number }> {
  const store = ownModule(ownFolder(t), { password: secret })
  const app = fastify(options)
  atEnd(t, () => app.close())
  await app.register(tenurePlugin, { store, prefix, routes: tenureRoutes, logger: silentLogger })
  app.all('/echo', async () => ({ id: correlationId() }))
  const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  await untilLeader({ app })
  return { app, port: Number(port) }
}

const lenient = { ignoreDuplicateSlashes: true, ignoreTrailingSlash: true, caseSensitive: false }
const applications = [
  { what: 'below a prefix', prefix: '/tenure', options: {} },
  { what: 'of a lenient router', prefix: '/tenure', options: { routerOptions: lenient } },
  { what: 'of a lenient router at the root', prefix: '', options: { routerOptions: lenient } },
]

describe('any request to the routes', () => {
  for (const { what, prefix, options } of applications) {
    test(`${what} is answered, without an error of ours, and changes nothing`, async (t) => {
      const { app, port } = await lead(t, prefix, options)
      const { term } = app.tenure
      assert.ok(term)
      const statuses = new Set<number>()
      const property = fc.asyncProperty(asked, async (asked) => {
        const { method, url, id } = asked
        const { status, headers, body } = await ask(port, asked)
        statuses.add(status)
        const shown = `${method} ${url}: ${status} ${body.slice(0, 300)}`
        assert.ok(status < 500, shown)
        assert.ok(!body.includes(secret), shown)
        const { location, [correlationHeader]: answered } = headers
        // A path that cannot be decoded is refused by the router itself.
        if (status !== 400) assert.ok(isGoodId(answered), `${shown} ${String(answered)}`)
        if (status !== 400 && isGoodId(id)) assert.equal(answered, id)
        if (status === 200 && url.startsWith('/echo') && method === 'GET') {
          assert.deepEqual(JSON.parse(body), { id: answered })
        }
        if (location !== undefined) assert.match(location, /^[\w.~-]*\/$/, shown)
      })
      await fc.assert(property, { numRuns: 400 })
      assert.ok(statuses.has(200) && statuses.has(404), 'nothing was shown')
      assert.equal(app.tenure.term, term)
      assert.equal(app.tenure.isLeader, true)
      assert.equal((await app.inject(`${prefix}/status`)).statusCode, 200)
    })
  }
})
