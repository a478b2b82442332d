// Many candidates in one process, each with a thread and a connection of its own, that hand the
// lease over again and again: `node crowd.ts URL CANDIDATES HANDOVERS`. Prints what it saw.
import { once } from 'node:events'

import { createTenure, type Tenure } from '../../src/index.ts'

/** What a crowd prints at its end. */
export interface CrowdReport {
  readonly tokens: readonly number[]
  /** From the call of `resign` to the moment in which another one knows that it leads. */
  readonly handoverMs: readonly number[]
  /** The most that were trusted, or said that they lead, at any look. */
  readonly trustedMax: number
  readonly leadersMax: number
  readonly looks: number
  /** Calls of the store during the handovers, over all candidates. */
  readonly calls: number
}

const [url = '', candidates = '', handovers = ''] = process.argv.slice(2)
const counter = new SharedArrayBuffer(4)
const module = new URL('./counting-store.ts', import.meta.url)
// Each waits for the process to exit, and there are many.
process.setMaxListeners(0)
const silent = { debug() {}, info() {}, warn() {}, error() {} }

const crowd = Array.from({ length: Number(candidates) }, (_, index) =>
  createTenure({
    store: { module, options: { url, counter } },
    label: String(index),
    // The counter is shared by the threads of this process, and with no other process.
    witness: false,
    logger: silent,
  }),
)
const acquired: { tenure: Tenure; token: number; atMs: number }[] = []
for (const tenure of crowd) {
  tenure.on('term:acquired', ({ term }) => {
    acquired.push({ tenure, token: term.fencingToken, atMs: performance.now() })
    process.emit('SIGUSR2')
  })
}

let trustedMax = 0
let leadersMax = 0
let looks = 0
const look = (): void => {
  looks++
  trustedMax = Math.max(trustedMax, crowd.filter(({ term }) => term?.isTrusted).length)
  leadersMax = Math.max(leadersMax, crowd.filter(({ isLeader }) => isLeader).length)
  timer = setImmediate(look)
}
let timer = setImmediate(look)

/** Waits until somebody has acquired the lease for the n-th time. */
async function acquisition(count: number): Promise<{ tenure: Tenure; atMs: number }> {
  while (acquired.length < count) await once(process, 'SIGUSR2')
  const found = acquired[count - 1]
  if (found === undefined) throw new Error('it was just there')
  return found
}

await Promise.all(crowd.map((tenure) => tenure.start()))
let leader = await acquisition(1)
const callsBefore = Atomics.load(new Int32Array(counter), 0)
const handoverMs: number[] = []
for (let round = 1; round <= Number(handovers); round++) {
  const startedAtMs = performance.now()
  const resigned = leader.tenure.resign({ coolDown: 500 })
  leader = await acquisition(round + 1)
  handoverMs.push(leader.atMs - startedAtMs)
  await resigned
}
const calls = Atomics.load(new Int32Array(counter), 0) - callsBefore
const tokens = acquired.map(({ token }) => token)
await Promise.all(crowd.map((tenure) => tenure.stop()))
clearImmediate(timer)
const report: CrowdReport = { tokens, handoverMs, trustedMax, leadersMax, looks, calls }
console.log(JSON.stringify(report))
