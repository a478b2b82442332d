import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { Mutant } from './mutants.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

type Change = Pick<Mutant, 'file' | 'from' | 'to'>

/** Makes a copy of the sources and of the tests, in which these places are changed. */
export function createVariant(copy: string, ...changes: readonly Change[]): string {
  mkdirSync(copy)
  for (const path of ['src', 'test', 'package.json']) {
    cpSync(join(root, path), join(copy, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  for (const { file, from, to } of changes) {
    const path = join(copy, file)
    const code = readFileSync(path, 'utf8')
    const parts = code.split(from)
    assert.equal(parts.length, 2, `the text to be changed occurs once in ${file}`)
    writeFileSync(path, parts.join(to))
  }
  return copy
}
