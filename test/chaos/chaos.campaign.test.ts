// A share of chaos for the campaigns; `npm run chaos` does it for as long as one likes.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'

import { onEachStore, type StoreName } from '../support/test-store.ts'
import { runChaos, type ChaosOptions } from './chaos.ts'
import { type Fact, ofKind, type Violation } from './history.ts'
import { describeViolation } from './report.ts'

const shareMs = 18_000
const fixedSeed = 4

interface Outcome {
  readonly facts: readonly Fact[]
  readonly violations: readonly Violation[]
}

/** One run; its history is removed where that is as it should be. */
async function chaos(t: TestContext, options: ChaosOptions, broken: boolean): Promise<Outcome> {
  const { facts, violations, folder } = await runChaos(options)
  if (violations.length > 0 === broken) rmSync(folder, { recursive: true })
  else t.diagnostic(`the history: ${folder}`)
  return { facts, violations }
}

/** A busy machine may leave a fault nothing to be done to: then it is tried again with another seed. */
const triesMax = 5

/** The instances break this rule, at one of a few seeds. */
async function breaks(
  t: TestContext,
  rule: string,
  options: Omit<ChaosOptions, 'seed' | 'durationMs' | 'onLeader' | 'everyMs'>,
): Promise<void> {
  for (let tries = 0; tries < triesMax; tries++) {
    const seed = fixedSeed + tries
    const draw = { seed, durationMs: shareMs, onLeader: 1, everyMs: [4_000, 6_000] as const }
    const { violations } = await chaos(t, { ...options, ...draw }, true)
    if (violations.some((violation) => violation.rule === rule)) return
  }
  assert.fail(`nothing was found at ${triesMax} seeds`)
}

/** The instances live through it, and no rule is broken. */
async function survives(t: TestContext, store: StoreName, seed: number): Promise<void> {
  const { facts, violations } = await chaos(t, { store, seed, durationMs: shareMs }, false)
  const name = store === 'SQLite' ? 'sqlite' : 'postgres'
  const command = `npm run chaos -- --seed ${seed} --minutes ${shareMs / 60_000} --store ${name}`
  t.diagnostic(`on ${store}: ${ofKind(facts, 'led').length} terms; ${command}`)
  const [first] = violations
  assert.equal(first, undefined, first && `${describeViolation(first, facts)}\n${command}`)
  assert.ok(ofKind(facts, 'led').length > 0, 'somebody has led')
  assert.ok(ofKind(facts, 'run-ended').length > 0, 'jobs have run')
  assert.ok(
    ofKind(facts, 'fault-over').some(({ missed }) => !missed),
    'faults were done',
  )
}

onEachStore((store) => {
  describe('five instances, and all that goes wrong with them and their store', () => {
    test('break no rule: a fixed seed', (t) => survives(t, store, fixedSeed))

    test('break no rule: a fresh seed', (t) =>
      survives(t, store, Math.floor(Math.random() * 2 ** 31)))
  })

  describe('a planted bug is found', { concurrency: 2 }, () => {
    test('in the store: it renews by name', (t) =>
      breaks(t, 'nobody trusts a term a ttl after a newer token was handed out', {
        store,
        bug: 'renew by name',
        only: ['lease taken'],
      }))

    test('in the cell: trust never runs out', (t) =>
      breaks(t, 'trusted tokens never go back in time', {
        store,
        changes: [
          {
            file: 'src/heart/cell.ts',
            from: 'return Math.max(0, this.#hardFenceAfterMs -',
            to: 'return Math.max(1, this.#hardFenceAfterMs -',
          },
        ],
        only: ['heart stands still'],
        lastsMs: [6_000, 8_000],
      }))
  })
})
