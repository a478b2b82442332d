import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { correlationId } from '../../src/index.ts'
import { until } from '../support/until.ts'
import { jsonOf, ownMemory, serve, untilLeader } from '../support/fastify-app.ts'

const uuid = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/
const header = 'x-correlation-id'

describe('the correlation id of a request', { concurrency: true }, () => {
  test('a valid one of the header is in force in the handler, also after its body was read', async (t) => {
    const { url, lines } = await serve(t, { store: ownMemory() }, (app) => {
      app.get('/', async () => ({ id: correlationId() }))
      app.post('/', async ({ log }) => {
        await new Promise((resolve) => setImmediate(resolve))
        log.info('handled')
        return { id: correlationId() }
      })
    })
    for (const method of ['GET', 'POST']) {
      const response = await fetch(url, {
        method,
        headers: { [header]: `${method}:a/b+c=d@e-f_1.2`, 'content-type': 'application/json' },
        ...(method === 'POST' ? { body: JSON.stringify({ some: 'thing'.repeat(50_000) }) } : {}),
      })
      assert.equal(response.headers.get(header), `${method}:a/b+c=d@e-f_1.2`)
      assert.deepEqual(await response.json(), { id: `${method}:a/b+c=d@e-f_1.2` })
    }
    const handled = lines.find(({ msg }) => msg === 'handled')
    assert.equal(handled?.['correlationId'], 'POST:a/b+c=d@e-f_1.2')
    const completed = await until('the line of the reply', () =>
      lines.findLast(({ msg }) => msg === 'request completed'),
    )
    assert.equal(completed['correlationId'], 'POST:a/b+c=d@e-f_1.2')
  })

  test('where there is none, or none that is valid, a fresh UUID is made for each request', async (t) => {
    const { url } = await serve(t, { store: ownMemory() }, (app) => {
      app.get('/', async () => ({ id: correlationId() }))
    })
    const given = [undefined, '', 'has a space', 'semi;colon', '{"json":1}', 'x'.repeat(129), 'ü']
    const seen = new Set<string>()
    for (const value of given) {
      const headers = value === undefined ? {} : { [header]: value }
      const response = await fetch(url, { headers })
      const id = response.headers.get(header) ?? ''
      assert.match(id, uuid, `for ${String(value)}`)
      assert.deepEqual(await response.json(), { id })
      seen.add(id)
    }
    assert.equal(seen.size, given.length)
  })

  test('128 characters are taken, and two headers are joined into one that is not valid', async (t) => {
    const { app } = await serve(t, { store: ownMemory() })
    const long = 'x'.repeat(128)
    const taken = await app.inject({ url: '/', headers: { [header]: long } })
    assert.equal(taken.headers[header], long)
    const twice = await app.inject({ url: '/', headers: { [header]: ['one', 'two'] } })
    assert.match(String(twice.headers[header]), uuid)
  })

  test('errors and pages that do not exist are answered with the id as well', async (t) => {
    const { url } = await serve(t, { store: ownMemory() }, (app) => {
      app.get('/fails', async () => {
        throw new Error('as it should')
      })
    })
    for (const path of ['/fails', '/no/such/page']) {
      const response = await fetch(`${url}${path}`, { headers: { [header]: 'kept' } })
      assert.equal(response.headers.get(header), 'kept')
    }
  })

  test('requests at the same time do not see each other', async (t) => {
    const { url } = await serve(t, { store: ownMemory() }, (app) => {
      app.post('/', async () => {
        await new Promise((resolve) => setTimeout(resolve, 20))
        return { id: correlationId() }
      })
    })
    const ids = Array.from({ length: 20 }, (_, index) => `request-${index}`)
    const seen = await Promise.all(
      ids.map(async (id) => {
        const headers = { [header]: id, 'content-type': 'application/json' }
        const response = await fetch(url, { method: 'POST', headers, body: '{}' })
        return (await jsonOf(response))['id']
      }),
    )
    assert.deepEqual(seen, ids)
  })

  test("a run and a heartbeat that a request starts carry the request's", async (t) => {
    let inHandler: string | undefined
    const served = await serve(t, { store: ownMemory() }, async (app) => {
      await app.tenure.schedule('job', { every: '1h' }, (run) => {
        inHandler = correlationId()
        run.log.info({}, 'in the job')
      })
      app.post<{ Params: { id: string } }>('/run/:id', async ({ params }) =>
        app.tenure.runNow(params.id),
      )
    })
    await untilLeader(served)
    for (const [job, id] of [
      ['job', 'from-a-request'],
      ['scheduler_lock_heartbeat', 'from-another'],
    ] as const) {
      const headers = { [header]: id, 'content-type': 'application/json' }
      const response = await fetch(`${served.url}/run/${job}`, {
        method: 'POST',
        headers,
        body: '{}',
      })
      assert.equal((await jsonOf(response))['correlationId'], id)
    }
    assert.equal(inHandler, 'from-a-request')
    const line = (msg: string) => served.lines.find((candidate) => candidate.msg === msg)
    assert.equal(line('in the job')?.['correlationId'], 'from-a-request')
    assert.equal(line('run_finished')?.['correlationId'], 'from-a-request')
    const heartbeat = served.lines.find((candidate) => {
      return candidate['correlationId'] === 'from-another' && 'marginMs' in candidate
    })
    assert.equal(heartbeat?.msg, 'scheduler_lock_heartbeat_updated')
  })
})
