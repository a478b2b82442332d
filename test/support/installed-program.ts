import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A program in a project of its own, which has the package installed as it is built. */
export class InstalledProgram {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'tenure-program-'))
  readonly process: ChildProcess
  /** Its code, once it has ended. */
  readonly exited: Promise<number | null>
  #output = ''

  /** @param packages what is installed beside Tenure */
  constructor(code: string, packages: readonly string[], env: NodeJS.ProcessEnv = {}) {
    mkdirSync(join(this.folder, 'node_modules'))
    for (const name of packages) {
      symlinkSync(join(root, 'node_modules', name), join(this.folder, 'node_modules', name))
    }
    symlinkSync(root, join(this.folder, 'node_modules/tenure'))
    writeFileSync(join(this.folder, 'program.mjs'), code)
    this.process = spawn(process.execPath, ['program.mjs'], {
      cwd: this.folder,
      env: { ...process.env, NODE_V8_COVERAGE: undefined, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
    })
    const hear = (chunk: Buffer): void => void (this.#output += String(chunk))
    this.process.stdout?.on('data', hear)
    this.process.stderr?.on('data', hear)
    this.exited = new Promise((resolve) => this.process.on('exit', resolve))
  }

  /** What it has printed; throws if it has ended. */
  get output(): string {
    const { exitCode, signalCode } = this.process
    if (exitCode === null && signalCode === null) return this.#output
    throw new Error(`the program has ended:\n${this.#output}`)
  }

  /** Ends it, if it has not, and removes its project. */
  async end(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.exited
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 })
  }
}
