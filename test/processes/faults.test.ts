// What a machine lacks, what is thrown, what others have loaded: the application lives on.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'

import type { Hanging } from '../support/hanging-store.ts'
import { atEnd } from '../support/fastify-app.ts'
import { createTestStore, onEachStore, type StoreName } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = join(root, 'test/support/faults.ts')

interface How {
  readonly options?: object
  readonly flags?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Instead of the program. */
  readonly copy?: string
}

/** Runs one application to its end, in which nothing may be uncaught. */
async function runs(
  name: string,
  { options, flags = [], env = {}, cwd, copy = program }: How,
): Promise<string> {
  const args = [...flags, copy, name, JSON.stringify(options)]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ...env },
    timeout: 120_000,
    killSignal: 'SIGKILL',
    ...(cwd !== undefined && { cwd }),
  })
  assert.match(stdout, /^done$/m)
  return stdout
}

async function storeOf(t: TestContext, on: StoreName): Promise<string> {
  const store = await createTestStore(on)
  atEnd(t, () => store.end())
  return store.url
}

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-faults-'))
  atEnd(t, () => rmSync(folder, { recursive: true }))
  return folder
}

onEachStore((on) => {
  describe('the application lives, and its Tenure leads again', { concurrency: 2 }, () => {
    for (const name of [
      'no file for another witness',
      'no file at the start',
      'no thread for another heart',
    ]) {
      test(`where there is ${name}`, { skip: process.platform !== 'linux' }, async (t) => {
        await runs(name, { options: { store: await storeOf(t, on) } })
      })
    }
  })
})

describe('the application lives', { concurrency: 2 }, () => {
  for (const name of [
    'no thread at the start',
    'what cannot be printed is thrown',
    'starts and stops in any order',
    'a start waits for a term that was not drained',
    'many in one process',
  ]) {
    test(name, async (t) => {
      await runs(name, { options: { store: await storeOf(t, 'SQLite') } })
    })
  }

  for (const how of ['open', 'close', 'loop', 'disk'] satisfies Hanging[]) {
    test(`a stop does not wait for a store whose "${how}" hangs`, async (t) => {
      const folder = folderOf(t)
      const [path, flag, pipe] = ['t.db', 'flag', 'pipe'].map((file) => join(folder, file))
      if (how === 'disk') execFileSync('mkfifo', [String(pipe)])
      const module = new URL('../support/hanging-store.ts', import.meta.url).href
      const store = { module, options: { path, how, flag, pipe } }
      const name = 'a thread that does not let go is not waited for'
      await runs(name, { options: { store, drain: 0, witness: false } })
    })
  }
})

onEachStore((on) => {
  test('a leader has loaded at its start what its jobs will need: a deploy may delete its files', async (t) => {
    const folder = folderOf(t)
    for (const name of ['src', 'test/support']) {
      cpSync(join(root, name), join(folder, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
    const options = { store: await storeOf(t, on) }
    const copy = join(folder, 'test/support/faults.ts')
    const env = { RELEASE: join(folder, 'src') }
    await runs('its own files are deleted', { options, env, copy })
  })
})

describe('the thread runs Tenure alone', { concurrency: 2 }, () => {
  /** A file to be loaded before, which notes in which threads it was. */
  function preload(t: TestContext): { folder: string; path: string; threads: () => string[] } {
    const folder = folderOf(t)
    const path = join(folder, 'preload.cjs')
    const noted = join(folder, 'noted')
    writeFileSync(
      path,
      `const { threadId } = require('node:worker_threads')
require('node:fs').appendFileSync(${JSON.stringify(noted)}, threadId + ' ')
if (threadId > 0) { setInterval(() => {}, 1000); require('node:net').createServer().listen(0) }`,
    )
    const threads = (): string[] => readFileSync(noted, 'utf8').trim().split(' ')
    return { folder, path, threads }
  }

  test('what the application has loaded before, by a flag or by NODE_OPTIONS, is not loaded there', async (t) => {
    const { path, threads } = preload(t)
    const options = { store: await storeOf(t, 'SQLite') }
    const { NODE_OPTIONS: given = '' } = process.env
    for (const how of [
      { flags: ['--require', path] },
      { flags: [`--import=${path}`] },
      { env: { NODE_OPTIONS: `${given} --max-old-space-size=200 --require "${path}"` } },
    ]) {
      await runs('leads, and stops', { options, ...how })
    }
    // Once each: neither the thread nor the witness.
    assert.deepEqual(threads(), ['0', '0', '0'])
  })

  test('what finds modules is, if the store may need it, wherever the process has gone to', async (t) => {
    const { folder, threads } = preload(t)
    const store = new URL('../support/hanging-store.ts', import.meta.url).href
    writeFileSync(
      join(folder, 'resolver.mjs'),
      `import './preload.cjs'
import { registerHooks } from 'node:module'
const resolve = (name, context, next) => next(name === 'own:store' ? ${JSON.stringify(store)} : name, context)
registerHooks({ resolve })`,
    )
    writeFileSync(join(folder, 'pnp.cjs'), `process.versions.pnp = '3'; require('./preload.cjs')`)
    const own = {
      module: 'own:store',
      options: { path: join(folder, 't.db'), how: 'none', flag: join(folder, 'none') },
    }
    const cwd = folder
    mkdirSync(join(folder, 'elsewhere'))
    const env = { CHANGE_FOLDER: join(folder, 'elsewhere') }
    const options = { store: own, witness: false }
    await runs('leads, and stops', { flags: ['--import', './resolver.mjs'], options, env, cwd })
    assert.equal(threads().length, 2)
    // Plug'n'Play finds the modules of every store.
    const sqlite = { store: await storeOf(t, 'SQLite'), witness: false }
    await runs('leads, and stops', { flags: ['-r', './pnp.cjs'], options: sqlite, env, cwd })
    assert.equal(threads().length, 4)
  })

  test('a program that is no file, and flags that only the process may have, are no obstacle', async (t) => {
    const options = JSON.stringify({ store: await storeOf(t, 'SQLite') })
    const code = `process.argv.splice(1, 0, 'x', 'leads, and stops', ${JSON.stringify(options)}); process.argv.splice(3 + 1)
await import(${JSON.stringify(program)})`
    const flags = ['--title=x', '--expose-gc', '--input-type=module', '-e', code]
    const { stdout } = await promisify(execFile)(process.execPath, flags, { timeout: 60_000 })
    assert.match(stdout, /^done$/m)
  })

  test('rights hold in it too, and one that is missing is named', async (t) => {
    const options = { store: await storeOf(t, 'SQLite'), witness: false }
    const flags = ['--permission', '--allow-fs-read=*', '--allow-fs-write=*', '--no-warnings']
    await runs('may start no thread', { options, flags })
    await runs('leads, and stops', { options, flags: [...flags, '--allow-worker'] })
    const folder = folderOf(t)
    const module = join(folder, 'store.mjs')
    const may = "process.permission?.has('fs.write')"
    writeFileSync(module, `export function openLeaseStore() { throw 'may write: ' + ${may} }`)
    const readOnly = ['--permission', '--allow-fs-read=*', '--allow-worker', '--no-warnings']
    const own = { store: { module: pathToFileURL(module).href }, witness: false }
    const stdout = await runs('cannot start', { options: own, flags: readOnly })
    assert.match(stdout, /may write: false/)
  })

  test('node --watch', async (t) => {
    const options = { store: await storeOf(t, 'SQLite') }
    const args = ['--watch', program, 'leads, and stops', JSON.stringify(options)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    atEnd(t, async () => {
      child.kill('SIGKILL')
      await ended
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => (output += String(data)))
    }
    await until('it has ended', () => /^done$|Failed running/m.test(output))
    assert.match(output, /^done$/m)
  })
})

test(
  'rights that are given up after the start hold up no stop',
  { skip: process.getuid?.() !== 0 || hiddenFolder() },
  async (t) => {
    const folder = folderOf(t)
    chmodSync(folder, 0o777)
    const options = { store: `sqlite:${join(folder, 't.db')}` }
    await runs('its rights are given up after the start', { options })
  },
)

/** Whoever has given up the rights of root needs to reach the sources; a private folder hides them. */
function hiddenFolder(): string | false {
  for (let path = import.meta.dirname; path !== '/'; path = dirname(path)) {
    if ((statSync(path).mode & 0o005) !== 0o005) return `${path} is closed to other users`
  }
  return false
}
