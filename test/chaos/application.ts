// One instance of an application under chaos: `node application.ts CONFIG`, commanded over IPC. It
// looks at its own leadership every few milliseconds, runs jobs, and writes down all that it sees.
import { setTimeout as sleep } from 'node:timers/promises'
import { BroadcastChannel } from 'node:worker_threads'

import { createTenure, type Run, type TenureOptions } from '../../src/index.ts'
import { blocks } from '../support/blocks.ts'
import { faultOfLine } from '../support/check-line.ts'
import { nowMs } from '../support/until.ts'
import { orderChannel, type ChaosStoreOptions, type Order, type PlantedBug } from './chaos-store.ts'
import { FencedResource } from './fenced-resource.ts'
import { Recorder, type Standing } from './history.ts'

/** What an instance is started with. */
export interface ApplicationConfig {
  /** The letter of the instance and the number of its life, such as `b2`. */
  readonly who: string
  /** Where it writes its history. */
  readonly folder: string
  readonly resourcePath: string
  readonly url: string
  readonly bug: PlantedBug | undefined
  readonly options: Omit<TenureOptions, 'store' | 'logger'>
}

/** How the main thread is kept from working; the first looks at its leadership all the while. */
export type BlockName = 'look without end' | 'busy loop' | 'Atomics.wait'

/** What the harness tells the instance to do. */
export type ApplicationCommand =
  | { readonly do: 'exit' | 'throw' | 'reject' | 'stop' | 'kill heart' | 'request resign' }
  | { readonly do: 'block'; readonly how: BlockName; readonly ms: number }
  | { readonly do: 'stall heart'; readonly ms: number }
  | { readonly do: 'resign'; readonly coolDown: number }

/** What the instance tells the harness. */
export type ApplicationMessage =
  | { readonly said: 'runs' | 'unblocked' | 'done' }
  | { readonly said: 'led' | 'lost'; readonly token: number }

const lookEveryMs = 5
/** Without a turn of the event loop for so long, the main thread is said not to have run. */
const gapMsMin = 100

const config = JSON.parse(process.argv[2] ?? '') as ApplicationConfig
const recorder = new Recorder(config.folder, config.who)
const resource = new FencedResource(config.resourcePath)
const storeOptions: ChaosStoreOptions = { url: config.url, bug: config.bug }
const line =
  (level: string) =>
  (fields: object, event: string): void => {
    const { message, error, ...rest } = fields as Record<string, unknown>
    const fault = faultOfLine(event, level, { message, error, ...rest })
    if (level !== 'warn' && level !== 'error' && fault === undefined) return
    recorder.add({ kind: 'line', event, level, message: textOf(message ?? error), fault })
  }
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
const tenure = createTenure({
  ...config.options,
  label: config.who,
  store: { module: new URL('./chaos-store.ts', import.meta.url), options: storeOptions },
  logger: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
})
const say = (message: ApplicationMessage): void => {
  if (process.connected) process.send?.(message)
}

// ---- looks ----

let looks = 0
/** Runs that go on: all looks are written down meanwhile, to show that the process runs. */
let running = 0
let last: { standing: Standing; token: number } = { standing: 'none', token: 0 }
/** Since when there is a gap that is over but for one more turn: signals fire within one. */
let gapSinceMs: number | undefined

function noteGap(atMs: number, toMs: number): void {
  const why = 'its event loop did not turn'
  recorder.add({ kind: 'hindered', thread: 'main', why, toMs }, { atMs })
}

function standingNow(): Standing {
  if (tenure.isLeader) return 'leader'
  return tenure.term?.isTrusted === true ? 'trusted' : 'none'
}

/** One look at the own leadership, between two readings of the clock. */
function look(): void {
  const atMs = nowMs()
  const { term } = tenure
  const standing = standingNow()
  const toMs = nowMs()
  const token = standing === 'none' ? 0 : (term?.fencingToken ?? 0)
  looks++
  const changed = standing !== last.standing || token !== last.token
  if (changed || standing !== 'none')
    recorder.add({ kind: 'look', toMs, token, standing }, { atMs })
  last = { standing, token }
}

/** When the event loop has turned last. */
let turnedMs = nowMs()

/** After timers and messages have had their turn. */
function lookOnce(): void {
  const beforeMs = turnedMs
  turnedMs = nowMs()
  look()
  if (gapSinceMs !== undefined) noteGap(gapSinceMs, turnedMs)
  gapSinceMs = turnedMs - beforeMs > gapMsMin ? beforeMs : undefined
  // The process may have no other turn in which to say when the gap was over.
  if (gapSinceMs !== undefined) noteGap(gapSinceMs, Number.MAX_SAFE_INTEGER)
  if (!stopped) setTimeout(() => setImmediate(lookOnce), lookEveryMs)
}

// ---- jobs ----

/** A job that takes so long, and obeys its signal, or not. */
function job(workMs: () => number, obeys: boolean): (run: Run) => Promise<void> {
  return async ({ id, jobId, fencingToken: token, signal }) => {
    const standing = standingNow()
    running++
    recorder.add({ kind: 'run-started', run: id, job: jobId, token, obeys, standing })
    resource.write(config.who, token, nowMs())
    await sleep(workMs(), undefined, obeys ? { signal } : {}).catch(() => {})
    // Work that obeys has ended by the abort, at the latest; what it writes then is refused.
    if (!obeys || !signal.aborted) resource.write(config.who, token, nowMs())
    recorder.add({ kind: 'run-ended', run: id, token })
    running--
  }
}

// The ledger ends a term that renewals alone would keep, which a planted bug is to show.
const kept = { ledger: config.bug === undefined }

await tenure.schedule(
  'short',
  { every: 100 },
  job(() => 10 + Math.random() * 70, true),
  kept,
)
await tenure.schedule(
  'long',
  { every: 700 },
  job(() => 500 + Math.random() * 2_000, true),
  kept,
)
await tenure.schedule(
  'stubborn',
  { every: 5_000 },
  job(() => 1_500, false),
  kept,
)

// ---- events and commands ----

tenure.on('term:acquired', ({ term: { fencingToken: token, holder } }) => {
  recorder.add({ kind: 'led', token, holder })
  say({ said: 'led', token })
})
tenure.on('term:lost', ({ term: { fencingToken: token }, reason }) => {
  recorder.add({ kind: 'lost', token, reason })
  say({ said: 'lost', token })
})

function block(how: BlockName, ms: number): void {
  const startedMs = nowMs()
  const endMs = startedMs + ms
  if (how === 'look without end') {
    while (nowMs() < endMs) {
      look()
      blocks['Atomics.wait'](1)
    }
  } else blocks[how](ms)
  noteGap(startedMs, Number.MAX_SAFE_INTEGER)
  look()
  say({ said: 'unblocked' })
}

/** What is asked of a leader fails where it has just stopped to be one, or cannot be reached. */
async function settles(asked: Promise<unknown>): Promise<void> {
  await asked.catch(() => {})
  say({ said: 'done' })
}

function obey(command: ApplicationCommand): void {
  switch (command.do) {
    case 'exit':
      return process.exit(0)
    case 'throw':
      return void setImmediate(() => {
        throw new Error('thrown by the application')
      })
    case 'reject':
      return void Promise.reject(new Error('rejected by the application'))
    case 'stop':
      return void stop()
    case 'block':
      return block(command.how, command.ms)
    case 'kill heart':
      return order('die')
    case 'stall heart':
      return order(command.ms)
    case 'resign':
      return void settles(tenure.resign({ coolDown: command.coolDown }))
    case 'request resign':
      return void settles(tenure.requestResign({ coolDown: 500 }))
  }
}

const orders = new BroadcastChannel(orderChannel)
orders.unref()

/** Orders the heart that there is; none that comes later. */
function order(given: Order): void {
  orders.postMessage(given)
}

let stopped = false

/** After this nothing of Tenure keeps the process alive: it ends by itself. */
async function stop(): Promise<void> {
  await tenure.stop()
  stopped = true
  clearInterval(counting)
  process.disconnect?.()
}

process.on('message', obey)
// Without the harness there is nobody who would end this process.
process.on('disconnect', () => {
  if (!stopped) process.exit()
})
const counting = setInterval(() => {
  recorder.add({ kind: 'counted', looks })
  looks = 0
}, 1_000)
await tenure.start()
recorder.add({ kind: 'process', what: 'runs' })
say({ said: 'runs' })
lookOnce()
