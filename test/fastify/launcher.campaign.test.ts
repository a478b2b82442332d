import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import type { AddressInfo } from 'node:net'

import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'
import { atEnd } from '../support/fastify-app.ts'
import { instanceOf, processState, startLauncher } from '../support/launcher.ts'

describe('the launcher of the demonstration', { concurrency: 2 }, () => {
  test('a launcher that is killed leaves nothing behind either', async (t) => {
    const launcher = await startLauncher(t, '--port', '0')
    await launcher.press('hang', 'A')
    await launcher.press('freeze', 'B')
    await launcher.data('two are blocked', ({ instances }) => instances[1]?.state === 'frozen')
    launcher.process.kill('SIGKILL')
    assert.equal(await launcher.exited, 'SIGKILL')
    await launcher.nothingLeft()
  })

  test('--heartbeat-in main, the losing control: a leader that is busy loses the lease', async (t) => {
    const launcher = await startLauncher(t, '--port', '0', '--heartbeat-in', 'main', '--busy', '8s')
    const { notice } = await launcher.data()
    assert.match(notice ?? '', /losing control/)
    const leader = await launcher.leader()
    await launcher.press('busy', leader.name)
    const data = await launcher.data(
      'another one leads',
      ({ lease }) => lease.leader !== undefined && lease.leader.name !== leader.name,
    )
    assert.equal(data.lease.lastToken, 2)
    const loser = instanceOf(data, ({ name }) => name === leader.name)
    assert.equal(loser.state, 'busy')
    const after = await launcher.data('it is awake again', ({ instances }) =>
      instances.some(({ name, state }) => name === leader.name && state === 'answers'),
    )
    const { note } = instanceOf(after, ({ name }) => name === leader.name)
    assert.match(note ?? '', /its term, token 1, is over.*isLeader said false/)
  })

  test(
    '--store: the same on a PostgreSQL server; killed, slow and handed over',
    {
      skip: missing('postgres'),
    },
    async (t) => {
      const server = await PostgresServer.start()
      atEnd(t, () => server.end())
      const url = server.url(await server.createDatabase())
      const launcher = await startLauncher(t, '--port', '0', '--store', url)
      const { settings } = await launcher.data()
      assert.match(settings.store, /^postgres:\/\/postgres:\*\*\*@127/)
      const first = await launcher.leader()
      assert.equal((await launcher.press('hand-over', first.name)).status, 200)
      await launcher.data('the lease is handed over', ({ lease }) => lease.lastToken === 2)

      const second = await launcher.leader()
      assert.equal((await launcher.press('slow-store', undefined)).status, 200)
      await launcher.data('the row is locked', ({ storeNote }) =>
        /lease's row/.test(storeNote ?? ''),
      )
      const timedOut = 'scheduler_lock_heartbeat_timeout'
      await launcher.data('a heartbeat is cancelled', ({ lines }) =>
        lines.some(({ event }) => event === timedOut),
      )
      await launcher.data('the lock is gone', ({ storeNote }) => storeNote === undefined)
      assert.equal((await launcher.data()).lease.lastToken, 2)

      assert.equal((await launcher.press('kill', second.name)).status, 200)
      await launcher.data('another one leads', ({ lease }) => lease.lastToken === 3)
      launcher.signalGroup('SIGINT')
      assert.equal(await launcher.exited, 0, launcher.output)
      await launcher.nothingLeft()
    },
  )

  test('takes another free port if one is taken, and says so; SIGTERM to it alone ends all', async (t) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    atEnd(t, () => other.close())
    const { port } = other.address() as AddressInfo
    const launcher = await startLauncher(t, '--port', String(port))
    assert.match(launcher.output, new RegExp(`Open http://127.0.0.1:\\d+/ \\(${port} is taken\\)`))
    assert.ok(!launcher.url.includes(`:${port}/`))
    launcher.process.kill('SIGTERM')
    assert.equal(await launcher.exited, 0, launcher.output)
    await launcher.nothingLeft()
  })

  test('restarts what was killed, under the same label; other pages may not press buttons', async (t) => {
    const launcher = await startLauncher(t, '--port', '0')
    const headers = { 'content-type': 'application/json', origin: 'http://elsewhere.example' }
    const body = JSON.stringify({ action: 'kill', instance: 'A' })
    const refused = await fetch(`${launcher.url}control`, { method: 'POST', headers, body })
    assert.equal(refused.status, 403)
    assert.equal((await launcher.press('kill', 'Z')).status, 409)
    assert.equal((await launcher.press('explode', 'A')).status, 409)

    const { pid = 0 } = instanceOf(await launcher.data(), ({ name }) => name === 'A')
    assert.equal((await launcher.press('kill', 'A')).status, 200)
    await until('the process is gone', () => processState(pid) === undefined)
    const data = await launcher.data('A answers again', ({ instances }) =>
      instances.some(({ name, state, pid: newPid }) => {
        return name === 'A' && state === 'answers' && newPid !== pid
      }),
    )
    assert.equal(data.instances.length, 3)
  })

  test('a leader that is killed during the backup: shown as abandoned, and run again', async (t) => {
    const launcher = await startLauncher(t, '--port', '0')
    const { jobs } = await launcher.data('the backup runs', (data) =>
      data.jobs.some(({ id, lastRun }) => id === 'back-up' && lastRun?.outcome === 'running'),
    )
    const { name } = await launcher.leader()
    const run = jobs.find(({ id }) => id === 'back-up')?.lastRun
    assert.equal((await launcher.press('kill', name)).status, 200)
    const { runs } = await launcher.data('it was run again', (data) =>
      data.runs.some(({ jobId, attempt }) => jobId === 'back-up' && attempt === 2),
    )
    const ofTick = runs.filter(({ scheduledForMs }) => scheduledForMs === run?.scheduledForMs)
    const first = ofTick.find(({ jobId, attempt }) => jobId === 'back-up' && attempt === 1)
    const again = ofTick.find(({ jobId, attempt }) => jobId === 'back-up' && attempt === 2)
    assert.deepEqual([first?.id, first?.outcome], [run?.id, 'abandoned'])
    assert.equal(again?.outcome, 'succeeded')
    assert.notEqual(again.instance, name)
    assert.equal(again.fencingToken, (first?.fencingToken ?? 0) + 1)
  })
})
