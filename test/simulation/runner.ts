import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { environmentWith } from '../mutants/load-hook.ts'
import { changesOf, type Change, type SimulatedMutant } from '../mutants/mutant.ts'
import type { Ran } from './seed-runner.ts'

/** A seed takes a part of a second; one that takes this long never ends. */
const seedMsMax = 120_000

/** A process that runs seeds, one after the other. */
export class SeedRunner {
  readonly #child: ChildProcess
  readonly #ready: Promise<unknown>

  /** @param changes what is changed in the code that they are run on */
  constructor(changes: readonly Change[] = []) {
    const path = fileURLToPath(new URL('seed-runner.ts', import.meta.url))
    const env = environmentWith(changes)
    this.#child = fork(path, { execArgv: [], env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#ready = new Promise((resolve, reject) => {
      this.#child.once('message', resolve)
      this.#child.once('exit', () => reject(new Error('what is to be simulated cannot be loaded')))
    })
  }

  /** Runs a seed. A process that ends or hangs over it is a failure of that seed. */
  async run(seed: number): Promise<Ran> {
    const child = this.#child
    await this.#ready
    return new Promise((resolve) => {
      const fail = (what: string): void => {
        const violation = { rule: 'nothing fails by itself', atMs: 0, who: 'store', what }
        settle({ seed, simulatedMs: 0, violation })
      }
      const onExit = (code: number | null, signal: string | null): void =>
        fail(`the process that ran it has ended with ${signal ?? code}`)
      const timer = setTimeout(() => {
        fail('the seed does not end')
        child.kill('SIGKILL')
      }, seedMsMax)
      const settle = (ran: Ran): void => {
        clearTimeout(timer)
        child.off('message', settle)
        child.off('exit', onExit)
        resolve(ran)
      }
      child.once('message', settle)
      child.once('exit', onExit)
      child.send(seed)
    })
  }

  close(): void {
    this.#child.kill()
  }
}

/** Runs what `next` yields on several processes, until it yields nothing more. */
export async function runSeeds(
  workers: number,
  next: () => number | undefined,
  ran: (ran: Ran) => void,
): Promise<void> {
  const lane = async (): Promise<void> => {
    const runner = new SeedRunner()
    try {
      for (let seed = next(); seed !== undefined; seed = next()) ran(await runner.run(seed))
    } finally {
      runner.close()
    }
  }
  await Promise.all(Array.from({ length: workers }, lane))
}

/** How a broken variant was caught. */
export interface Caught {
  /** How many seeds it took. */
  readonly seeds: number
  readonly ran: Ran
}

/** Runs seeds on a broken variant until one fails; `undefined` if none does. */
export async function catchMutant(
  mutant: SimulatedMutant,
  seeds: Iterable<number>,
): Promise<Caught | undefined> {
  const runner = new SeedRunner(changesOf(mutant))
  let count = 0
  try {
    for (const seed of seeds) {
      count++
      const ran = await runner.run(seed)
      if (ran.violation !== undefined) return { seeds: count, ran }
    }
    return undefined
  } finally {
    runner.close()
  }
}
