import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { Database } from '../../examples/fastify-service/database.ts'
import { readSettings } from '../../examples/fastify-service/settings.ts'
import { createTenure } from '../../src/index.ts'
import { until } from '../support/until.ts'
import { atEnd, jsonOf, ownFolder, silentLogger } from '../support/fastify-app.ts'
import { fenceOf, termsOfLease } from '../support/fenced-resource.ts'
import { startService, type Service } from '../support/service.ts'

/** How long one takes is measured by `npm run bench -- handover`. */
const handOvers = 3

const listening = (services: readonly Service[]) =>
  until('the services listen', () => services.every(({ url }) => url !== ''))

describe('the example service', { concurrency: true }, () => {
  test(`SIGTERM closes Fastify and releases the lease: another leads, ${handOvers} times`, async (t) => {
    const folder = ownFolder(t)
    const services = Array.from({ length: handOvers + 1 }, () => startService(t, folder))
    await listening(services)
    const observer = createTenure({
      store: `sqlite:${join(folder, 'tenure.db')}`,
      logger: silentLogger,
    })
    atEnd(t, () => observer.stop())
    const leaderAfter = (token: number) =>
      until(`a term after ${token}`, async () => {
        const { lease } = await observer.status()
        const leader = services.find(({ pid }) => lease?.holder.includes(`:${pid}:`))
        return lease !== undefined && lease.token > token && leader !== undefined
          ? { token: lease.token, leader }
          : undefined
      })

    let { token, leader } = await leaderAfter(0)
    for (let count = 0; count < handOvers; count++) {
      leader.process.kill('SIGTERM')
      const next = await leaderAfter(token)
      assert.equal(next.token, token + 1)
      assert.equal(await leader.exited, 0)
      ;({ token, leader } = next)
    }
    // Released, and not expired: the history says so.
    const { terms } = await observer.status()
    assert.ok(terms.slice(1).every(({ reason }) => reason === 'stopped'))
  })

  test('its sessions, figures and jobs work; a run started by a request carries its id', async (t) => {
    const folder = ownFolder(t)
    const env = {
      SESSION_LIFETIME: '3s',
      PURGE_EVERY: '200ms',
      ROLL_UP_EVERY: '1h',
      BACKUP_CRON: '* * * * * *',
    }
    const service = startService(t, folder, env)
    await listening([service])
    const post = (path: string, body: object, id = 'an-id') =>
      fetch(`${service.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-correlation-id': id },
        body: JSON.stringify(body),
      })

    const created = await post('/sessions', { user: 'ada' })
    assert.equal(created.status, 201)
    const { id } = await jsonOf(created)
    const session = await jsonOf(await fetch(`${service.url}/sessions/${String(id)}`))
    assert.equal(session['user'], 'ada')
    assert.equal((await post('/sessions', { name: 'no user' })).status, 400)
    await until('a purge that found the session', () =>
      service.lines.some((line) => line.msg === 'sessions_purged' && line['purged'] === 1),
    )
    assert.equal((await fetch(`${service.url}/sessions/${String(id)}`)).status, 404)

    const run = await jsonOf(await post('/figures', {}, 'figures-please'))
    assert.equal(run['outcome'], 'succeeded')
    assert.equal(run['correlationId'], 'figures-please')
    const inJob = await until('the line of the job', () =>
      service.lines.find(({ msg }) => msg === 'requests_rolled_up'),
    )
    assert.equal(inJob['correlationId'], 'figures-please')
    const figures = (await (await fetch(`${service.url}/figures`)).json()) as { route: string }[]
    assert.ok(figures.some(({ route }) => route === 'POST /sessions'))

    await until('a backup', () => existsSync(join(folder, 'service.db.backup')))
    service.process.kill('SIGINT')
    assert.equal(await service.exited, 0)
  })

  test('a candidate does not run jobs, and says so to a request that asks for one', async (t) => {
    const folder = ownFolder(t)
    const services = [startService(t, folder), startService(t, folder)]
    await listening(services)
    const answers = await until('one leads', async () => {
      const responses = await Promise.all(
        services.map(({ url }) => fetch(`${url}/figures`, { method: 'POST' })),
      )
      return responses.some(({ status }) => status === 200) && responses
    })
    const codes = answers.map(({ status }) => status).sort((a, b) => a - b)
    assert.deepEqual(codes, [200, 409])
    const refused = answers.find(({ status }) => status === 409)
    assert.ok(refused)
    assert.equal((await jsonOf(refused))['error'], 'TENURE_ERR_NOT_LEADER')
  })

  test('figures are written only with the highest fencing token that has written them', (t) => {
    const path = join(ownFolder(t), 'service.db')
    const late = new Database(path)
    atEnd(t, () => late.close())
    const leader = new Database(path)
    atEnd(t, () => leader.close())
    const term = termsOfLease()
    late.logRequest({ route: 'GET /', status: 200, durationMs: 1 })
    assert.equal(late.rollUp(fenceOf(term(1))), 1)
    late.logRequest({ route: 'GET /', status: 200, durationMs: 3 })
    assert.equal(leader.rollUp(fenceOf(term(2))), 1)
    late.logRequest({ route: 'GET /', status: 200, durationMs: 2 })
    assert.throws(() => late.rollUp(fenceOf(term(1))), { code: 'TENURE_ERR_FENCED' })
    assert.equal(leader.rollUp(fenceOf(term(2))), 1)
    const [figure] = leader.figures()
    assert.equal(figure?.requests, 3)
    assert.equal(figure?.durationMsMax, 3)
  })

  test('its settings are read from flags over the environment, and what is wrong is named', () => {
    const read = (args: string[], environment = {}) => readSettings(args, environment)
    assert.equal(read(['--help']), 'help')
    const settings = read(['--port', '4000'], { PORT: '5000', PURGE_EVERY: '5s' })
    assert.ok(settings !== 'help')
    assert.equal(settings.port, 4_000)
    assert.equal(settings.purgeEvery, 5_000)
    assert.throws(() => read(['--port', 'x']), /whole number from 0 to 65535; got x/)
    assert.throws(() => read(['--prt', '1']), /--prt/)
    assert.throws(() => read([], { PURGE_EVERY: 'often' }), /PURGE_EVERY.*"often"/)
  })
})
