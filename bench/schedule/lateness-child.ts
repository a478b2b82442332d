// One contender with jobs that are due each second, in a process of its own.
import { setTimeout as sleep } from 'node:timers/promises'

import { loadContender, readConfig, say } from './child.ts'
import type { ContenderConfig } from './contender.ts'
import { Ticks, type Lateness } from './ticks.ts'

/** What this program is told. */
export interface LatenessConfig extends ContenderConfig {
  readonly warmUpMs: number
  readonly measureMs: number
  /** How late a tick may be run and still be counted. */
  readonly lateMsMax: number
}

const config = readConfig() as LatenessConfig
const { jobs, warmUpMs, measureMs, lateMsMax } = config
// From the first registration on, which may take its time, and each tick perhaps twice.
const ticks = new Ticks(jobs, 2 * Math.ceil((120_000 + warmUpMs + measureMs + lateMsMax) / 1_000))
const contender = await loadContender(ticks.note, config)
await contender.register(jobs, 'second')
say({ kind: 'registered' })
await sleep(warmUpMs)
const fromMs = Date.now()
await sleep(measureMs + lateMsMax)
const result: Lateness = ticks.lateness(fromMs, fromMs + measureMs)
say({ kind: 'result', result })
