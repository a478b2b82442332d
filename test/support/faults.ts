// One application to which something happens that nothing of Tenure's may make its end. It shows
// what it has to by itself: an exit code of 0, and `done`, after the last line.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, closeSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import module from 'node:module'
import { dirname, join } from 'node:path'
import threads from 'node:worker_threads'

import type { Logger, Tenure, TenureOptions } from '../../src/index.ts'
import type { HangingStoreOptions } from './hanging-store.ts'
import { until } from './until.ts'

const [name = '', given = '{}'] = process.argv.slice(2)

/** Threads that cannot be made, as where the system has none left. */
let refusesThreads = false
const Worker = threads.Worker
threads.Worker = class extends Worker {
  constructor(...args: ConstructorParameters<typeof Worker>) {
    if (refusesThreads) throw Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' })
    super(...args)
    workers.push(this)
  }
}
const workers: threads.Worker[] = []
module.syncBuiltinESMExports()
const { createTenure, TenureError } = await import('../../src/index.ts')

const lines: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[] = []
const log = (fields: object, event: string): void => {
  lines.push({ event, fields: fields as Record<string, unknown> })
}
const logger: Logger = { debug: log, info: log, warn: log, error: log }
const options = {
  ttl: '3s',
  heartbeat: '800ms',
  attemptTimeout: '600ms',
  drain: '1s',
  logger,
  ...(JSON.parse(given) as TenureOptions),
} as const

async function leads(tenure: Tenure): Promise<void> {
  await until('it leads', () => tenure.isLeader)
}

async function start(more: Partial<TenureOptions> = {}): Promise<Tenure> {
  const tenure = createTenure({ ...options, ...more })
  await tenure.start()
  await leads(tenure)
  return tenure
}

/** Takes all descriptors that this process may have; gives them back. */
function takeFiles(leave = 0): () => void {
  execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=128:128'])
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'EMFILE')
  }
  for (let n = 0; n < leave; n++) closeSync(taken.pop() ?? -1)
  return () => {
    for (const fd of taken) closeSync(fd)
  }
}

async function witnessOf(tenure: Tenure): Promise<{ pid?: number; absence?: string }> {
  return (await tenure.status()).witness as { pid?: number; absence?: string }
}

const refuse = (): never => {
  throw new Error('looked at')
}

/** What is thrown, and made to be looked at by nobody. */
const unprintable: readonly unknown[] = [
  null,
  undefined,
  Symbol('x'),
  Object.create(null),
  { toString: refuse, toJSON: refuse },
  new Proxy({}, { get: refuse, ownKeys: refuse, getPrototypeOf: refuse, has: refuse }),
  Object.defineProperties(new Error(), { message: { get: refuse }, stack: { get: refuse } }),
]

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  async 'no file for another witness'() {
    const tenure = await start()
    const { pid = 0 } = await witnessOf(tenure)
    const giveBack = takeFiles()
    process.kill(pid, 'SIGKILL')
    await until('it cannot be started', async () =>
      /EMFILE/.test((await witnessOf(tenure)).absence ?? ''),
    )
    assert.ok(tenure.isLeader)
    giveBack()
    await until('there is another', async () => (await witnessOf(tenure)).pid)
    await tenure.stop()
  },

  async 'no file at the start'() {
    const giveBack = takeFiles(2)
    const tenure = createTenure(options)
    await assert.rejects(tenure.start(), { name: 'TenureError' })
    giveBack()
    await tenure.start()
    await leads(tenure)
    await tenure.stop()
  },

  async 'no thread at the start'() {
    const tenure = createTenure(options)
    refusesThreads = true
    await assert.rejects(tenure.start(), { name: 'TenureError', code: 'TENURE_ERR_THREAD' })
    refusesThreads = false
    await tenure.start()
    await leads(tenure)
    assert.ok(!lines.some(({ event }) => event === 'instance_duplicate'))
    await tenure.stop()
  },

  async 'no thread for another heart'() {
    const tenure = await start()
    refusesThreads = true
    await workers[0]?.terminate()
    const refused = (): boolean =>
      lines.some(
        ({ event, fields }) => event === 'heart_died' && fields['error'] === 'TENURE_ERR_THREAD',
      )
    await until('a thread is refused', refused)
    refusesThreads = false
    await until('it leads again', () => lines.filter(({ event }) => event === 'lease_acquired')[1])
    await tenure.stop()
  },

  async 'what cannot be printed is thrown'() {
    const tenure = await start({
      logger: { ...logger, error: (fields, event) => (log(fields, event), refuse()) },
    })
    for (const thrown of unprintable) {
      void tenure.whileLeader(() => Promise.reject(thrown))
      tenure.on('run:finished', () => Promise.reject(thrown as Error) as unknown as void)
      tenure.on('run:finished', () => {
        throw thrown as Error
      })
      await tenure.schedule('throws', { every: '1h' }, () => Promise.reject(thrown as Error))
      assert.equal((await tenure.runNow('throws')).outcome, 'failed')
    }
    const told = (event: string): number => lines.filter((line) => line.event === event).length
    await until('all are told', () => told('listener_failed') >= 2 * unprintable.length)
    assert.equal(told('while_leader_failed'), unprintable.length)
    await tenure.stop()
  },

  async 'starts and stops in any order'() {
    const orders: ((tenure: Tenure) => Promise<unknown>)[] = [
      (tenure) => Promise.all([tenure.stop(), tenure.start()]),
      (tenure) => Promise.all([tenure.start(), tenure.stop(), tenure.start()]),
      (tenure) => Promise.all([tenure.stop(), tenure.stop(), tenure.start(), tenure.start()]),
    ]
    for (const order of orders) {
      for (const before of [false, true]) {
        const tenure = createTenure(options)
        if (before) await tenure.start()
        await order(tenure)
        await leads(tenure)
        await Promise.all([tenure.start(), tenure.stop(), tenure.start(), tenure.stop()])
        assert.equal(tenure.health.role, 'stopped')
      }
    }
    assert.equal(process.listenerCount('exit'), 0)
  },

  /** Nothing but the start keeps the process alive meanwhile. */
  async 'a start waits for a term that was not drained'() {
    const tenure = await start()
    void tenure.whileLeader(() => new Promise(() => {}))
    await tenure.stop({ drain: 0 })
    // One that is called off is not waited for.
    await Promise.all([tenure.start(), tenure.stop()])
    assert.ok(!lines.some(({ event }) => event === 'lease_lost'))
    await tenure.start()
    assert.ok(lines.some(({ event }) => event === 'lease_lost'))
    await leads(tenure)
    await tenure.stop()
  },

  async 'a thread that does not let go is not waited for'() {
    const { store } = options as unknown as { readonly store: { options: HangingStoreOptions } }
    const { flag, how, pipe } = store.options
    const tenure = createTenure(options)
    const starting = tenure.start()
    if (how === 'open') await until('there is a thread', () => workers[0])
    else await starting.then(() => leads(tenure))
    writeFileSync(flag, '')
    if (how === 'loop' || how === 'disk') {
      await until('no renewal ends', () => !tenure.isLeader)
    }
    await tenure.stop()
    await starting
    // A system call goes on, and so would the exit of the process wait for it.
    if (how === 'disk') closeSync(openSync(pipe, 'w'))
  },

  async 'many in one process'() {
    const warnings: Error[] = []
    process.on('warning', (warning) => warnings.push(warning))
    const all = Array.from({ length: 12 }, (_, n) =>
      createTenure({ ...options, lease: `lease-${n}`, witness: false }),
    )
    await Promise.all(all.map((tenure) => tenure.start()))
    assert.equal(process.listenerCount('exit'), 1)
    await Promise.all(all.map(leads))
    await Promise.all(all.map((tenure) => tenure.stop()))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(
      warnings.filter(({ name: kind }) => kind !== 'ExperimentalWarning'),
      [],
    )
  },

  async 'its rights are given up after the start'() {
    const tenure = await start()
    const folder = dirname((options as unknown as { store: string }).store.slice('sqlite:'.length))
    for (const file of readdirSync(folder)) chmodSync(join(folder, file), 0o666)
    process.setgid?.(65_534)
    process.setuid?.(65_534)
    await tenure.stop()
    await tenure.start()
    await leads(tenure)
    await tenure.stop()
  },

  /** Whoever starts it looks at what has been loaded where. */
  async 'leads, and stops'() {
    const { CHANGE_FOLDER: folder } = process.env
    if (folder !== undefined) process.chdir(folder)
    const tenure = await start()
    await tenure.stop()
  },

  /** It runs from a copy of the sources, which a deploy takes away. */
  async 'its own files are deleted'() {
    const tenure = await start({ witness: false })
    rmSync(String(process.env['RELEASE']), { recursive: true })
    await tenure.schedule('job', { every: '1h' }, () => {})
    assert.equal((await tenure.runNow('job')).outcome, 'succeeded')
    assert.ok(!lines.some(({ event }) => event === 'ledger_failed'))
    await tenure.stop()
  },

  async 'cannot start'() {
    const why = await createTenure(options)
      .start()
      .catch((error: unknown) => error)
    assert.ok(why instanceof TenureError)
    process.stdout.write(`${why.message}\n`)
  },

  async 'may start no thread'() {
    const tenure = createTenure(options)
    await assert.rejects(tenure.start(), { code: 'TENURE_ERR_THREAD', message: /--allow-worker/ })
    await tenure.stop()
  },
}

await scenarios[name]?.()
process.stdout.write('done\n')
