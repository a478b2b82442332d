// Test runners that people use have to exit by themselves after a Tenure was started and stopped,
// and run what docs/testing.md shows, as it stands there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const bin = (name: string): string => join(root, 'node_modules/.bin', name)

/** What somebody's own test looks like: it uses the package as it is built. */
function testFile(imports: string): string {
  return `${imports}
import { createTenure } from 'tenure'
import { tmpdir } from 'node:os'

test('leads, runs a job and stops', async () => {
  const tenure = createTenure({ store: 'sqlite:' + tmpdir() + '/tenure-runner-' + process.pid + '.db' })
  const acquired = new Promise((resolve) => tenure.on('term:acquired', resolve))
  let ran = 0
  await tenure.schedule('job', { every: '1h' }, () => { ran++ })
  await tenure.start()
  await acquired
  expect(tenure.isLeader).toBe(true)
  await tenure.runNow('job')
  expect(ran).toBe(1)
  await tenure.stop()
  expect(tenure.isLeader).toBe(false)
})
`
}

const [jobs = '', jobsTest = ''] = [
  ...readFileSync(join(root, 'docs/testing.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/g),
].map(([, code]) => code)

const importOfTest = "import { test } from 'node:test'"

/** The job and the test of docs/testing.md, for a test runner whose `test` comes from elsewhere. */
function documented(imports: string): Record<string, string> {
  assert.ok(jobsTest.includes(importOfTest))
  return { 'jobs.js': jobs, 'jobs.test.js': jobsTest.replace(importOfTest, imports) }
}

/** The example in the comment of `createTestTenure`. */
function exampleOfComment(): string {
  const source = readFileSync(join(root, 'src/testing/test-tenure.ts'), 'utf8')
  const example = /```ts\n([\s\S]*?)```/.exec(source)?.[1] ?? ''
  assert.ok(example.includes('createTestTenure('))
  return example.replace(/^ \* ?/gm, '')
}

async function inProject(
  files: Record<string, string>,
  work: (folder: string) => Promise<void>,
): Promise<void> {
  assert.ok(existsSync(join(root, 'dist/index.js')), 'npm run build comes first')
  const folder = mkdtempSync(join(tmpdir(), 'tenure-runner-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    symlinkSync(root, join(folder, 'node_modules/tenure'))
    symlinkSync(join(root, 'node_modules/vitest'), join(folder, 'node_modules/vitest'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a command that has to exit by itself: one that hangs is killed, and fails the test. */
async function runs(folder: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: folder,
    env: { ...process.env, NODE_V8_COVERAGE: undefined, CI: 'true', ...env },
    timeout: 120_000,
  })
  return stdout + stderr
}

/** Other tests may use all processors at the same time. */
const patience = '--testTimeout=60000'

const manifest = JSON.stringify({ type: 'module', private: true })
const withModules = { NODE_OPTIONS: '--experimental-vm-modules' }
const jestConfig = JSON.stringify({ transform: {}, testEnvironment: 'node' })

describe('a run that starts and stops a Tenure exits by itself', { concurrency: 2 }, () => {
  test('node:test', () =>
    inProject(
      {
        'package.json': manifest,
        ...documented(importOfTest),
        'comment.test.js': exampleOfComment(),
      },
      async (folder) => {
        // Without this the inner runner takes itself for a part of this one.
        const output = await runs(folder, ['--test'], { NODE_TEST_CONTEXT: undefined })
        assert.match(output, /pass 3\n/)
        assert.match(output, /fail 0\n/)
      },
    ))

  test('Vitest', () => {
    const imports = "import { expect, test } from 'vitest'"
    const files = {
      'package.json': manifest,
      'real.test.js': testFile(imports),
      ...documented("import { test } from 'vitest'"),
    }
    return inProject(files, async (folder) => {
      const output = await runs(folder, [bin('vitest'), 'run', '--root', folder, patience])
      assert.match(output, /3 passed/)
      assert.doesNotMatch(output, /close timed out|hanging/i)
    })
  })

  test('Jest', () =>
    inProject(
      {
        'package.json': manifest,
        'jest.config.json': jestConfig,
        'real.test.js': testFile(''),
        ...documented(''),
      },
      async (folder) => {
        const output = await runs(folder, [bin('jest'), '--rootDir', folder, patience], withModules)
        assert.match(output, /Tests: +3 passed/)
        assert.doesNotMatch(output, /did not exit/)
      },
    ))

  test('Jest with tests in CommonJS and faked timers', () => {
    const code = `
const { createTestTenure } = require('tenure/testing')

test('leads, and its time passes', async () => {
  jest.useFakeTimers()
  const tenure = createTestTenure()
  let runs = 0
  await tenure.schedule('job', { every: '1m' }, () => void runs++)
  await tenure.start()
  await tenure.advance('3m')
  expect(runs).toBe(3)
  await tenure.stop()
})
`
    const files = {
      'package.json': '{"private":true}',
      'jest.config.json': jestConfig,
      'job.test.js': code,
    }
    return inProject(files, async (folder) => {
      const output = await runs(folder, [bin('jest'), '--rootDir', folder, patience], withModules)
      assert.match(output, /Tests: +1 passed/)
      assert.doesNotMatch(output, /did not exit/)
    })
  })
})
