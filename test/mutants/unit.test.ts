// Each broken variant of a safety rule is caught by the unit tests.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import { ledgerMutants } from './ledger-mutants.ts'
import { mayLeadMutants } from './may-lead-mutants.ts'
import { storedMutants } from './stored-mutants.ts'
import { mutants } from './mutants.ts'
import { createVariant } from './variant.ts'

const suites = [
  'elector',
  'cell',
  'heart-parts',
  'heart-thread',
  'leadership',
  'scheduler',
  'scheduler-clock',
  'cron',
  'job-options',
  'changing-jobs',
  'handlers',
  'server-clock',
  'stores/memory',
]

/** The tests of the ledger, which only its own rules need. */
const ledgerSuites = ['scheduler-ledger', 'bookkeeper', 'overdue', 'ledger-client']

/** The tests of which instance may lead, likewise. */
const mayLeadSuites = ['elector', 'jobs-comparison', 'start-failures', 'who-may-lead']

/** The tests of jobs that are stored while the application runs. */
const storedSuites = ['stored-jobs']

let folder = ''

/** How many tests fail, and how many there are. */
function runTests(
  copy: string,
  names: readonly string[],
): Promise<{ failed: number; passed: number }> {
  const files = names.map(
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
    const { failed, passed } = await runTests(createVariant(join(folder, 'unchanged'), unchanged), [
      ...suites,
      ...ledgerSuites,
      ...mayLeadSuites.filter((suite) => !suites.includes(suite)),
      ...storedSuites,
    ])
    assert.equal(failed, 0)
    assert.ok(passed > 100)
  })

  const cases = [
    ...mutants.map((mutant) => ({ mutant, names: suites })),
    ...ledgerMutants.map((mutant) => ({ mutant, names: ledgerSuites })),
    ...mayLeadMutants.map((mutant) => ({ mutant, names: mayLeadSuites })),
    ...storedMutants.map((mutant) => ({ mutant, names: storedSuites })),
  ]
  for (const [index, { mutant, names }] of cases.entries()) {
    test(`"${mutant.what}" is caught`, async () => {
      const copy = createVariant(join(folder, String(index)), mutant)
      const { failed } = await runTests(copy, names)
      assert.ok(failed > 0, 'no test has failed')
    })
  }
})
