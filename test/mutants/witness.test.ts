// Each broken variant of a rule of the witness is caught, by the unit tests or by one on processes.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { createVariant } from './variant.ts'
import { witnessMutants } from './witness-mutants.ts'

const unitTests = ['test/unit/witness.test.ts']
const processTests = ['test/processes/witness.test.ts', 'test/processes/witness-manners.test.ts']

let folder = ''

/** How many tests of this name fail, and how many pass. */
function runTests(copy: string, name?: RegExp): Promise<{ failed: number; passed: number }> {
  const env = { ...process.env, NODE_V8_COVERAGE: undefined, NODE_TEST_CONTEXT: undefined }
  const pattern = name === undefined ? [] : ['--test-name-pattern', name.source]
  const files = name === undefined ? unitTests : processTests
  const args = ['--test', '--test-reporter', 'tap', ...pattern, ...files]
  return new Promise((resolve) => {
    const options = { cwd: copy, env, timeout: 200_000, killSignal: 'SIGKILL' } as const
    execFile(process.execPath, args, options, (_error, stdout) => {
      const count = (word: string): number =>
        Number(new RegExp(`^# ${word} (\\d+)`, 'm').exec(stdout)?.[1])
      resolve({ failed: count('fail'), passed: count('pass') })
    })
  })
}

describe('of the broken variants of the witness', { concurrency: 2 }, () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenure-witness-mutants-'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  test('none is needed for the tests to fail: unchanged they pass', async () => {
    const copy = createVariant(join(folder, 'unchanged'))
    const { failed, passed } = await runTests(copy)
    assert.equal(failed, 0)
    assert.ok(passed > 15)
    const names = new Set(witnessMutants.flatMap(({ processTest }) => processTest?.source ?? []))
    const outcome = await runTests(copy, new RegExp([...names].join('|')))
    assert.equal(outcome.failed, 0)
    assert.ok(outcome.passed >= names.size)
  })

  for (const [index, mutant] of witnessMutants.entries()) {
    test(`"${mutant.what}" is caught`, async () => {
      const changes = mutant.also === undefined ? [mutant] : [mutant, mutant.also]
      const copy = createVariant(join(folder, String(index)), ...changes)
      const { failed } = await runTests(copy, mutant.processTest)
      assert.ok(failed > 0, 'no test has failed')
    })
  }
})
