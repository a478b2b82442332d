import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Change } from '../mutants/mutant.ts'
import type { StoreName } from '../support/test-store.ts'
import { Arena } from './arena.ts'
import type { PlantedBug } from './chaos-store.ts'
import { check } from './checkers/check.ts'
import { readHistory, type Fact, type Violation } from './history.ts'
import { drawScript, instances, type ScriptOptions } from './script.ts'
import { createPostgresChaos, createSqliteChaos, type StoreOfChaos } from './store-of-chaos.ts'

/** How a run of chaos is made. */
export interface ChaosOptions extends ScriptOptions {
  /** What is changed in the code that the instances run. @default nothing */
  readonly changes?: readonly Change[]
  readonly bug?: PlantedBug
  /** Ends the run early; what happened until then is checked all the same. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: string) => void
}

/** What a run of chaos has found. */
export interface ChaosReport {
  readonly facts: readonly Fact[]
  readonly violations: readonly Violation[]
  /** Where the history is; the caller removes it, or keeps it. */
  readonly folder: string
}

const progressEveryMs = 1_000

/** Lets instances and a store live through what a seed has drawn, and then judges the history. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { durationMs, signal, changes, bug, onProgress } = options
  const folder = mkdtempSync(join(tmpdir(), 'tenure-chaos-'))
  const script = drawScript(options)
  const store = await createStore(options.store)
  try {
    const arena = new Arena({ store, script, durationMs, folder, changes, bug, signal })
    const startedAtMs = performance.now()
    const progress = setInterval(() => {
      const seconds = Math.round((performance.now() - startedAtMs) / 1_000)
      const { leader, struck } = arena
      const who = leader === undefined ? 'nobody' : `${leader.who} (token ${leader.token})`
      onProgress?.(`${seconds} of ${durationMs / 1_000} s, ${struck} faults, ${who} leads`)
    }, progressEveryMs)
    try {
      await arena.run()
    } finally {
      clearInterval(progress)
    }
  } finally {
    await store.end()
  }
  const facts = readHistory(folder)
  return { facts, violations: check(facts), folder }
}

function createStore(name: StoreName): Promise<StoreOfChaos> | StoreOfChaos {
  return name === 'SQLite' ? createSqliteChaos() : createPostgresChaos(instances)
}
