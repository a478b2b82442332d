// What one look at `tenure.isLeader` costs, beside the two clock reads that it needs.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createTenure } from '../src/index.ts'

const calls = 2_000_000
const rounds = 15

interface Cost {
  readonly ns: number
  /** What a call leaves on the heap. */
  readonly bytesPerCall: number
}

/**
 * The median cost of a call over some rounds, and what it allocates. The young generation is larger
 * than a round can fill (see run.ts), so that the growth of the heap counts every byte.
 */
function costOf(look: () => boolean): Cost {
  for (let i = 0; i < 500_000; i++) look()
  const costs: Cost[] = []
  let seen = 0
  for (let round = 0; round < rounds; round++) {
    globalThis.gc?.()
    const heapBefore = process.memoryUsage().heapUsed
    const startedAt = performance.now()
    for (let i = 0; i < calls; i++) if (look()) seen++
    const ns = ((performance.now() - startedAt) * 1e6) / calls
    costs.push({ ns, bytesPerCall: (process.memoryUsage().heapUsed - heapBefore) / calls })
  }
  if (seen !== 0 && seen !== calls * rounds) throw new Error('the answer has changed meanwhile')
  const median = (key: keyof Cost): number =>
    costs.map((cost) => cost[key]).toSorted((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
  return { ns: median('ns'), bytesPerCall: median('bytesPerCall') }
}

export async function benchIsLeader(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-bench-'))
  const tenure = createTenure({ store: `sqlite:${folder}/tenure.db` })
  const acquired = new Promise((resolve) => tenure.on('term:acquired', resolve))
  await tenure.start()
  await acquired

  const monotonic = costOf(() => performance.now() > 0)
  const wall = costOf(() => Date.now() > 0)
  const clocks = costOf(() => performance.now() + Date.now() > 0)
  const leader = costOf(() => tenure.isLeader)
  const { term } = tenure
  const trusted = costOf(() => term?.isTrusted ?? false)
  await tenure.stop()
  const candidate = costOf(() => tenure.isLeader)
  rmSync(folder, { recursive: true, force: true })

  const row = (name: string, { ns, bytesPerCall }: Cost): string =>
    `${name.padEnd(44)}${ns.toFixed(1).padStart(8)} ns${(ns / clocks.ns).toFixed(2).padStart(8)} x` +
    `${bytesPerCall.toFixed(1).padStart(10)} B` +
    `${Math.max(0, bytesPerCall - clocks.bytesPerCall)
      .toFixed(1)
      .padStart(10)} B`
  console.log(`isLeader: median of ${rounds} rounds of ${calls.toLocaleString('en')} calls`)
  console.log(`${''.padEnd(44)}    a call  to clocks   allocated    of its own`)
  console.log(row('performance.now() alone', monotonic))
  console.log(row('Date.now() alone', wall))
  console.log(row('performance.now() + Date.now()', clocks))
  console.log(row('tenure.isLeader, leading', leader))
  console.log(row('term.isTrusted, leading', trusted))
  console.log(row('tenure.isLeader, not leading', candidate))
  console.log('V8 returns the result of Date.now() in a box of 16 bytes, whoever calls it.')
}
