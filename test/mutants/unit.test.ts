// Each broken variant of a safety rule is caught by the unit tests.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { mutants, type Mutant } from './mutants.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const suites = [
  'elector',
  'cell',
  'heart-parts',
  'scheduler',
  'server-clock',
  'witness',
  'stores/memory',
]

let folder = ''

/** Copies of the sources and of the tests, in which one place is changed. */
function applied(mutant: Mutant, index: number): string {
  const copy = join(folder, String(index))
  mkdirSync(copy)
  for (const path of ['src', 'test', 'package.json']) {
    cpSync(join(root, path), join(copy, path), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const path = join(copy, mutant.file)
  const code = readFileSync(path, 'utf8')
  const parts = code.split(mutant.from)
  assert.equal(parts.length, 2, `the text to be changed occurs once in ${mutant.file}`)
  writeFileSync(path, parts.join(mutant.to))
  return copy
}

/** How many tests fail, and how many there are. */
function runTests(copy: string): Promise<{ failed: number; passed: number }> {
  const files = suites.map(
    (suite) => `test/${suite.includes('/') ? suite : `unit/${suite}`}.test.ts`,
  )
  const env = { ...process.env, NODE_V8_COVERAGE: undefined, NODE_TEST_CONTEXT: undefined }
  const args = ['--test', '--test-reporter', 'tap', '--test-isolation', 'none', ...files]
  return new Promise((resolve) => {
    const options = { cwd: copy, env, timeout: 60_000, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, args, options, (_error, stdout) => {
      const count = (name: string): number =>
        Number(new RegExp(`^# ${name} (\\d+)`, 'm').exec(stdout)?.[1])
      resolve({ failed: count('fail'), passed: count('pass') })
    })
  })
}

describe('of the broken variants', { concurrency: 2 }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenure-mutants-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('none is needed for the tests to fail: unchanged they pass', async () => {
    const unchanged = {
      what: '',
      file: 'src/lease/term.ts',
      from: 'export const suspendSlackMs',
      to: 'export const suspendSlackMs',
    }
    const { failed, passed } = await runTests(applied(unchanged, mutants.length))
    assert.equal(failed, 0)
    assert.ok(passed > 100)
  })

  for (const [index, mutant] of mutants.entries()) {
    test(`"${mutant.what}" is caught`, async () => {
      const { failed } = await runTests(applied(mutant, index))
      assert.ok(failed > 0, 'no test has failed')
    })
  }
})
