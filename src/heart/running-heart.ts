import { Worker } from 'node:worker_threads'

import type { Clock, Timer } from '../clock.ts'
import { codeOf, messageOf, TenureError } from '../errors.ts'
import type { ResolvedStore } from '../options.ts'
import { Cell } from './cell.ts'
import { entryUrl, faultOfEntry } from './entry.ts'
import { Heart } from './heart.ts'
import { recordOfError } from './error-record.ts'
import { hearMarked, marked, type Command, type HeartConfig, type Report } from './messages.ts'
import {
  environmentForThread,
  flagsForThread,
  flagsOfProcess,
  withoutRefused,
} from './node-flags.ts'
import { createSystemSurroundings, type Surroundings } from './surroundings.ts'
import type { WorkerData } from './tenure-worker.ts'

/** How long a heart that was ended may take to be gone; a disk may hold it up for ever. */
export const killWaitMs = 250

/** One heart that runs, as the main thread sees it, wherever it runs. */
export interface RunningHeart {
  readonly cell: Cell
  /** Resolves when nothing of it is left: its thread has ended. Never rejects. */
  readonly over: Promise<void>
  send(command: Command): void
  /** Whether it keeps the process alive. */
  keepAlive(keeps: boolean): void
  /** Ends it without a word. */
  kill(): void
}

type Hear = (report: Report) => void

/** Starts a heart; `hear` is given all that it reports. */
export type RunHeart = (config: HeartConfig, clock: Clock, hear: Hear) => RunningHeart

/** Starts a heart where its settings want it. */
export const runHeart: RunHeart = (config, clock, hear) =>
  config.fixed.heartbeatIn === 'thread'
    ? runInThread(config, clock, hear)
    : runInMain(config, createSystemSurroundings(clock), hear)

/** Starts a heart in a worker thread. However that ends, `hear` is told once. */
function runInThread(config: HeartConfig, clock: Clock, hear: Hear): RunningHeart {
  const cell = new Cell(clock)
  const worker = startWorker({ buffer: cell.buffer, config }, config.store)
  let began = false
  let said = false
  const died = (how: string): void => {
    if (said) return
    said = true
    const missing = began ? undefined : faultOfEntry(workerUrl(), 'tenure/worker')
    const error = missing ?? new TenureError('TENURE_ERR_HEART_DIED', `The heart's thread ${how}.`)
    hear({ kind: 'died', error: recordOfError(error) })
  }
  const onMessage = hearMarked((report) => {
    began = true
    const kind = (report as Report | null)?.kind
    if (kind === 'stopped' || kind === 'died') said = true
    hear(report as Report)
  })
  worker.on('message', onMessage)
  worker.on('error', (cause) => died(`has failed: ${messageOf(cause)}`))
  const over = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      died(`has ended with code ${code}`)
      resolve()
    })
  })
  return {
    cell,
    over,
    send: (command) => worker.postMessage(marked(command)),
    keepAlive: (keeps) => (keeps ? worker.ref() : worker.unref()),
    kill() {
      said = true
      worker.off('message', onMessage)
      void worker.terminate().catch(() => {})
    },
  }
}

function workerUrl(): URL {
  return entryUrl('tenure-worker')
}

/**
 * Starts the thread with Tenure's code only: what the application has loaded before, and its
 * `NODE_OPTIONS`, would run there as well, with its timers and its ports.
 */
function startWorker(workerData: WorkerData, store: ResolvedStore): Worker {
  const env = environmentForThread()
  let execArgv = flagsForThread(flagsOfProcess(), store)
  for (;;) {
    try {
      return new Worker(workerUrl(), { name: 'tenure-heart', workerData, env, execArgv })
    } catch (cause) {
      // What a flag changes in a thread in one version of Node.js, it changes in all in another.
      const accepted = withoutRefused(execArgv, cause)
      if (accepted.length === execArgv.length) throw threadError(cause)
      execArgv = accepted
    }
  }
}

function threadError(cause: unknown): TenureError {
  const cure =
    codeOf(cause) === 'ERR_ACCESS_DENIED'
      ? 'With `--permission`, Node.js needs `--allow-worker` as well.'
      : 'The process, its user or its container may be at its limit of threads, files or memory.'
  const why = messageOf(cause).replace(/\.$/, '')
  const message = `Expected a thread for the heartbeat; Node.js started none: ${why}. ${cure}`
  return new TenureError('TENURE_ERR_THREAD', message, { cause })
}

/** Starts a heart in the main thread. */
export function runInMain(
  config: HeartConfig,
  surroundings: Surroundings,
  hear: Hear,
): RunningHeart {
  const { clock } = surroundings
  const cell = new Cell(clock)
  let alive: Timer | undefined
  const keepAlive = (keeps: boolean): void => {
    alive?.cancel()
    alive = keeps ? stayAlive(clock) : undefined
  }
  let end = (): void => {}
  const over = new Promise<void>((resolve) => {
    end = () => {
      keepAlive(false)
      resolve()
    }
  })
  let killed = false
  const heart = new Heart({
    ...surroundings,
    config,
    cell,
    watchesMainThread: false,
    report(report) {
      // In a turn of its own, as a message between threads is: what hears it may command at once.
      void Promise.resolve().then(() => {
        if (killed) return
        if (report.kind === 'stopped' || report.kind === 'died') end()
        hear(report)
      })
    },
    kill: () => {},
  })
  void heart.start()
  return {
    cell,
    over,
    send: (command) => heart.command(command),
    keepAlive,
    kill() {
      killed = true
      heart.kill()
      end()
    },
  }
}

/** Keeps the process alive, as a worker thread does, until it is cancelled. */
function stayAlive(clock: Clock): Timer {
  const hourMs = 3_600_000
  let timer: Timer
  const again = (): void => {
    timer = clock.setTimer(hourMs, again, { keepAlive: true })
  }
  again()
  return { cancel: () => timer.cancel() }
}
