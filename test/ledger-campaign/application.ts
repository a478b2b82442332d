// One instance of the campaign: `node application.ts CONFIG`, commanded over IPC. Each call of a
// handler is written to a file before anything else: what is there survives the process.
import { existsSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { createTenure, type TenureOptions } from '../../src/index.ts'
import type { Start } from './checks.ts'
import { drawJobs, type DrawOptions } from './jobs.ts'

/** What an instance is started with. */
export interface ApplicationConfig {
  /** The letter of the instance and the number of its life, such as `b2`. */
  readonly who: string
  /** Where it writes what it has started. */
  readonly folder: string
  /** What draws its jobs, the same ones on each instance. */
  readonly draw: DrawOptions
  readonly options: TenureOptions
}

/** What the campaign tells the instance to do. */
export type ApplicationCommand =
  | { readonly do: 'resign'; readonly coolDown: number }
  /** Blocks the event loop until there is such a file. */
  | { readonly do: 'block'; readonly until: string }
  /** Says so in the middle of the next run. */
  | { readonly do: 'tell of a run' }
  | { readonly do: 'stop' }

/** What the instance tells the campaign. */
export type ApplicationMessage =
  | { readonly said: 'started' | 'in a run' | 'unblocked' | 'stopped' }
  | { readonly said: 'acquired'; readonly token: number }

/** A block ends by itself after so long, if nobody ends it. */
const blockMsMax = 120_000
/** Runs that take so long are in their middle for long enough to be killed there. */
const longRunMsMin = 300

const config = JSON.parse(process.argv[2] ?? '') as ApplicationConfig
const { who, folder, draw, options } = config
const starts = openSync(join(folder, `${who}.starts`), 'a')
const lines = openSync(join(folder, `${who}.log`), 'a')
const say = (message: ApplicationMessage): void => {
  if (process.connected) process.send?.(message)
}
/** What is told of each run would be too much; the ledger says it. */
const untold = /^run_(?:started|finished|failed|retry|skipped|abandoned)$/
const line = (fields: object, event: string): void => {
  if (untold.test(event)) return
  writeSync(lines, `${JSON.stringify({ at: new Date(), event, ...fields })}\n`)
}
const tenure = createTenure({
  ...options,
  label: who,
  logger: { debug() {}, info: line, warn: line, error: line },
})
let tellsOfRun = false
let stopping = false

for (const { id, schedule, options: jobOptions, lastsMs, obeys, failures } of drawJobs(draw)) {
  await tenure.schedule(
    id,
    schedule,
    async (run) => {
      const { id: runId, jobId, attempt, fencingToken: token, signal } = run
      const start: Start = { runId, jobId, tickMs: run.scheduledFor.getTime(), attempt, token, who }
      writeSync(starts, `${JSON.stringify(start)}\n`)
      if (tellsOfRun && lastsMs >= longRunMsMin) {
        tellsOfRun = false
        say({ said: 'in a run' })
      }
      await sleep(lastsMs, undefined, obeys ? { signal } : {})
      if (attempt <= failures) throw new Error('it fails, as drawn')
    },
    jobOptions,
  )
}

function block(until: string): void {
  const never = new Int32Array(new SharedArrayBuffer(4))
  const endMs = performance.now() + blockMsMax
  while (!existsSync(until) && performance.now() < endMs) Atomics.wait(never, 0, 0, 50)
  say({ said: 'unblocked' })
}

async function stop(): Promise<void> {
  await tenure.stop({ drain: '20s' })
  say({ said: 'stopped' })
  process.disconnect?.()
}

tenure.on('term:acquired', ({ term }) => say({ said: 'acquired', token: term.fencingToken }))
process.on('message', (command: ApplicationCommand) => {
  switch (command.do) {
    case 'resign':
      // It may have just lost its term.
      return void tenure.resign({ coolDown: command.coolDown }).catch(() => {})
    case 'block':
      return block(command.until)
    case 'tell of a run':
      tellsOfRun = true
      return
    case 'stop':
      stopping = true
      return void stop()
  }
})
// Without the campaign there is nobody who would end this process.
process.on('disconnect', () => {
  if (!stopping) process.exit()
})
await tenure.start()
say({ said: 'started' })
