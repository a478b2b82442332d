// What others have written, printed by the command: nothing that a terminal obeys, and no line that
// nobody has printed. And stdout that nobody reads.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test, type TestContext } from 'node:test'

import { callCli, cliPath, flagsFor, startCli, type Cli } from '../support/cli.ts'
import { atEnd, ownFolder } from '../support/fastify-app.ts'
import { createStoreUnderTest } from '../support/store-under-test.ts'
import { until } from '../support/until.ts'

/** Clears the screen, sets the title, changes the direction of writing, forges a line of our own. */
const evil = [
  '\u001B[2J\u001B]0;title\u0007',
  '\u009B31m\u0085\u007F\b\b\b',
  '\u202Eevil\u2066',
  '\r\ntenure: forged\n{"msg":"forged"}\u2028tenure: forged',
].join('')

const obeyed = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/u

function checkPrinted(text: string): void {
  for (const line of text.split('\n')) {
    assert.doesNotMatch(line, obeyed, JSON.stringify(line))
    assert.doesNotMatch(line, /^(tenure: forged|\{"msg":"forged")/)
  }
}

/** The same for JSON: what a terminal would obey is escaped, and a program gets it as it is. */
function checkJson(text: string): void {
  for (const line of text.split('\n')) {
    assert.doesNotMatch(line, /[\p{Cc}\p{Zl}\p{Zp}]/u, JSON.stringify(line))
    if (line.startsWith('{')) assert.notEqual((JSON.parse(line) as { msg: string }).msg, 'forged')
  }
}

describe('what others have written', { concurrency: 2 }, () => {
  test('into the store does nothing to the terminal of status, watch and resign', async (t) => {
    const { url, path } = await createStoreUnderTest(t, 'SQLite')
    const first = startCli(t, ['run', ...flagsFor(url), '--', 'sleep', '600'])
    await first.said('command_started')
    const database = new DatabaseSync(path, { timeout: 20_000 })
    atEnd(t, () => database.close())
    for (const table of ['tenure_lease', 'tenure_term']) {
      const sql = `UPDATE ${table} SET label = ?, application = ?`
      database.prepare(sql).run(`label ${evil}`, `application ${evil}`)
    }
    database.prepare('UPDATE tenure_term SET reason = ?, ended_at_ms = 1').run(`reason ${evil}`)
    database.prepare('UPDATE tenure_lease SET jobs_hash = ?').run(evil)
    const status = await callCli(t, ['status', '--store', url])
    checkPrinted(status.stdout)
    assert.match(status.stdout, /label {2}?\[2J/)
    checkJson((await callCli(t, ['status', '--store', url, '--json'])).stdout)
    const watches = [['watch'], ['watch', '--json']].map((args) => {
      return startCli(t, [...args, '--store', url])
    })
    await until('both print', () => watches.every(({ stdout }) => stdout !== ''), 60_000)
    const resigned = await callCli(t, ['resign', '--store', url, '--wait', '60s'])
    checkPrinted(resigned.stdout + resigned.stderr)
    for (const watch of watches) watch.process.kill('SIGTERM')
    await Promise.all(watches.map((watch) => watch.exit()))
    checkPrinted(watches[0]?.stdout ?? '')
    checkJson(watches[1]?.stdout ?? '')
  })

  test('into an error, a note or a log line does nothing to the terminal of serve', async (t) => {
    const folder = ownFolder(t)
    const jobs = `export async function jobs(tenure) {
      await tenure.schedule('job', { every: '200ms' }, (run) => {
        run.log.warn({ field: ${JSON.stringify(evil)} }, ${JSON.stringify(evil)})
        run.log.error({ message: ${JSON.stringify(evil)} }, 'told')
        run.progress(0.5, ${JSON.stringify(evil)})
        throw new Error(${JSON.stringify(evil)})
      })
    }`
    writeFileSync(join(folder, 'tenure.jobs.mjs'), jobs)
    const runs: Cli[] = [[], ['--json']].map((args) =>
      startCli(t, ['serve', '--port', '0', '--store', 'memory:', ...args], { cwd: folder }),
    )
    const [text, json] = runs
    assert.ok(text && json)
    for (const cli of runs) {
      await until('the run has failed', () => cli.stderr.includes('run_failed'), 60_000)
      cli.process.kill('SIGTERM')
      assert.equal(await cli.exit(), 0)
    }
    checkPrinted(text.stderr)
    checkJson(json.stderr)
    const broken = `export const jobs = () => { throw new Error(${JSON.stringify(evil)}) }`
    writeFileSync(join(folder, 'broken.mjs'), broken)
    for (const args of [['serve', '--port', '0'], ['jobs']]) {
      const failed = await callCli(t, [...args, 'broken.mjs', '--store', 'memory:'], {
        cwd: folder,
      })
      assert.equal(failed.code, 1)
      checkPrinted(failed.stderr)
    }
  })
})

/** Runs the command in a pipe of a shell's; resolves with what the shell has printed at its end. */
function shell(t: TestContext, line: string): Promise<string> {
  const child = spawn('/bin/sh', ['-c', line], {
    env: { ...process.env, NODE: process.execPath, CLI: cliPath },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let stdout = ''
  child.stdout.on('data', (chunk) => (stdout += String(chunk)))
  let code: number | undefined
  child.on('close', (ended) => (code = ended ?? -1))
  atEnd(t, () => code ?? process.kill(-(child.pid ?? 0), 'SIGKILL'))
  return until(`the end of ${line}`, () => (code === undefined ? undefined : stdout), 60_000)
}

describe('stdout that nobody reads any more', { concurrency: 3 }, () => {
  for (const flags of ['--json', '']) {
    test(`ends tenure watch ${flags}, though nothing changes`, async (t) => {
      const { url } = await createStoreUnderTest(t, 'SQLite')
      const watch = `"$NODE" "$CLI" watch ${flags} --store "${url}"`
      assert.match(await shell(t, `${watch} | head -1`), /nobody/)
      assert.equal(await shell(t, `${watch} | true; echo ended`), 'ended\n')
    })
  }

  test('ends it also where the pipe is a socket, as of a program', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const watch = startCli(t, ['watch', '--json', '--store', url])
    await until('it prints', () => watch.stdout !== '', 60_000)
    watch.process.stdout?.destroy()
    assert.equal(await watch.exit(), 0)
  })

  test('is no failure of any command', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const folder = ownFolder(t)
    writeFileSync(join(folder, 'jobs.mjs'), 'export const jobs = () => {}')
    const lines = ['--help', 'status --help', `status --store ${url}`, `jobs ${folder}/jobs.mjs`]
    for (const line of lines) {
      // What cannot be printed is told by nobody: stderr stays empty.
      const errors = await shell(t, `exec 3>&1; { "$NODE" "$CLI" ${line} 2>&3; } | true`)
      assert.equal(errors, '', line)
    }
  })
})
