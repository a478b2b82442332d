// How the witness behaves while its process lives: what it shows, when it ends, where it cannot be.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readlinkSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'

import { nextTurn, type Clock } from '../../src/clock.ts'
import { Witness, type WitnessDeps } from '../../src/heart/witness.ts'
import { createTenure, type LogEventName } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { withCluster } from '../support/cluster.ts'
import { atEnd, silentLogger } from '../support/fastify-app.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { createTestStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'
import { descendantsOf, isRunning, memoryOf, shownOf } from '../support/witness.ts'

/** What a waiting shell may take: see the acceptance of the witness. */
const waitingBytesMax = 3_000_000

describe('the witness of a process that lives', { concurrency: 4 }, () => {
  test('is there once started, a shell of less than 3 MB, and shown in the status', () =>
    withCluster({}, async (cluster) => {
      const leader = await cluster.add()
      await leader.next('acquired')
      leader.send({ do: 'witness' })
      const { pid, absence } = await leader.next('witness')
      assert.ok(pid !== undefined && pid === descendantsOf(leader.pid)[0])
      assert.equal(absence, undefined)
      assert.deepEqual(descendantsOf(pid), [])
      const bytes = memoryOf(pid)
      assert.ok(bytes > 0 && bytes < waitingBytesMax, `${bytes} bytes`)
    }))

  for (const witness of ['auto', 'warm'] as const) {
    test(`'${witness}' ends with stop(), and is there anew after start()`, async (t) => {
      const store = await createTestStore('SQLite')
      atEnd(t, () => store.end())
      const tenure = createTenure({ store: store.url, witness, logger: silentLogger })
      const pids: number[] = []
      for (let round = 0; round < 2; round++) {
        await tenure.start()
        const { pid } = (await tenure.status()).witness
        assert.ok(pid !== undefined && isRunning(pid))
        pids.push(pid)
        await tenure.stop()
        assert.equal(isRunning(pid), false)
        const after = (await tenure.status()).witness
        assert.deepEqual(after, { pid: undefined, absence: 'It has not been started.' })
      }
      assert.notEqual(pids[0], pids[1])
    })
  }

  for (const way of ['exit', 'throw', 'end naturally', 'stop'] as const) {
    test(`ends with its process when that ends by itself: ${way}`, () =>
      withCluster({}, async (cluster) => {
        const leader = await cluster.add()
        await leader.next('acquired')
        const { witness = 0 } = leader
        assert.ok(isRunning(witness))
        leader.send({ do: way })
        await leader.exited
        await until('the witness has ended', () => !isRunning(witness))
        const { terms } = await cluster.read()
        assert.equal(terms[0]?.reason, way === 'throw' ? 'crashed' : 'stopped')
      }))
  }

  test('false leaves it out, without a word', () =>
    withCluster({ witness: false }, async (cluster) => {
      const leader = await cluster.add()
      await leader.next('acquired')
      leader.send({ do: 'witness' })
      const { pid, absence } = await leader.next('witness')
      assert.deepEqual([pid, absence], [undefined, 'It is switched off: `witness` is false.'])
      assert.deepEqual(descendantsOf(leader.pid), [])
      assert.deepEqual(leader.lines('witness_absent'), [])
    }))
})

describe('no secret is shown in the list of processes', { skip: missing('postgres') }, () => {
  for (const witness of ['auto', 'warm'] as const) {
    test(`by the witness '${witness}', while it waits and while it releases`, async (t) => {
      const server = await PostgresServer.start()
      atEnd(t, () => server.end())
      await withCluster({ on: 'PostgreSQL', server, witness }, async (cluster) => {
        const secrets = [server.password, encodeURIComponent(server.password), 'of-the-environment']
        const env = { TENURE_STORE: cluster.store.url, PGPASSWORD: 'of-the-environment' }
        const leader = await cluster.add({}, { env })
        await leader.next('acquired')
        const { witness: pid = 0 } = leader
        const assertHidden = (process: number): void => {
          const shown = shownOf(process)
          assert.ok(shown.includes('tenure-witness'))
          for (const secret of secrets) assert.ok(!shown.includes(secret), shown)
        }
        assertHidden(pid)
        server.freeze(true)
        leader.signal('SIGKILL')
        await leader.exited
        if (witness === 'auto') {
          const program = await until('Node.js runs', () =>
            descendantsOf(pid).find((child) => shownOf(child).startsWith(process.execPath)),
          )
          assertHidden(program)
        }
        assertHidden(pid)
        server.freeze(false)
        await until('the lease is released', async () => {
          const { terms } = await cluster.read()
          return terms[0]?.reason === 'crashed'
        })
      })
    })
  }
})

describe('where there can be no witness, one line says so, and the heartbeat works', () => {
  test('child processes are not permitted', () =>
    withCluster({}, async (cluster) => {
      const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-worker']
      const leader = await cluster.add({}, { flags })
      await leader.next('acquired')
      const absent = await leader.nextLine('witness_absent')
      assert.equal(absent.level, 'warn')
      assert.match(String(absent.fields['message']), /--allow-child-process.*`witness: false`/)
      await leader.nextLine('scheduler_lock_heartbeat_updated')
      assert.equal(leader.lines('witness_absent').length, 1)
      leader.send({ do: 'witness' })
      assert.match((await leader.next('witness')).absence ?? '', /permission model/)
    }))

  test('Tenure does not run in the main thread, which would be another end than that of the process', async (t) => {
    const store = await createTestStore('SQLite')
    atEnd(t, () => store.end())
    const index = new URL('../../src/index.ts', import.meta.url).href
    const code = `
      import { parentPort } from 'node:worker_threads'
      import { createTenure } from '${index}'
      const lines = []
      const log = (_fields, event) => lines.push(event)
      const logger = { debug() {}, info() {}, warn: log, error: log }
      const tenure = createTenure({ store: '${store.url}', logger })
      const acquired = new Promise((resolve) => tenure.on('term:acquired', resolve))
      await tenure.start()
      await acquired
      const { witness } = await tenure.status()
      await tenure.stop()
      parentPort.postMessage({ lines, witness })
    `
    const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`)
    const [said] = (await once(new Worker(url), 'message')) as [
      { lines: string[]; witness: { pid: unknown; absence: string } },
    ]
    assert.deepEqual(said.lines, ['witness_absent'])
    assert.equal(said.witness.pid, undefined)
    assert.match(said.witness.absence, /main thread/)
  })

  /** A witness whose start is somebody else's, and what it logs. */
  function createWitness(
    t: TestContext,
    spawnIt: WitnessDeps['spawn'],
    clock: Clock,
    options: { store?: WitnessDeps['store'] } = {},
  ) {
    const lines: { event: LogEventName; fields: Readonly<Record<string, unknown>> }[] = []
    const changes: (number | undefined)[] = []
    const witness = new Witness({
      mode: 'auto',
      lease: 'scheduler',
      store: options.store ?? { scheme: 'sqlite', path: '/nowhere/tenure.db' },
      clock,
      log: (event, fields) => void lines.push({ event, fields }),
      tellDefect: assert.ifError,
      changed(fd) {
        changes.push(fd)
        if (fd === undefined) witness.letGo()
      },
      ...(spawnIt && { spawn: spawnIt }),
    })
    atEnd(t, () => witness.stop())
    return { witness, lines, changes }
  }

  test('the folder of the process was renamed, of which Node.js knows nothing: it is there', (t) => {
    t.mock.method(process, 'cwd', () => '/nowhere/release-1')
    const { witness } = createWitness(t, undefined, new FakeClock())
    witness.start()
    assert.equal(witness.absence, undefined)
    assert.ok(witness.pid !== undefined && isRunning(witness.pid))
  })

  test('there is no shell', async (t) => {
    const noShell: WitnessDeps['spawn'] = (_shell, args, options) =>
      spawn('/nowhere/sh', args, options)
    const { witness, lines, changes } = createWitness(t, noShell, new FakeClock())
    witness.start()
    assert.equal(witness.fd, undefined)
    await until('it is told', () => lines.length > 0)
    assert.deepEqual(changes, [])
    assert.equal(lines[0]?.event, 'witness_absent')
    assert.match(String(lines[0]?.fields['message']), /ENOENT.*`witness: 'warm'` needs no shell/)
  })

  test("the options of a store of one's own are shared with threads, and cannot leave the process", (t) => {
    const store = { module: 'my-store', options: { counter: new SharedArrayBuffer(4) } }
    const { witness, lines } = createWitness(t, undefined, new FakeClock(), { store })
    witness.start()
    assert.equal(witness.pid, undefined)
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['witness_absent'],
    )
    assert.match(String(lines[0]?.fields['message']), /cannot be sent to another process/)
  })

  test('the system lacks something for a moment: tried again, told once', async (t) => {
    const clock = new FakeClock()
    let failures = 3
    const spawnLater: WitnessDeps['spawn'] = (command, args, options) => {
      if (failures-- > 0) throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' })
      return spawn(command, args, options)
    }
    const { witness, lines } = createWitness(t, spawnLater, clock)
    witness.start()
    assert.match(witness.absence ?? '', /ENOMEM/)
    clock.advance(1_000)
    assert.ok(witness.pid !== undefined && witness.fd !== undefined)
    assert.equal(witness.absence, undefined)
    assert.deepEqual(
      lines.map(({ event }) => event),
      ['witness_absent'],
    )
  })

  test('it ends as often as it is started: ever more rarely, up to once a minute', async (t) => {
    const clock = new FakeClock()
    const endAtOnce: WitnessDeps['spawn'] = (_shell, args, options) =>
      spawn('/bin/false', args, options)
    const { witness, lines, changes } = createWitness(t, endAtOnce, clock)
    witness.start()
    const retries: number[] = []
    for (let round = 1; round <= 12; round++) {
      await until(`it has ended ${round} times`, () => lines.length === round)
      const retryMs = Number(lines.at(-1)?.fields['retryMs'])
      retries.push(retryMs)
      clock.advance(retryMs)
    }
    assert.deepEqual(retries.slice(0, 3), [100, 200, 400])
    assert.deepEqual(retries.slice(-2), [60_000, 60_000])
    assert.ok(lines.every(({ event }) => event === 'witness_died'))
    // Each was told of, and let go of before the next.
    assert.ok(changes.every((fd, index) => (fd === undefined) === (index % 2 === 1)))
  })

  test('the number of its pipe is not used for another file until the heart has let go of it', async (t) => {
    const changes: (number | undefined)[] = []
    const witness = new Witness({
      mode: 'auto',
      lease: 'scheduler',
      store: { scheme: 'sqlite', path: '/nowhere/tenure.db' },
      clock: new FakeClock(),
      log: () => {},
      tellDefect: assert.ifError,
      changed: (fd) => void changes.push(fd),
    })
    atEnd(t, () => witness.stop())
    witness.start()
    const { fd, pid = 0 } = witness
    assert.ok(fd !== undefined)
    const before = readlinkSync(`/proc/self/fd/${fd}`)
    process.kill(pid, 'SIGKILL')
    await until('it has ended', () => changes.length === 2)
    await nextTurn()
    assert.equal(readlinkSync(`/proc/self/fd/${fd}`), before)
    witness.letGo()
    await until('the pipe is closed', () => !existsSync(`/proc/self/fd/${fd}`))
  })
})
