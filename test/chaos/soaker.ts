// One instance of a soak: `node --expose-gc soaker.ts CONFIG`. Renews, runs jobs and hands over, and
// writes what it uses to stdout, a line of JSON each time it is asked.
import { readdirSync } from 'node:fs'

import { createTenure, type TenureOptions } from '../../src/index.ts'

/** What a process uses at an instant, and what it has done until then. */
export interface Sample {
  readonly heapBytes: number
  readonly rssBytes: number
  /** Open files, sockets and pipes. */
  readonly descriptors: number
  /** What the main thread's event loop knows of: timers, sockets, messages. */
  readonly resources: number
  readonly threads: number
  readonly renewals: number
  readonly terms: number
  readonly runs: number
}

const { gc } = globalThis
if (gc === undefined) throw new Error('Expected to be started with --expose-gc.')
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const options = JSON.parse(process.argv[2] ?? '') as TenureOptions
const tenure = createTenure({ ...options, logger: silent })

let renewals = 0
let terms = 0
let runs = 0
tenure.on('term:renewed', () => void renewals++)
tenure.on('term:acquired', () => void terms++)
tenure.on('run:finished', () => void runs++)
await tenure.schedule('job', { every: 100 }, () => {})

function sample(): Sample {
  // Twice: what the first collection finalises is freed by the second one.
  gc?.()
  gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    descriptors: readdirSync('/proc/self/fd').length,
    resources: process.getActiveResourcesInfo().length,
    threads: readdirSync('/proc/self/task').length,
    renewals,
    terms,
    runs,
  }
}

process.on('message', (command: 'sample' | 'resign' | 'stop') => {
  if (command === 'sample') process.send?.(sample())
  else if (command === 'resign') void tenure.resign({ coolDown: 200 })
  else void tenure.stop().then(() => process.disconnect?.())
})
process.on('disconnect', () => process.exit())
await tenure.start()
