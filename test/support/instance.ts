// A process that takes part in a lease, commanded over IPC by test/support/cluster.ts.
import { spawn } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { cpSync, existsSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'

import pg from 'pg'

import {
  createTenure,
  withCorrelationId,
  type JobOptions,
  type Run,
  type Schedule,
  type TenureOptions,
  type WitnessStatus,
} from '../../src/index.ts'
import { blocks, type BlockName } from './blocks.ts'

/** What a handler does that its process has to bear. */
export type Misbehaviour = 'exit' | 'exit while another runs' | 'throw in an abort listener'

/** What the test tells the instance to do. */
export type InstanceCommand =
  | { readonly do: 'block'; readonly how: BlockName; readonly ms: number }
  /** Blocked until there is a file at this path. */
  | { readonly do: 'block until'; readonly path: string }
  | { readonly do: 'exit' | 'throw' | 'reject' | 'end naturally' | 'stop' }
  | { readonly do: 'resign'; readonly coolDown: number }
  | { readonly do: 'beat'; readonly correlationId: string }
  | { readonly do: 'look' | 'wall clock' }
  | { readonly do: 'set environment'; readonly name: string; readonly value: string }
  /** Looks at itself in a busy loop until its process was frozen and goes on. */
  | { readonly do: 'await freeze' }
  /** Opens a pool to the same database, as applications do, and takes all its connections. */
  | { readonly do: 'exhaust pool'; readonly url: string }
  | { readonly do: 'run'; readonly jobId: string; readonly correlationId: string }
  | { readonly do: 'witness' | 'jobs' }
  /** Copies a file or a folder, as an application does that keeps a backup. */
  | { readonly do: 'copy'; readonly from: string; readonly to: string }
  | {
      readonly do: 'store'
      readonly id: string
      readonly every: number
      readonly handler: string
    }
  | { readonly do: 'unstore'; readonly id: string }
  /** Runs a job whose handler does this, and goes on after an uncaught exception, or does not. */
  | { readonly do: 'misbehave'; readonly how: Misbehaviour; readonly survives: boolean }
  /** Starts a command that lives for long, and whether it ends with this process. */
  | { readonly do: 'spawn'; readonly detached: boolean; readonly guarded: boolean }

/** What the instance tells the test. Times are monotonic, common to all processes. */
export type InstanceMessage =
  | {
      readonly said:
        | 'started'
        | 'stopped'
        | 'resigned'
        | 'exhausted'
        | 'caught'
        | 'stored'
        | 'unstored'
    }
  | { readonly said: 'jobs'; readonly ids: readonly string[] }
  | ({ readonly said: 'witness' } & WitnessStatus)
  | { readonly said: 'spawned'; readonly pid: number }
  | { readonly said: 'ended'; readonly outcome: string }
  | { readonly said: 'wall clock'; readonly wallMs: number }
  | { readonly said: 'acquired'; readonly token: number; readonly atMs: number }
  | {
      readonly said: 'lost'
      readonly token: number
      readonly reason: string
      readonly atMs: number
    }
  | { readonly said: 'aborted'; readonly turns: number }
  | {
      readonly said: 'line'
      readonly event: string
      readonly level: string
      readonly fields: Record<string, unknown>
    }
  | {
      readonly said: 'looked'
      readonly isLeader: boolean
      readonly isTrusted: boolean
      readonly token: number | undefined
    }
  /** The event loop was blocked, by the wall clock. */
  | { readonly said: 'blocked'; readonly fromMs: number; readonly untilMs: number }
  | {
      readonly said: 'ran'
      readonly jobId: string
      readonly lateMs: number
      readonly token: number
    }

const say = (message: InstanceMessage): void => void process.send?.(message)
const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** A job that does nothing for a while. */
export interface IdleJob {
  readonly id: string
  readonly schedule: Schedule
  readonly lastsMs: number
  /** In the first term of the lease: so long that it is killed in the middle, however slow we are. */
  readonly lastsMsInFirstTerm?: number
  readonly options: JobOptions<undefined>
}

const options = JSON.parse(process.argv[2] ?? '{}') as TenureOptions & {
  tick?: number
  jobs?: IdleJob[]
  handlers?: string[]
  /** Posts to every thread what is no message of Tenure's. */
  foreign?: boolean
}
const { tick, jobs = [], handlers = [], foreign, ...tenureOptions } = options
if (foreign === true) {
  subscribe('worker_threads', (message) => {
    const { worker } = message as { worker: Worker }
    for (const posted of [null, 'x', [], { kind: 'stop' }]) worker.postMessage(posted)
  })
}
const line =
  (level: string) =>
  (fields: object, event: string): void => {
    const { err, ...plain } = fields as Record<string, unknown>
    say({
      said: 'line',
      level,
      event,
      fields: { ...plain, stack: err instanceof Error ? err.stack : undefined },
    })
  }
const logger = {
  debug: line('debug'),
  info: line('info'),
  warn: line('warn'),
  error: line('error'),
}
const tenure = createTenure({ ...tenureOptions, logger })

tenure.on('term:acquired', ({ term }) => {
  say({ said: 'acquired', token: term.fencingToken, atMs: nowMs() })
})
tenure.on('term:lost', ({ term, reason }) => {
  say({ said: 'lost', token: term.fencingToken, reason, atMs: nowMs() })
})
function note({ jobId, scheduledFor, fencingToken: token }: Run): void {
  say({ said: 'ran', jobId, lateMs: Date.now() - scheduledFor.getTime(), token })
}

if (tick !== undefined) {
  await tenure.schedule('tick', { every: tick }, note, { ledger: false })
}

for (const name of handlers) tenure.handle(name, note)
for (const { id, schedule, lastsMs, lastsMsInFirstTerm = lastsMs, options: jobOptions } of jobs) {
  const handler = (run: Run): Promise<void> =>
    sleep(run.fencingToken === 1 ? lastsMsInFirstTerm : lastsMs)
  await tenure.schedule(id, schedule, handler, jobOptions)
}

/** What the first statement sees. */
function look(): InstanceMessage {
  const isLeader = tenure.isLeader
  const isTrusted = tenure.term?.isTrusted ?? false
  return { said: 'looked', isLeader, isTrusted, token: tenure.term?.fencingToken }
}

/**
 * Spins until time has jumped, which means that the process was stopped in between. It says when the
 * thread of the heart has heard of a renewal: from then on none is under way, for an interval.
 */
function awaitFreeze(): void {
  let before = performance.now()
  let remainingMs = tenure.term?.remainingMs ?? 0
  // A message would wait for the loop that is blocked from here on.
  writeSync(process.stderr.fd, 'spinning\n')
  for (;;) {
    const now = performance.now()
    if (now - before > 1_000) return say(look())
    before = now
    const nextMs = tenure.term?.remainingMs ?? 0
    if (nextMs > remainingMs) writeSync(process.stderr.fd, 'renewed\n')
    remainingMs = nextMs
  }
}

/** Blocks until there is a file. */
function untilThere(path: string): void {
  while (!existsSync(path)) blocks['Atomics.wait'](50)
}

async function block(blockNow: () => void | Promise<void>): Promise<void> {
  const signal = tenure.term?.signal
  let turns = 0
  const count = (): void => {
    if (signal?.aborted) return
    turns++
    setImmediate(count)
  }
  signal?.addEventListener('abort', () => say({ said: 'aborted', turns }), { once: true })
  const fromMs = Date.now()
  const done = blockNow()
  const seen = look()
  say({ said: 'blocked', fromMs, untilMs: Date.now() })
  setImmediate(count)
  await done
  say(seen)
}

async function exhaustPool(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  pool.on('error', () => {})
  await Promise.all([pool.connect(), pool.connect()])
  void pool.connect()
  say({ said: 'exhausted' })
}

function spawnSleeper(detached: boolean, guarded: boolean): void {
  // With the standard streams of this process, as a job that runs a command has it.
  const { pid = 0 } = spawn('/bin/sleep', ['600'], { stdio: 'inherit', detached })
  if (guarded) tenure.guardProcessGroup(pid)
  say({ said: 'spawned', pid })
}

/** Schedules a job that misbehaves, and runs it at once. */
async function misbehave(how: Misbehaviour, survives: boolean): Promise<void> {
  if (survives) process.on('uncaughtException', () => say({ said: 'caught' }))
  const handler = async (run: Run): Promise<void> => {
    if (how === 'exit') process.exit(0)
    if (how === 'exit while another runs') setImmediate(() => process.exit(0))
    await new Promise((_resolve, reject) => {
      run.signal.addEventListener('abort', () => {
        throw new Error('thrown in an abort listener')
      })
      run.signal.addEventListener('abort', () => reject(run.signal.reason as Error))
    })
  }
  await tenure.schedule('other', { every: '1h' }, () => new Promise(() => {}))
  if (how === 'exit while another runs') void tenure.runNow('other')
  await tenure.schedule('bad', { every: '1h' }, handler, { timeout: '50ms' })
  const { outcome } = await tenure.runNow('bad')
  say({ said: 'ended', outcome })
}

process.on('message', (command: InstanceCommand) => {
  switch (command.do) {
    case 'block':
      return void block(() => blocks[command.how](command.ms))
    case 'block until':
      return void block(() => untilThere(command.path))
    case 'exit':
      process.exit(0)
      break
    case 'throw':
      return void setImmediate(() => {
        throw new Error('thrown by the test')
      })
    case 'reject':
      return void Promise.reject(new Error('rejected by the test'))
    case 'end naturally':
      // Work that ignores its signal keeps the lease from being released; when nothing else keeps
      // the process alive it ends by itself, and then the lease is released after all.
      void tenure.whileLeader(() => new Promise(() => {}))
      return void tenure.stop({ drain: 0 }).then(() => process.disconnect?.())
    case 'stop':
      return void tenure.stop().then(() => {
        say({ said: 'stopped' })
        process.disconnect?.()
      })
    case 'resign':
      return void tenure
        .resign({ coolDown: command.coolDown })
        .then(() => say({ said: 'resigned' }))
    case 'beat':
      return void withCorrelationId(command.correlationId, () =>
        tenure.runNow('scheduler_lock_heartbeat'),
      )
    case 'run':
      return void withCorrelationId(command.correlationId, () => tenure.runNow(command.jobId))
    case 'look':
      return say(look())
    case 'set environment':
      process.env[command.name] = command.value
      return
    case 'wall clock':
      return say({ said: 'wall clock', wallMs: Date.now() })
    case 'exhaust pool':
      return void exhaustPool(command.url)
    case 'copy':
      return cpSync(command.from, command.to, { recursive: true })
    case 'witness':
      return void tenure.status().then(({ witness }) => say({ said: 'witness', ...witness }))
    case 'jobs': {
      const own = tenure.jobs().filter(({ system }) => !system)
      return say({ said: 'jobs', ids: own.map(({ id }) => id) })
    }
    case 'store':
      return void tenure.stored
        .schedule(command.id, { every: command.every }, command.handler)
        .then(() => say({ said: 'stored' }))
    case 'unstore':
      return void tenure.stored.unschedule(command.id).then(() => say({ said: 'unstored' }))
    case 'misbehave':
      return void misbehave(command.how, command.survives)
    case 'spawn':
      return spawnSleeper(command.detached, command.guarded)
    case 'await freeze':
      return awaitFreeze()
  }
})

await tenure.start()
say({ said: 'started' })
