import { spawn, type ChildProcess } from 'node:child_process'
import type { TestContext } from 'node:test'

import { until } from './until.ts'
import { atEnd } from './fastify-app.ts'

/** The command's source: the same that the package has under `bin`. */
export const cliPath: string = new URL('../../src/cli/main.ts', import.meta.url).pathname

/** A line that the command says with `--json`. */
export type CliLine = { readonly msg: string } & Readonly<Record<string, unknown>>

/** Other tests may use all processors at the same time. */
const patienceMs = 60_000

/** How the command is called. */
export interface CliOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** What it reads; nothing unless it is given. */
  readonly input?: string
}

/** One call of the command, as a user makes it. */
export class Cli {
  readonly process: ChildProcess
  stdout = ''
  stderr = ''
  /** It has ended, and so has everything that could write to its outputs. */
  hasExited = false
  readonly #exited: Promise<void>

  constructor(args: readonly string[], { cwd, env, input }: CliOptions = {}) {
    this.process = spawn(process.execPath, [cliPath, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    })
    this.process.stdout?.on('data', (chunk) => (this.stdout += String(chunk)))
    this.process.stderr?.on('data', (chunk) => (this.stderr += String(chunk)))
    this.process.stdin?.end(input)
    this.#exited = new Promise((resolve) => this.process.on('exit', () => resolve()))
    this.process.on('close', () => (this.hasExited = true))
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** What it has said on stderr with `--json`; the command's own output stands between the lines. */
  get lines(): CliLine[] {
    return linesOf(this.stderr)
  }

  /** Waits until it says something for the `after + 1`th time. */
  async said(msg: string, after = 0, withinMs = patienceMs): Promise<CliLine> {
    return until(
      `${msg} is said for the ${after + 1}th time`,
      () => {
        const line = this.lines.filter((line) => line.msg === msg)[after]
        if (line === undefined && this.hasExited) throw new Error(`ended:\n${this.stderr}`)
        return line
      },
      withinMs,
    )
  }

  /** Waits for its end; resolves with the exit code, or the signal that ended it. */
  async exit(): Promise<number | NodeJS.Signals> {
    await until(`the end of ${this.process.spawnargs.join(' ')}`, () => this.hasExited, patienceMs)
    return this.process.signalCode ?? this.process.exitCode ?? 0
  }

  /** Ends it, whatever its state. The command that it runs ends with it. */
  async end(): Promise<void> {
    this.process.kill('SIGCONT')
    this.process.kill('SIGKILL')
    await this.#exited
  }
}

/** The lines of JSON in a text. */
export function linesOf(text: string): CliLine[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as CliLine)
}

/** Starts the command, and ends it after the test. */
export function startCli(t: TestContext, args: readonly string[], options: CliOptions = {}): Cli {
  const cli = new Cli(args, options)
  atEnd(t, () => cli.end())
  return cli
}

/** Calls the command, and waits for its end. */
export async function callCli(
  t: TestContext,
  args: readonly string[],
  options: CliOptions = {},
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const cli = startCli(t, args, options)
  const code = await cli.exit()
  return { code, stdout: cli.stdout, stderr: cli.stderr }
}

/** The flags for a store and the short set of times. */
export function flagsFor(url: string): string[] {
  const times = ['--ttl', '6s', '--heartbeat', '2s', '--attempt-timeout', '1s']
  return ['--store', url, ...times, '--json']
}
