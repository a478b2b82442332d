// A guide of docs/guides/, carried out: its files are written as they stand there, and what it shows
// of a terminal is a script. What follows a `$` is done, every other line is waited for.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { createTenure, type EndReason } from '../../src/index.ts'
import { resolveRunning } from '../../src/options.ts'
import { shortSet } from './cluster.ts'
import { atEnd } from './fastify-app.ts'
import { folderOf, toolsOf } from './tools.ts'
import { until } from './until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Other tests run at the same time, and some guides start many processes. */
const withinMs = 60_000

/** What a guide is made of, for a test. */
export interface Guide {
  /** The files that it tells to write, by name: a name in a line of its own, and then the code. */
  readonly files: ReadonlyMap<string, string>
  /** What it shows of a terminal. */
  readonly transcripts: readonly string[]
  /** The packages that it tells to install. */
  readonly packages: readonly string[]
}

/** Reads `docs/guides/{name}.md`. */
export function readGuide(name: string): Guide {
  const text = readFileSync(join(root, `docs/guides/${name}.md`), 'utf8')
  const fences = text.matchAll(/(?:^`([\w./-]+)`\n\n)?^```(\w+)\n(.*?)^```$/gms)
  const files = new Map<string, string>()
  const transcripts: string[] = []
  const packages: string[] = []
  for (const [, file, language, code = ''] of fences) {
    if (file !== undefined) files.set(file, code)
    else if (language === 'console') transcripts.push(code)
    // Anything else would be code that no test runs.
    else assert.equal(language, 'sh', `${name}.md has code without a file name:\n${code}`)
    for (const [, names = ''] of code.matchAll(/^npm install (?:--save-dev )?(.*)$/gm)) {
      packages.push(...names.split(' '))
    }
  }
  return { files, transcripts, packages }
}

/** What a Nest project has before anybody reads a guide. */
export const nestPackages = [
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/platform-express',
  '@types/node',
]

/** Ports (3001) and processes (4001) in a guide: each stands for whatever it is here. */
const inExample = /\b[34]\d{3}\b/g

/** One process that a guide starts, and how it ended. */
export interface Started {
  readonly command: string
  readonly process: ChildProcess
  readonly exited: Promise<number | NodeJS.Signals>
}

/** A folder with the files of a guide in it, and the processes that run there. */
export class GuideProject {
  readonly folder: string
  readonly started: Started[] = []
  /** What all processes have printed, line by line. */
  readonly lines: string[] = []
  /** The environment of what is started. */
  readonly env: NodeJS.ProcessEnv
  readonly #numbers = new Map<string, number>()

  constructor(guide: Guide) {
    // What a process says of its own folder has no symbolic links in it.
    this.folder = realpathSync(mkdtempSync(join(tmpdir(), 'tenure-guide-')))
    const { ttl, heartbeat, attemptTimeout } = shortSet
    this.env = {
      ...process.env,
      NODE_V8_COVERAGE: undefined,
      PATH: `${root}node_modules/.bin:${toolsOf('guides')}/.bin:${process.env['PATH']}`,
      PORT: '0',
      TENURE_TTL: `${ttl}ms`,
      TENURE_HEARTBEAT: `${heartbeat}ms`,
      TENURE_ATTEMPT_TIMEOUT: `${attemptTimeout}ms`,
    }
    assert.ok(existsSync(join(root, 'dist/index.js')), 'npm run build comes first')
    for (const [name, code] of guide.files) this.write(name, code)
    if (!guide.files.has('package.json')) this.write('package.json', '{ "type": "module" }\n')
    for (const name of guide.packages) {
      this.#link(name, name === 'tenure' ? root : folderOf(name, 'guides'))
    }
  }

  /** Writes one file, whose name may begin with folders. */
  write(name: string, text: string): void {
    mkdirSync(dirname(join(this.folder, name)), { recursive: true })
    writeFileSync(join(this.folder, name), text)
  }

  /**
   * Does what a transcript does, and waits for what it shows. In which order lines are printed between
   * two commands does not matter: several processes print them, and their tokens tell the order.
   */
  async follow(transcript: string): Promise<void> {
    for (const line of transcript.split('\n').filter(Boolean)) {
      if (line.startsWith('$ ')) await this.#do(line.slice(2))
      else await this.#hear(line)
    }
  }

  /** The process, or the port, that the guide writes so. */
  number(written: string): number {
    const number = this.#numbers.get(written)
    assert.ok(number !== undefined, `the guide has not shown what ${written} is`)
    return number
  }

  async #do(command: string): Promise<void> {
    const [, signal = '15', pid = ''] = /^kill (?:-(9) )?(\d+)$/.exec(command) ?? []
    const [, port = '', path = ''] = /^curl localhost:(\d+)(\S*)$/.exec(command) ?? []
    if (pid !== '') process.kill(this.number(pid), Number(signal))
    else if (command.endsWith(' &')) this.start(command.slice(0, -2))
    else if (port === '') await this.run(command)
    else {
      const response = await fetch(`http://localhost:${this.number(port)}${path}`)
      this.lines.push(await response.text())
    }
  }

  /** Starts a command that goes on. */
  start(command: string, env: Readonly<Record<string, string>> = {}): Started {
    // The ports of a guide may be taken here; `npx` would look for a registry.
    const plain = command.replace(/^PORT=\d+ /, '').replace(/^npx /, '')
    const child = spawn('sh', ['-c', `exec ${plain}`], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = new Promise<number | NodeJS.Signals>((resolve) => {
      child.on('close', (code, signal) => resolve(signal ?? code ?? 0))
    })
    for (const stream of [child.stdout, child.stderr]) this.#read(stream)
    const started = { command, process: child, exited }
    this.started.push(started)
    return started
  }

  /** Runs a command to its end, which has to be a good one. */
  async run(command: string): Promise<void> {
    const { exited } = this.start(command)
    assert.equal(await exited, 0, `${command}\n${this.output}`)
  }

  /** All that was printed, for a message. */
  get output(): string {
    return this.lines.join('\n')
  }

  /** Waits for the ends of the processes that were started; resolves with how each ended. */
  exits(): Promise<(number | NodeJS.Signals)[]> {
    return Promise.all(this.started.map(({ exited }) => exited))
  }

  /**
   * Checks that all has ended well: no process is left, the lease is free, and whoever ran a job or
   * said that it leads held the lease with that token. Resolves with why each term ended, in order.
   */
  async ended(): Promise<(EndReason | undefined)[]> {
    const printed = new Set(Array.from(this.output.matchAll(/^\[(\d+)\]/gm), ([, pid]) => pid))
    for (const pid of printed) {
      await until(`the end of process ${pid}`, () => !isAlive(Number(pid)), withinMs)
    }
    const tenure = createTenure({ store: `sqlite:${join(this.folder, 'tenure.db')}` })
    const { lease, terms } = await tenure.status()
    await tenure.stop()
    assert.equal(lease, undefined, this.output)

    const holders = new Map(terms.map(({ token, holder }) => [String(token), holder]))
    const claims = Array.from(this.output.matchAll(/^\[(\d+)\] .*, token (\d+)$/gm))
    for (const [line, pid = '', token = ''] of claims) {
      assert.equal(holders.get(token)?.split(':').at(-2), pid, `${line}\n${this.output}`)
    }
    assert.ok(claims.length > 0, this.output)
    return terms.map(({ reason }) => reason).toReversed()
  }

  /** Ends whatever is left, and removes the folder. */
  async end(): Promise<void> {
    for (const { process: child } of this.started) {
      child.kill('SIGKILL')
      // What it has started may hold the other ends, and the close of these is waited for.
      child.stdout?.destroy()
      child.stderr?.destroy()
    }
    await Promise.all(this.started.map(({ exited }) => exited))
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 })
  }

  #link(name: string, target: string): void {
    const link = join(this.folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(target, link)
  }

  #read(stream: NodeJS.ReadableStream): void {
    let rest = ''
    stream.on('data', (chunk) => {
      const parts = (rest + String(chunk)).split('\n')
      rest = parts.pop() ?? ''
      this.lines.push(...parts)
    })
  }

  /** Waits for a line, and learns its numbers. */
  async #hear(expected: string): Promise<void> {
    const written: readonly string[] = expected.match(inExample) ?? []
    const others = [...this.#numbers].filter(([name]) => !written.includes(name))
    const pieces = expected
      .split(inExample)
      .map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    const pattern = new RegExp(`^${pieces.join(String.raw`(\d+)`)}$`)
    const found = await until(
      `${expected}\n${this.output}`,
      () => {
        for (const line of this.lines) {
          const numbers = pattern.exec(line)?.slice(1).map(Number)
          const fits = numbers?.every((number, i) => {
            const known = this.#numbers.get(written[i] ?? '')
            return known === undefined
              ? others.every(([, other]) => other !== number)
              : known === number
          })
          if (fits) return numbers
        }
        return undefined
      },
      withinMs,
    )
    for (const [i, name] of written.entries()) this.#numbers.set(name, found[i] ?? 0)
  }
}

/** How long `stop()` may take with these settings, if jobs go on for as long as they may. */
export function stopMsMax(environment: Readonly<Record<string, string>>): number {
  const { drainMs, stopGraceMs, attemptTimeoutMs } = resolveRunning({}, environment)
  // The release is one attempt, and a heartbeat that is under way comes before it.
  return drainMs + stopGraceMs + 2 * attemptTimeoutMs
}

/** Does this process still run? One that has ended, and that nobody has asked about, does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    if (process.platform !== 'linux') return true
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

/** The project of a guide, whose processes are ended after the test. */
export function openGuide(t: TestContext, guide: Guide): GuideProject {
  const project = new GuideProject(guide)
  atEnd(t, () => project.end())
  return project
}
