// Runs the seeds that its parent process sends, and sends back how each went.
import { check } from './checkers/check.ts'
import type { Violation } from './history.ts'
import { drawScenario } from './scenario.ts'
import { simulate } from './simulation.ts'

/** What comes back. */
export interface Ran {
  readonly seed: number
  readonly simulatedMs: number
  /** The first of what is wrong, if anything is. */
  readonly violation: Violation | undefined
}

/** What it sends; it is ready once all is loaded, which a variant that is no code never is. */
type Said = 'ready' | Ran

let ran = Promise.resolve()
// Nobody is left who would hear of a seed.
process.on('disconnect', () => process.exit())
process.on('message', (seed: number) => {
  ran = ran.then(async () => {
    const scenario = drawScenario(seed)
    const [violation] = check(await simulate(scenario))
    const result: Said = { seed, simulatedMs: scenario.endMs, violation }
    if (process.connected) process.send?.(result)
  })
})
process.send?.('ready' satisfies Said)
