import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'

import fastify from 'fastify'

import { tenurePlugin, type TenurePluginOptions } from '../../src/fastify/tenure-plugin.ts'
import { createTenure, heartbeatJobId, TenureError } from '../../src/index.ts'
import { until } from '../support/until.ts'
import {
  atEnd,
  createLoggedApp,
  ownFolder,
  ownMemory,
  serve,
  silentLogger,
  untilLeader,
} from '../support/fastify-app.ts'

describe('the plugin makes, starts and stops a Tenure', { concurrency: true }, () => {
  test('app.tenure is there after register, is started once ready, and is stopped by close', async (t) => {
    const { app } = createLoggedApp(t)
    await app.register(tenurePlugin, { store: ownMemory() })
    assert.equal((await app.tenure.status()).role, 'stopped')
    await app.ready()
    assert.notEqual((await app.tenure.status()).role, 'stopped')
    await untilLeader({ app })
    await app.close()
    assert.equal(app.tenure.isLeader, false)
    const status = await app.tenure.status()
    assert.equal(status.role, 'stopped')
    assert.equal(status.terms[0]?.reason, 'stopped')
  })

  test('routes outside of the plugin and inside of other plugins find app.tenure', async (t) => {
    const { url } = await serve(t, { store: ownMemory() }, (app) => {
      app.register(async (scope) => {
        scope.get('/inner', async () => ({ role: (await scope.tenure.status()).role }))
      })
    })
    const response = await fetch(`${url}/inner`)
    assert.equal(response.status, 200)
  })

  test('the heartbeat is registered once, and the lines go to app.log', async (t) => {
    const served = await serve(t, { store: ownMemory() })
    await untilLeader(served)
    const scheduled = served.lines.filter(({ msg }) => msg === 'scheduler_lock_heartbeat_scheduled')
    assert.equal(scheduled.length, 1)
    assert.equal(scheduled[0]?.level, 30)
    assert.equal(scheduled[0]?.['intervalSeconds'], 5)
    const ids = served.app.tenure.jobs().map(({ id }) => id)
    assert.deepEqual(ids, [heartbeatJobId])
    assert.ok(!served.lines.some(({ msg }) => msg === 'scheduler_lock_heartbeat_no_scheduler'))
  })

  test('a logger of the options takes the lines instead of app.log', async (t) => {
    const messages: string[] = []
    const write = (_fields: object, message: string): void => void messages.push(message)
    const logger = { debug: write, info: write, warn: write, error: write }
    const served = await serve(t, { store: ownMemory(), logger })
    await untilLeader(served)
    await until('the line of the acquisition', () => messages.includes('lease_acquired'))
    assert.ok(!served.lines.some(({ msg }) => msg === 'lease_acquired'))
  })

  test('a Tenure of the application is decorated, started and stopped', async (t) => {
    const tenure = createTenure({ store: ownMemory(), label: 'own' })
    const { app } = await serve(t, { tenure })
    assert.equal(app.tenure, tenure)
    await untilLeader({ app })
    await app.close()
    assert.equal((await tenure.status()).role, 'stopped')
  })

  test('a Tenure that runs already stays the leader it is', async (t) => {
    const tenure = createTenure({ store: ownMemory() })
    await tenure.start()
    await until('it leads', () => tenure.isLeader)
    const { app } = await serve(t, { tenure })
    assert.equal(app.tenure.term?.fencingToken, 1)
  })

  test('a store that cannot be reached keeps no application from starting', async (t) => {
    const path = join(ownFolder(t), 'no', 'such', 'folder', 'tenure.db')
    const { url, lines } = await serve(t, { store: `sqlite:${path}` }, (app) => {
      app.get('/', async () => 'served')
    })
    assert.equal(await (await fetch(url)).text(), 'served')
    await until('a line of the failure', () =>
      lines.some(({ msg }) => msg === 'lease_acquire_failed'),
    )
  })

  test('a store module that does not exist keeps the application from becoming ready', async (t) => {
    const { app } = createLoggedApp(t)
    const module = new URL('./no-such-store.ts', import.meta.url)
    await app.register(tenurePlugin, { store: { module } })
    await assert.rejects(async () => app.ready(), { code: 'TENURE_ERR_STORE_MODULE' })
  })

  test('an application whose start fails elsewhere can be closed, and the lease is free', async (t) => {
    const store = ownMemory()
    const { app } = createLoggedApp(t)
    await app.register(tenurePlugin, { store })
    app.addHook('onReady', async () => {
      throw new Error('elsewhere')
    })
    await assert.rejects(async () => app.ready(), { message: 'elsewhere' })
    await app.close()
    assert.equal((await app.tenure.status()).role, 'stopped')
  })
})

describe('a close', { concurrency: true }, () => {
  test('a running job ends before the resources of other plugins are closed', async (t) => {
    const happened: string[] = []
    const served = await serve(t, { store: ownMemory() }, async (app) => {
      // Registered after Tenure, whose own onClose hook therefore is called later than this one.
      app.addHook('onClose', async () => void happened.push('database closed'))
      await app.tenure.schedule('job', { every: '1h' }, async () => {
        happened.push('job began')
        await sleep(300)
        happened.push('job ended')
      })
    })
    await untilLeader(served)
    const run = served.app.tenure.runNow('job')
    await until('the job runs', () => happened.length > 0)
    await served.app.close()
    assert.deepEqual(happened, ['job began', 'job ended', 'database closed'])
    assert.equal((await run).outcome, 'succeeded')
  })

  test('a job that outlasts drain is aborted, and the close goes on', async (t) => {
    const options = { store: ownMemory(), drain: '100ms' } as const
    const served = await serve(t, options, (app) =>
      app.tenure.schedule('job', { every: '1h' }, async (run) => {
        await sleep(60_000, undefined, { signal: run.signal })
      }),
    )
    await untilLeader(served)
    const run = served.app.tenure.runNow('job')
    await served.app.close()
    assert.equal((await run).outcome, 'aborted')
    const { terms } = await served.app.tenure.status()
    assert.equal(terms[0]?.reason, 'stopped')
  })

  test('a request under way finds app.tenure and is answered; the next leader does not wait for it', async (t) => {
    const store = `sqlite:${join(ownFolder(t), 'tenure.db')}`
    const gate = Promise.withResolvers<void>()
    let entered = false
    const served = await serve(t, { store, routes: ['status'] }, (app) => {
      app.get('/slow', async () => {
        entered = true
        await gate.promise
        const { lastToken } = await app.tenure.status()
        return { isLeader: app.tenure.isLeader, lastToken }
      })
    })
    await untilLeader(served)
    const successor = createTenure({ store, logger: silentLogger })
    atEnd(t, () => successor.stop())
    await successor.start()
    // A connection that is kept alive would hold up the close itself, of Fastify's own.
    const answer = fetch(`${served.url}/slow`, { headers: { connection: 'close' } })
    await until('the request is under way', () => entered)

    const closed = served.app.close()
    await until('the successor leads', () => successor.isLeader)
    gate.resolve()
    const response = await answer
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { isLeader: false, lastToken: 2 })
    await closed
  })

  test('closing twice, and closing an application that never was ready, is fine', async (t) => {
    const { app } = createLoggedApp(t)
    await app.register(tenurePlugin, { store: ownMemory() })
    await Promise.all([app.close(), app.close()])
    assert.equal((await app.tenure.status()).role, 'stopped')
  })
})

describe('options of the plugin that are wrong', { concurrency: true }, () => {
  const wrong: { name: string; options: unknown; code: string; says: RegExp }[] = [
    {
      name: 'an unknown key',
      options: { store: ownMemory(), prefx: '/x' },
      code: 'TENURE_ERR_OPTION_UNKNOWN',
      says: /\[prefix, routes, hosts, tenure, store, .*\[prefx\] besides/,
    },
    {
      name: 'no store',
      options: {},
      code: 'TENURE_ERR_OPTION_TYPE',
      says: /`store` .* to be set/,
    },
    {
      name: 'a wrong option of createTenure',
      options: { store: ownMemory(), ttl: '1 fortnight' },
      code: 'TENURE_ERR_DURATION',
      says: /`ttl`.*"1 fortnight"/,
    },
    ...[7, 'tenure', '/tenure/', '//', '/a b', '/:id', null].map((prefix) => ({
      name: `the prefix ${JSON.stringify(prefix)}`,
      options: { store: ownMemory(), prefix },
      code: 'TENURE_ERR_OPTION_TYPE',
      says: /Expected `prefix` to be .*; got /,
    })),
    ...['status', ['pages'], [7], { status: true }].map((routes) => ({
      name: `the routes ${JSON.stringify(routes)}`,
      options: { store: ownMemory(), routes },
      code: 'TENURE_ERR_OPTION_TYPE',
      says: /an array out of \[status, health, health\/leader, page\]; got /,
    })),
    {
      name: 'a tenure that is none',
      options: { tenure: { start: () => {} } },
      code: 'TENURE_ERR_OPTION_TYPE',
      says: /Expected `tenure` to be what `createTenure` returns; got a value of the type object/,
    },
    {
      name: 'a tenure and options to make one',
      options: { tenure: createTenure({ store: ownMemory() }), ttl: '30s' },
      code: 'TENURE_ERR_OPTION_RELATION',
      says: /`tenure` and \[ttl\]/,
    },
  ]
  for (const { name, options, code, says } of wrong) {
    test(`${name}: ${code}, with what was expected and received`, async () => {
      const app = fastify()
      app.register(tenurePlugin, options as TenurePluginOptions)
      await assert.rejects(
        async () => app.ready(),
        (error) => error instanceof TenureError && error.code === code && says.test(error.message),
      )
      await app.close()
    })
  }

  test('a secret in a store URL stands in no error', async () => {
    const app = fastify()
    app.register(tenurePlugin, {
      store: 'postgres://user:hunter2@db.example/app?tenure_passwort=hunter2',
    })
    await assert.rejects(
      async () => app.ready(),
      (error) => error instanceof TenureError && !error.message.includes('hunter2'),
    )
    await app.close()
  })
})
