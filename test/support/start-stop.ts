// Starts and stops a Tenure many times, at random moments, and says what is left afterwards.
import { readdirSync } from 'node:fs'

import { createTenure } from '../../src/index.ts'
import { descendantsOf } from './witness.ts'

const [path = '', times = '0', lanes = '1'] = process.argv.slice(2)
const logger = { debug() {}, info() {}, warn() {}, error: console.error }

/** What a Tenure could leave behind. */
async function left(): Promise<Record<string, number>> {
  // What has been closed is gone in one of the next turns of the loop.
  for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
  const resources: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  return {
    ...resources,
    threads: readdirSync('/proc/self/task').length,
    descriptors: readdirSync('/proc/self/fd').length,
    children: descendantsOf(process.pid).length,
    exitListeners: process.listenerCount('exit'),
    warningListeners: process.listenerCount('warning'),
  }
}

let led = 0

async function cycle(lane: number, untilItLeads: boolean): Promise<void> {
  const tenure = createTenure({ store: `sqlite:${path}`, lease: `lane-${lane}`, logger })
  const leads = new Promise<void>((resolve) => {
    tenure.on('term:acquired', () => {
      led++
      resolve()
    })
  })
  await tenure.schedule('job', { every: 10 }, () => {})
  const starting = tenure.start()
  // From the first instruction of the thread up to some heartbeats of it.
  const moment = Math.random()
  if (untilItLeads) await starting.then(() => leads)
  else if (moment > 0.2) await new Promise((resolve) => setTimeout(resolve, moment * 60))
  const stopping = tenure.stop()
  if (moment > 0.9) await Promise.all([tenure.stop(), tenure.start().then(() => tenure.stop())])
  await Promise.all([starting, stopping])
}

// Once around, so that everything that is loaded once has been loaded.
await cycle(-1, true)
const before = await left()
let started = 0
await Promise.all(
  Array.from({ length: Number(lanes) }, async (_, lane) => {
    while (started < Number(times)) await cycle(lane, started++ % 4 === 0)
  }),
)
process.stdout.write(JSON.stringify({ before, after: await left(), led }))
