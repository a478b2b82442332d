// The code in the README is run as it stands, with the package as it is built.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const [service = '', guard = ''] = [
  ...readFileSync(join(root, 'README.md'), 'utf8').matchAll(/```js\n([\s\S]*?)```/g),
].map(([, code]) => code)

/** Runs a program in a project that has the package installed, until it prints what is awaited. */
async function runUntil(
  code: string,
  awaited: RegExp,
  then: (match: RegExpExecArray, end: (signal: NodeJS.Signals) => void) => Promise<void>,
): Promise<number | null> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-readme-'))
  try {
    mkdirSync(join(folder, 'node_modules'))
    for (const name of ['fastify', 'fastify-plugin']) {
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name))
    }
    symlinkSync(root, join(folder, 'node_modules/tenure'))
    writeFileSync(join(folder, 'service.mjs'), code)
    const program = spawn(process.execPath, ['service.mjs'], {
      cwd: folder,
      env: { ...process.env, PORT: '0', NODE_V8_COVERAGE: undefined },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 30_000,
    })
    const exited = new Promise<number | null>((resolve) => program.on('exit', resolve))
    let output = ''
    const match = await new Promise<RegExpExecArray>((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        output += String(chunk)
        const found = awaited.exec(output)
        if (found) resolve(found)
      }
      program.stdout.on('data', look)
      program.stderr.on('data', look)
      void exited.then(() => reject(new Error(`the program has ended:\n${output}`)))
    })
    await then(match, (signal) => program.kill(signal))
    return await exited
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('the README', () => {
  test('the service runs as it stands, leads, and ends on SIGTERM', async () => {
    assert.ok(service.split('\n').filter(Boolean).length <= 26, 'about twenty lines')
    const code = await runUntil(
      service,
      /listening at (http:\/\/127\.0\.0\.1:\d+)/,
      async ([, url], end) => {
        let leader: unknown
        for (let tries = 0; tries < 500 && leader !== true; tries++) {
          ;({ leader } = (await (await fetch(`${url}/`)).json()) as { leader: boolean })
        }
        assert.equal(leader, true)
        assert.equal((await fetch(`${url}/tenure/health`)).status, 200)
        end('SIGTERM')
      },
    )
    assert.equal(code, 0)
  })

  test('the guard of an existing cron job runs it on the leader', async () => {
    // A cron library that is always due.
    const prelude = `
      const cron = { schedule: (_expression, job) => setInterval(job, 10) }
      const nightly = () => console.log('nightly has run')
    `
    assert.ok(guard.split('\n').filter(Boolean).length <= 6)
    const [imports = '', ...rest] = guard.split('\n\n')
    const code = `${imports}\n${prelude}\n${rest.join('\n\n')}`
    await runUntil(code, /nightly has run/, async (_match, end) => end('SIGKILL'))
  })
})
