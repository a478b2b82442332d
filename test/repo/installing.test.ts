// What installs packages before `npm start` and `npm test`: all is there afterwards, or nothing.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { rmSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { until } from '../support/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const installer = join(root, 'scripts/install-missing.mjs')

/** It says that it begins, and ends when it may. */
const script = `
const { appendFileSync, existsSync } = require('node:fs')
appendFileSync(process.env.TEST_BEGUN, 'begun\\n')
setInterval(() => existsSync(process.env.TEST_MAY_END) && process.exit(), 10)
`

interface Ended {
  readonly code: number | null
  readonly stderr: string
}

/** A folder that needs one package, whose install script waits; and those who install into it. */
class Project {
  readonly folder: string
  readonly #outside: string
  readonly #pids: number[] = []

  constructor(t: TestContext) {
    this.#outside = mkdtempSync(join(tmpdir(), 'tenure-install-'))
    this.folder = join(this.#outside, 'project')
    const needed = join(this.#outside, 'needed')
    for (const folder of [this.folder, needed]) mkdirSync(folder)
    const manifest = { name: 'needed', version: '1.0.0', scripts: { install: 'node wait.cjs' } }
    writeFileSync(join(needed, 'package.json'), JSON.stringify(manifest))
    writeFileSync(join(needed, 'wait.cjs'), script)
    execFileSync('npm', ['pack', '--silent', '--ignore-scripts'], { cwd: needed })
    // As seen from the folder within the project where it is installed first.
    const tarball = 'file:../../needed/needed-1.0.0.tgz'
    const dependencies = { needed: tarball }
    const place = { version: '1.0.0', resolved: tarball, hasInstallScript: true }
    const packages = { '': { dependencies }, 'node_modules/needed': place }
    const lock = { name: 'project', lockfileVersion: 3, requires: true, packages }
    this.#write('package.json', { dependencies, allowScripts: { [tarball]: true, needed: true } })
    this.#write('package-lock.json', lock)
    t.after(() => {
      for (const pid of this.#pids) killGroup(pid, 'SIGKILL')
      rmSync(this.#outside, { recursive: true, force: true, maxRetries: 20 })
    })
  }

  /** How often the install script has begun. */
  get begun(): number {
    if (!existsSync(this.#path('begun'))) return 0
    return readFileSync(this.#path('begun'), 'utf8').split('\n').length - 1
  }

  /** Whether the package is there. */
  get isInstalled(): boolean {
    return existsSync(join(this.folder, 'node_modules/needed/package.json'))
  }

  /** Lets the install script end. */
  letEnd(): void {
    writeFileSync(this.#path('may-end'), '')
  }

  /** Starts an installation, in a process group of its own as a terminal does. */
  install(): { readonly pid: number; readonly said: () => string; readonly ended: Promise<Ended> } {
    const env = {
      ...process.env,
      NODE_V8_COVERAGE: undefined,
      TEST_BEGUN: this.#path('begun'),
      TEST_MAY_END: this.#path('may-end'),
      // Nothing is asked of a registry.
      npm_config_registry: 'http://127.0.0.1:1/',
      npm_config_cache: this.#path('cache'),
    }
    const child = spawn(process.execPath, [installer, this.folder], {
      env,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const pid = child.pid ?? 0
    this.#pids.push(pid)
    let stderr = ''
    child.stderr.on('data', (chunk) => (stderr += String(chunk)))
    const ended = new Promise<Ended>((resolve) => {
      child.on('exit', (code) => resolve({ code, stderr }))
    })
    return { pid, said: () => stderr, ended }
  }

  #path(name: string): string {
    return join(this.#outside, name)
  }

  #write(name: string, content: object): void {
    writeFileSync(join(this.folder, name), JSON.stringify(content))
  }
}

function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended.
  }
}

const files = ['package-lock.json', 'package.json']

describe('an installation', { concurrency: 2 }, () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`that ${signal} interrupts says so and leaves nothing; the next one installs all`, async (t) => {
      const project = new Project(t)
      const interrupted = project.install()
      await until('it installs', () => project.begun === 1, 60_000)
      killGroup(interrupted.pid, signal)
      const ended = await interrupted.ended
      assert.match(ended.stderr, /Interrupted: nothing was installed\./)
      assert.equal(ended.code, code)
      assert.deepEqual(readdirSync(project.folder).toSorted(), files)
      project.letEnd()
      assert.equal((await project.install().ended).code, 0)
      assert.deepEqual(readdirSync(project.folder).toSorted(), ['node_modules', ...files])
      assert.ok(project.isInstalled)
    })
  }

  test('that was killed is found and repeated, and what it has left is removed', async (t) => {
    const project = new Project(t)
    const killed = project.install()
    await until('it installs', () => project.begun === 1, 60_000)
    killGroup(killed.pid, 'SIGKILL')
    await killed.ended
    assert.ok(!project.isInstalled)
    project.letEnd()
    assert.equal((await project.install().ended).code, 0)
    assert.ok(project.isInstalled)
    assert.deepEqual(readdirSync(project.folder).toSorted(), ['node_modules', ...files])
  })

  test('waits for another that is under way; what is there is not installed again', async (t) => {
    const project = new Project(t)
    const first = project.install()
    await until('one installs', () => project.begun === 1, 60_000)
    const second = project.install()
    await until('the other waits', () => second.said().includes('waiting for it'), 60_000)
    project.letEnd()
    assert.deepEqual([(await first.ended).code, (await second.ended).code], [0, 0])
    assert.deepEqual(await project.install().ended, { code: 0, stderr: '' })
    assert.equal(project.begun, 1)
    rmSync(join(project.folder, 'node_modules/needed'), { recursive: true })
    assert.equal((await project.install().ended).code, 0)
    assert.ok(project.isInstalled)
  })
})

test('npm start installs each package that the demonstration imports', () => {
  const [, list = ''] = /const demonstration = \[(.*)\]/.exec(readFileSync(installer, 'utf8')) ?? []
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const installed = new Set([...Object.keys(dependencies), ...list.replaceAll("'", '').split(', ')])
  const imported = globSync('{examples,src}/**/*.ts', { cwd: root }).flatMap((path) => {
    // Comments show code of others.
    const code = readFileSync(join(root, path), 'utf8').replaceAll(/^ *(\*|\/\*|\/\/).*$/gm, '')
    return Array.from(code.matchAll(/(?:from|import\()\s*'([^.'][^']*)'/g), ([, name = '']) => name)
  })
  const others = new Set(imported.filter((name) => !isBuiltin(name) && !installed.has(name)))
  assert.deepEqual([...others], [])
})
