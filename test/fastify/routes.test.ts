import assert from 'node:assert/strict'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'

import fastify, { type FastifyInstance } from 'fastify'

import { pageDataOf, pageFiles, type PageData } from '../../src/dashboard/page.ts'
import { tenurePlugin, tenureRoutes } from '../../src/fastify/tenure-plugin.ts'
import { createTenure } from '../../src/index.ts'
import { until } from '../support/until.ts'
import {
  atEnd,
  createLoggedApp,
  jsonOf,
  ownFolder,
  ownMemory,
  ownModule,
  serve,
  silentLogger,
  untilLeader,
} from '../support/fastify-app.ts'

const paths = ['/tenure', '/tenure/', '/tenure/status', '/tenure/health', '/tenure/health/leader']

/** Two applications on one lease: the first leads. */
async function serveTwo(t: Parameters<typeof serve>[0]) {
  const store = ownMemory()
  const leader = await serve(t, { store, label: 'first', routes: tenureRoutes })
  await untilLeader(leader)
  const candidate = await serve(t, { store, label: 'second', routes: tenureRoutes })
  return { leader, candidate }
}

describe('routes', { concurrency: true }, () => {
  test('none is served unless it is asked for', async (t) => {
    const { url } = await serve(t, { store: ownMemory() })
    for (const path of [...paths, '/tenure/data.json', '/tenure/view.js']) {
      assert.equal((await fetch(`${url}${path}`)).status, 404, path)
    }
  })

  test('each one is served alone', async (t) => {
    for (const route of tenureRoutes) {
      const { url } = await serve(t, { store: ownMemory(), routes: [route] })
      const served: string[] = []
      for (const path of paths) {
        const { status } = await fetch(`${url}${path}`, { redirect: 'manual' })
        if (status !== 404) served.push(path)
      }
      const expected = route === 'page' ? ['/tenure', '/tenure/'] : [`/tenure/${route}`]
      assert.deepEqual(served, expected)
    }
  })

  test('they stand below the prefix, which may be the root, and below that of a scope', async (t) => {
    const root = await serve(t, { store: ownMemory(), prefix: '', routes: tenureRoutes })
    assert.equal((await fetch(`${root.url}/status`)).status, 200)
    assert.match(await (await fetch(root.url)).text(), /<title>Tenure<\/title>/)

    const { app } = createLoggedApp(t)
    const scoped = async (scope: FastifyInstance): Promise<void> => {
      const options = { store: ownMemory(), prefix: '/in/ner', routes: tenureRoutes }
      await scope.register(tenurePlugin, options)
    }
    app.register(scoped, { prefix: '/outer' })
    await app.ready()
    const page = await app.inject('/outer/in/ner')
    assert.equal(page.statusCode, 302)
    assert.equal(page.headers.location, 'ner/')
    assert.equal((await app.inject('/outer/in/ner/')).statusCode, 200)
    assert.equal((await app.inject('/outer/in/ner/health')).statusCode, 200)
  })

  test('status and page are not served under a stranger’s name, as after DNS rebinding', async (t) => {
    const { app } = createLoggedApp(t)
    const hosts = ['Status.example.com']
    await app.register(tenurePlugin, { store: ownMemory(), routes: tenureRoutes, hosts })
    const statusOf = async (path: string, host: string): Promise<number> =>
      (await app.inject({ url: path, headers: { host } })).statusCode
    const guarded = [
      '/tenure',
      '/tenure/',
      '/tenure/status',
      '/tenure/data.json',
      '/tenure/view.js',
    ]
    const own = ['localhost', 'localhost:3000', 'a.localhost:1', '127.0.0.1:80', '[::1]:3000']
    for (const host of [...own, '10.1.2.3', 'status.example.com', 'STATUS.example.com.:443']) {
      for (const path of guarded) assert.ok((await statusOf(path, host)) < 400, `${path} ${host}`)
    }
    const strange = [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.nip.io',
      'xstatus.example.com',
    ]
    for (const host of [...strange, 'a@localhost', 'localhost/x', '[::1', 'evil:localhost']) {
      for (const path of guarded) assert.equal(await statusOf(path, host), 403, `${path} ${host}`)
      // A probe comes under whatever name.
      for (const path of ['/tenure/health', '/tenure/health/leader']) {
        assert.notEqual(await statusOf(path, host), 403, `${path} ${host}`)
      }
    }
    const { body } = await app.inject({ url: '/tenure/status', headers: { host: 'evil.example' } })
    assert.match(body, /option `hosts`/)
  })

  test('with `hosts: any` they are; and names that are none are refused', async (t) => {
    const { app } = createLoggedApp(t)
    await app.register(tenurePlugin, { store: ownMemory(), routes: tenureRoutes, hosts: 'any' })
    const reply = await app.inject({ url: '/tenure/status', headers: { host: 'any.example' } })
    assert.equal(reply.statusCode, 200)
    for (const hosts of [
      'some',
      true,
      [7],
      ['https://a.example'],
      ['a.example:80'],
      ['*.a.example'],
    ]) {
      const { app: refused } = createLoggedApp(t)
      refused.register(tenurePlugin, { store: ownMemory(), hosts: hosts as never })
      await assert.rejects(async () => refused.ready(), {
        code: 'TENURE_ERR_OPTION_TYPE',
        message: /`hosts`/,
      })
    }
  })

  test('paths with doubled slashes are no error to a router that allows them', async (t) => {
    const app = fastify({ routerOptions: { ignoreDuplicateSlashes: true } })
    atEnd(t, () => app.close())
    const options = { store: ownMemory(), prefix: '', routes: tenureRoutes, logger: silentLogger }
    await app.register(tenurePlugin, options)
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    assert.equal((await fetch(`${url}//`)).status, 200)
    assert.equal((await fetch(`${url}//status`)).status, 200)
  })

  test('GET status answers with all of tenure.status()', async (t) => {
    const { leader, candidate } = await serveTwo(t)
    await leader.app.tenure.schedule('job', { every: '1h' }, () => {
      throw new Error('as it should')
    })
    await leader.app.tenure.runNow('job')
    for (const { app, url } of [leader, candidate]) {
      const response = await fetch(`${url}/tenure/status`)
      assert.equal(response.headers.get('cache-control'), 'no-store')
      const served = await jsonOf(response)
      const expected = JSON.parse(JSON.stringify(await app.tenure.status())) as typeof served
      assert.deepEqual(Object.keys(served).sort(), Object.keys(expected).sort())
      // What changes from one look to the next is the time alone.
      for (const key of ['instance', 'role', 'terms', 'recentRuns', 'settings']) {
        assert.deepEqual(served[key], expected[key], key)
      }
      const idsOf = (jobs: unknown) => (jobs as { id: string }[]).map(({ id }) => id)
      assert.deepEqual(idsOf(served['jobs']), idsOf(expected['jobs']))
    }
  })

  test('probes and the page write no lines about requests', async (t) => {
    const served = await serve(t, { store: ownMemory(), routes: tenureRoutes })
    for (const path of [...paths, '/tenure/data.json']) {
      await (await fetch(`${served.url}${path}`)).text()
    }
    assert.ok(!served.lines.some(({ msg }) => /request/.test(msg)))
  })

  test('a hook of the application can guard them', async (t) => {
    const { url } = await serve(t, { store: ownMemory(), routes: tenureRoutes }, (app) => {
      app.addHook('onRequest', async (request, reply) => {
        if (request.routeOptions.url?.startsWith('/tenure')) return reply.code(401).send()
      })
    })
    for (const path of paths) assert.equal((await fetch(`${url}${path}`)).status, 401)
  })
})

describe('GET health', { concurrency: true }, () => {
  test('is 200 on the leader and on a candidate; GET health/leader tells them apart', async (t) => {
    const { leader, candidate } = await serveTwo(t)
    const ask = async (url: string, path: string) => {
      const response = await fetch(`${url}/tenure/${path}`)
      return { code: response.status, ...(await jsonOf(response)) }
    }
    assert.deepEqual(await ask(leader.url, 'health'), { code: 200, status: 'ok', role: 'leader' })
    assert.deepEqual(await ask(candidate.url, 'health'), {
      code: 200,
      status: 'ok',
      role: 'candidate',
    })
    const leads = { code: 200, leader: true, fencingToken: 1 }
    assert.deepEqual(await ask(leader.url, 'health/leader'), leads)
    assert.deepEqual(await ask(candidate.url, 'health/leader'), { code: 503, leader: false })

    await leader.app.tenure.resign({ coolDown: '30s' })
    await untilLeader(candidate)
    assert.equal((await ask(candidate.url, 'health/leader')).code, 200)
    assert.equal((await ask(leader.url, 'health/leader')).code, 503)
    // Whoever has resigned works as a candidate does, though it makes no attempt while it cools down.
    assert.equal((await ask(leader.url, 'health')).code, 200)
  })

  test('is 503 before the start and after the stop', async (t) => {
    const tenure = createTenure({ store: ownMemory() })
    const served = await serve(t, { tenure, routes: ['health'] })
    await tenure.stop()
    const response = await fetch(`${served.url}/tenure/health`)
    assert.equal(response.status, 503)
    assert.deepEqual(await response.json(), {
      status: 'failing',
      role: 'stopped',
      reason: 'stopped',
    })
  })

  test('is 503 on a candidate whose store cannot be read, and 200 again once it can', async (t) => {
    const folder = ownFolder(t)
    const path = join(folder, 'tenure.db')
    writeFileSync(path, 'this is no database, as everybody can see who looks at it closely')
    const times = { ttl: '3s', heartbeat: '300ms', attemptTimeout: '500ms' } as const
    const routes = ['health', 'status'] as const
    const served = await serve(t, { store: `sqlite:${path}`, ...times, routes })
    const health = () => fetch(`${served.url}/tenure/health`)
    // Until its first attempt has failed it is given the benefit of the doubt.
    const response = await until('a failing health', async () => {
      const answer = await health()
      return answer.status === 503 && answer
    })
    assert.equal((await jsonOf(response))['reason'], 'TENURE_ERR_STORE_UNUSABLE')
    const status = await jsonOf(await fetch(`${served.url}/tenure/status`))
    assert.match(String(status['storeError']), /not a database/)

    rmSync(path)
    await untilLeader(served)
    assert.equal((await health()).status, 200)
  })

  test('stays 200 while a leader retries in time, is 503 once its term is lost, then 200 again', async (t) => {
    const path = join(ownFolder(t), 'tenure.db')
    const times = { ttl: '3s', heartbeat: '500ms', attemptTimeout: '300ms' } as const
    const served = await serve(t, { store: `sqlite:${path}`, ...times, routes: ['health'] })
    await untilLeader(served)
    const health = async () => {
      const response = await fetch(`${served.url}/tenure/health`)
      return { code: response.status, ...(await jsonOf(response)) } as Record<string, unknown>
    }
    const logged = (msg: string) => () => served.lines.some((line) => line.msg === msg)

    const other = new DatabaseSync(path, { timeout: 1_000 })
    atEnd(t, () => other.close())
    other.exec('BEGIN IMMEDIATE')
    await until('a cancelled heartbeat', logged('scheduler_lock_heartbeat_timeout'))
    assert.equal(served.app.tenure.isLeader, true)
    assert.deepEqual(await health(), { code: 200, status: 'ok', role: 'leader' })

    await until('an attempt to acquire fails', logged('lease_acquire_failed'))
    const failing = await health()
    assert.equal(failing['code'], 503)
    assert.equal(failing['role'], 'candidate')
    assert.equal(failing['reason'], 'TENURE_ERR_ATTEMPT_TIMEOUT')

    other.exec('ROLLBACK')
    await untilLeader(served)
    assert.equal((await health())['code'], 200)
  })
})

describe('the page', { concurrency: true }, () => {
  test('none of its files is called as a compiled module beside it', () => {
    const folder = new URL('../../src/dashboard/', import.meta.url)
    const modules = readdirSync(folder).filter((name) => name.endsWith('.ts'))
    const compiled = new Set(modules.map((name) => name.replace(/ts$/, 'js')))
    assert.ok(compiled.has('page.js'))
    for (const { name } of pageFiles()) assert.ok(!compiled.has(name), name)
  })

  test('all its files are served, with their types, and load nothing from elsewhere', async (t) => {
    const { url } = await serve(t, { store: ownMemory(), routes: ['page'] })
    const html = await (await fetch(`${url}/tenure/`)).text()
    const names = new Set(pageFiles().map(({ name }) => name))
    for (const [, name] of html.matchAll(/(?:src|href)="([^":]+)"/g)) {
      assert.ok(names.has(name ?? ''), `the page asks for ${name}`)
    }
    for (const { name, contentType, body } of pageFiles()) {
      const response = await fetch(`${url}/tenure/${name}`)
      assert.equal(response.status, 200, name)
      assert.equal(response.headers.get('content-type'), contentType)
      assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
      assert.equal(await response.text(), body)
      for (const [, imported] of body.matchAll(/^import .* from '\.\/(.*)'$/gm)) {
        assert.ok(names.has(imported ?? ''), `${name} imports ${imported}`)
      }
    }
  })

  test('its data shows the leader, also where that is another instance', async (t) => {
    const { leader, candidate } = await serveTwo(t)
    for (const { url, app } of [leader, candidate]) {
      const data = await jsonOf(await fetch(`${url}/tenure/data.json`))
      const lease = data['lease'] as PageData['lease']
      assert.equal(lease.leader?.name, 'first')
      const expected = pageDataOf(await app.tenure.status())
      assert.deepEqual(lease.terms, JSON.parse(JSON.stringify(expected.lease.terms)))
      assert.deepEqual(data['instances'], JSON.parse(JSON.stringify(expected.instances)))
    }
  })

  test("no secret of a store's options is in a reply, an error or a log line", async (t) => {
    const store = ownModule(ownFolder(t), { password: 'hunter2' })
    const served = await serve(t, { store, routes: tenureRoutes })
    await untilLeader(served)
    for (const path of [...paths, '/tenure/data.json']) {
      const body = await (await fetch(`${served.url}${path}`)).text()
      assert.ok(!body.includes('hunter2'), path)
    }
    assert.ok(!JSON.stringify(served.lines).includes('hunter2'))
  })
})
