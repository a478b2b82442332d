import assert from 'node:assert/strict'

/** One place of the code that is another one. */
export interface Change {
  readonly file: string
  /** The text that is replaced; it occurs exactly once in the file. */
  readonly from: string
  readonly to: string
}

/** A rule, broken by changing one place of the code, or a few. */
export interface Mutant extends Change {
  /** What is wrong, in the words of the rule. */
  readonly what: string
  /** More places that are changed. */
  readonly also?: readonly Change[]
  /** The tests that catch it: those of `test/unit/NAME.test.ts`, or of `test/FOLDER/NAME.test.ts`. */
  readonly suite: string
  /**
   * The tests of that suite that fail, each of them, by their names, or by a part of their names
   * after those of the suites that they are in. Only these are run.
   *
   * @default at least one fails, whichever it is
   */
  readonly test?: string | readonly string[]
  /** A seed with which the simulation catches it as well. */
  readonly seed?: number
}

/** A broken rule that the simulation catches, if no suite of tests does. */
export type SimulatedMutant = Omit<Mutant, 'suite' | 'test'>

/** Whether a suite does nothing but compute: what starts processes must not be cut short. */
export function isQuick({ suite }: Pick<Mutant, 'suite'>): boolean {
  return !suite.includes('/') || suite.startsWith('fuzz/') || suite === 'stores/memory'
}

export function changesOf({ file, from, to, also = [] }: SimulatedMutant): Change[] {
  return [{ file, from, to }, ...also]
}

/** The code of a file with those of the changes that are meant for it. */
export function applyChanges(file: string, code: string, changes: readonly Change[]): string {
  let changed = code
  for (const { from, to, ...change } of changes) {
    if (change.file !== file) continue
    const parts = changed.split(from)
    assert.equal(parts.length, 2, `the text to be changed occurs once in ${file}: ${from}`)
    changed = parts.join(to)
  }
  return changed
}
