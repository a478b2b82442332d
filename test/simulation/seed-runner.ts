// Runs the seeds that its parent process sends, and sends back how each went.
import type { Violation } from './history.ts'

/** What the parent sends. */
export type Ask =
  | { readonly kind: 'seed'; readonly seed: number }
  | { readonly kind: 'break'; readonly mutant: number }

/** What comes back. */
export interface Ran {
  readonly seed: number
  readonly simulatedMs: number
  /** The first of what is wrong, if anything is. */
  readonly violation: Violation | undefined
}

async function run(seed: number): Promise<Ran> {
  // Imported here, so that a broken variant may be put in their place before.
  const { drawScenario } = await import('./scenario.ts')
  const { simulate } = await import('./simulation.ts')
  const { check } = await import('./checkers/check.ts')
  const scenario = drawScenario(seed)
  const [violation] = check(await simulate(scenario))
  return { seed, simulatedMs: scenario.endMs, violation }
}

async function obey(ask: Ask): Promise<void> {
  if (ask.kind === 'seed') {
    const ran = await run(ask.seed)
    if (process.connected) process.send?.(ran)
    return
  }
  const { breakSource } = await import('./broken.ts')
  const { simulatedMutants } = await import('./mutants.ts')
  const mutant = simulatedMutants[ask.mutant]
  if (mutant === undefined) throw new Error(`there is no mutant ${ask.mutant}`)
  breakSource(mutant)
}

let obeyed = Promise.resolve()
// Nobody is left who would hear of a seed.
process.on('disconnect', () => process.exit())
process.on('message', (ask: Ask) => {
  obeyed = obeyed.then(() => obey(ask))
})
