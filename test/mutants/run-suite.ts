import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

import { environmentWith } from './load-hook.ts'
import { changesOf, isQuick, type Change, type Mutant } from './mutant.ts'
import type { Told } from './reporter.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const reporter = new URL('reporter.ts', import.meta.url).href

/** A suite takes a part of a second, or some seconds with processes; after this one hangs. */
const suiteMsMax = 200_000

/** How the tests of a suite went. */
export interface Outcome {
  readonly passed: ReadonlySet<string>
  readonly failed: ReadonlySet<string>
  /** How its process ended, and what that has said of it. */
  readonly end: string
}

/** The tests that a mutant names; none if it leaves that to its suite. */
export function testsOf({ test = [] }: Pick<Mutant, 'test'>): readonly string[] {
  return typeof test === 'string' ? [test] : test
}

/** Whether a test of this name, or of a part of it, is among some. */
export function hasTest(among: ReadonlySet<string>, name: string): boolean {
  return [...among].some((whole) => whole.includes(name))
}

/** A regular expression for just this text. */
function escape(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)
}

/** Runs the tests of a suite in a process of their own, all of them unless some are named. */
export async function runSuite(
  suite: string,
  changes: readonly Change[],
  tests: readonly string[],
  isEnough: (failed: ReadonlySet<string>) => boolean = () => false,
): Promise<Outcome> {
  const file = `test/${suite.includes('/') ? suite : `unit/${suite}`}.test.ts`
  const patterns = tests.map((name) => `--test-name-pattern=${escape(name)}`)
  const args = [`--test-reporter=${reporter}`, '--test-reporter-destination=stdout', ...patterns]
  const environment = environmentWith(changes)
  // What is cut short removes no folder of its own.
  const folder = isQuick({ suite }) ? mkdtempSync(join(tmpdir(), 'tenure-mutant-')) : undefined
  const child = spawn(process.execPath, [...args, file], {
    cwd: root,
    env: folder === undefined ? environment : { ...environment, TMPDIR: folder },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    timeout: suiteMsMax,
    killSignal: 'SIGKILL',
  })
  const said = text(child.stderr as Readable)
  const exited = once(child, 'exit')
  const passed = new Set<string>()
  const failed = new Set<string>()
  for await (const line of createInterface(child.stdio[3] as Readable)) {
    const told = JSON.parse(line) as Told
    ;(told.passed ? passed : failed).add(told.name)
    if (isEnough(failed) && folder !== undefined) child.kill('SIGKILL')
  }
  const [code, signal] = await exited
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  return { passed, failed, end: `it ended with ${signal ?? code}\n${await said}` }
}

/**
 * Throws unless the tests of its suite catch a mutant.
 *
 * @param known the tests that pass without it: what else fails, such as a file that cannot be
 *   loaded, has caught nothing
 */
export async function assertCaught(mutant: Mutant, known: ReadonlySet<string>): Promise<void> {
  const tests = testsOf(mutant)
  const isCaught = (failed: ReadonlySet<string>): boolean =>
    tests.length === 0 ? failed.size > 0 : tests.every((name) => hasTest(failed, name))
  const { failed, end } = await runSuite(mutant.suite, changesOf(mutant), tests, isCaught)
  assert.ok(isCaught(failed), `these tests have failed: ${[...failed].join(', ')}; ${end}`)
  for (const name of failed) assert.ok(known.has(name), `"${name}" does not pass without it`)
}
