import { spawn, type ChildProcess } from 'node:child_process'
import type { TestContext } from 'node:test'
import { stripVTControlCharacters } from 'node:util'

import { cliPath, type CliOptions } from './cli.ts'
import { until } from './until.ts'
import { atEnd } from './fastify-app.ts'
import { pathOf } from './programs.ts'

/** Other tests may use all processors at the same time. */
const patienceMs = 60_000

/** The command in a terminal of 30 lines and 100 columns, with a shell's lines after it. */
export class TerminalCli {
  readonly process: ChildProcess
  /** All that the terminal was sent. */
  output = ''
  hasExited = false

  constructor(args: readonly string[], { cwd, env }: CliOptions, after: string) {
    const quoted = [process.execPath, cliPath, ...args].map((arg) => `'${arg}'`).join(' ')
    // Ctrl-C reaches this shell, too; without a trap some end by it, and others do not.
    const line = `trap : INT; stty rows 30 cols 100; ${quoted}; code=$?; ${after}; exit $code`
    this.process = spawn(pathOf('script'), ['-qec', line, '/dev/null'], {
      cwd,
      env: { ...process.env, TERM: 'xterm-256color', NO_COLOR: undefined, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.process.stdout?.on('data', (chunk) => (this.output += String(chunk)))
    this.process.on('close', () => (this.hasExited = true))
  }

  /** The screen as it was drawn last: its lines, without colours. */
  get screen(): string[] {
    const frames = this.output.split('\u001B[H')
    return stripVTControlCharacters(frames.at(-1) ?? '').split(/\r*\n/)
  }

  /** How often the screen was drawn. */
  get drawings(): number {
    return this.output.split('\u001B[H').length - 1
  }

  /** Waits until the screen shows something. */
  async shows(pattern: RegExp): Promise<void> {
    try {
      const what = `the terminal shows ${String(pattern)}`
      await until(what, () => pattern.test(this.screen.join('\n')), patienceMs)
    } catch (cause) {
      throw new Error(`the terminal shows:\n${this.screen.join('\n')}`, { cause })
    }
  }

  type(keys: string): void {
    this.process.stdin?.write(keys)
  }

  /** Waits for its end; resolves with the exit code. */
  async exit(): Promise<number | null> {
    await until('the terminal is closed', () => this.hasExited, patienceMs)
    return this.process.exitCode
  }

  /** Hangs up: what runs in the terminal is told so by the system. */
  async end(): Promise<void> {
    if (this.hasExited) return
    this.process.kill('SIGKILL')
    await this.exit()
  }
}

/** Starts the command in a terminal, which is closed after the test. */
export function startInTerminal(
  t: TestContext,
  args: readonly string[],
  options: CliOptions = {},
  after = ':',
): TerminalCli {
  const terminal = new TerminalCli(args, options, after)
  atEnd(t, () => terminal.end())
  return terminal
}
