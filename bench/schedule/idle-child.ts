// One contender with jobs of which none is due meanwhile, in a process of its own.
import { setTimeout as sleep } from 'node:timers/promises'

import { loadContender, readConfig, say } from './child.ts'
import type { ContenderConfig } from './contender.ts'

/** What this program is told. */
export interface IdleConfig extends ContenderConfig {
  readonly settleMs: number
  readonly measureMs: number
}

/** What a process with jobs needs while none is due, above the same program without a scheduler. */
export interface Idle {
  readonly registrationMs: number
  readonly cpuMsPerMinute: number
  readonly rssBytes: number
  /** Of the main thread, after all garbage was collected. */
  readonly heapBytes: number
}

const config = readConfig() as IdleConfig
const { jobs, settleMs, measureMs } = config
globalThis.gc?.()
const empty = process.memoryUsage()
const note = (): void => {
  throw new Error('expected no job to be due')
}
const contender = await loadContender(note, config)
const startedMs = performance.now()
await contender.register(jobs, 'idle')
const registrationMs = performance.now() - startedMs
say({ kind: 'registered' })
await sleep(settleMs)
globalThis.gc?.()
say({ kind: 'idle' })
const idleMs = performance.now()
const before = process.cpuUsage()
await sleep(measureMs)
const { user, system } = process.cpuUsage(before)
const cpuMsPerMinute = ((user + system) / 1_000 / (performance.now() - idleMs)) * 60_000
globalThis.gc?.()
const { rss, heapUsed } = process.memoryUsage()
const result: Idle = {
  registrationMs,
  cpuMsPerMinute,
  rssBytes: rss - empty.rss,
  heapBytes: heapUsed - empty.heapUsed,
}
say({ kind: 'result', result })
