// Test runners that people use have to exit by themselves after a Tenure was started and stopped.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

const manifest = JSON.stringify({ type: 'module', private: true })

describe('a run that starts and stops a Tenure exits by itself', { concurrency: 2 }, () => {
  test('Vitest', () =>
    inProject(
      {
        'package.json': manifest,
        'job.test.js': testFile("import { expect, test } from 'vitest'"),
      },
      async (folder) => {
        const output = await runs(folder, [bin('vitest'), 'run', '--root', folder])
        assert.match(output, /1 passed/)
        assert.doesNotMatch(output, /close timed out|hanging/i)
      },
    ))

  test('Jest', () =>
    inProject(
      {
        'package.json': manifest,
        'jest.config.json': JSON.stringify({ transform: {}, testEnvironment: 'node' }),
        'job.test.js': testFile(''),
      },
      async (folder) => {
        const flags = { NODE_OPTIONS: '--experimental-vm-modules' }
        const output = await runs(folder, [bin('jest'), '--rootDir', folder], flags)
        assert.match(output, /1 passed/)
        assert.doesNotMatch(output, /did not exit/)
      },
    ))
})
