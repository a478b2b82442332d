import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { endProcesses, processesOf, takeAway, type Found } from './leftovers.ts'

/** How often the parent is looked at: `npm` itself may be killed, and tells nobody. */
const lookMs = 500
/** For how long what a test has ended may still be ending. */
const endingMsMax = 5_000
const tryMs = 50

/** What an interrupted command returns: 128 and the number of the signal, as a shell has it. */
const codes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/**
 * A run of the tests, with a folder for all that it writes. However the run ends, also by SIGKILL,
 * a warden beside it takes away what is left: processes, servers and folders.
 */
export class Watch {
  readonly folder = mkdtempSync(join(tmpdir(), 'tenure-tests-'))
  readonly #parent = process.ppid
  readonly #warden: ChildProcess

  constructor() {
    // Servers run as other users, and have to pass through.
    chmodSync(this.folder, 0o711)
    const warden = fileURLToPath(new URL('warden.ts', import.meta.url))
    // In a session of its own: what ends the group of this run must not end it. Its environment does
    // not name the folder yet, by which it finds whom it has to end; nor does that of this process.
    this.#warden = spawn(process.execPath, [warden], {
      stdio: ['pipe', 'ignore', 'inherit'],
      detached: true,
    })
    this.#warden.stdin?.on('error', () => {})
    this.#warden.stdin?.write(`${this.folder}\n`)
    this.#warden.unref()
    process.env['TMPDIR'] = this.folder
    // Most of what processes do that live for a second is to compile the same modules again.
    process.env['NODE_COMPILE_CACHE'] = join(this.folder, 'compiled')
    for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => this.#interrupted(codes[name]))
    }
    setInterval(() => {
      if (process.ppid !== this.#parent) this.#interrupted(codes.SIGHUP)
    }, lookMs).unref()
  }

  /** What is still running though all tests have ended. */
  async whatIsLeft(): Promise<Found[]> {
    for (let waitedMs = 0; ; waitedMs += tryMs) {
      const left = processesOf(this.folder).filter(({ pid }) => pid !== process.pid)
      if (left.length === 0 || waitedMs >= endingMsMax) return left
      await new Promise((resolve) => setTimeout(resolve, tryMs))
    }
  }

  /** Takes away what is left; where something was wrong, its files are kept. */
  end(removes: boolean): void {
    if (removes) return takeAway(this.folder)
    this.#warden.stdin?.write('keep\n')
    endProcesses(this.folder)
    console.log(`What the tests have written is kept in ${this.folder}`)
  }

  /** Nothing goes on meanwhile: no file begins because another one was ended. */
  #interrupted(code: number): void {
    console.log('\nInterrupted: what is running is ended.')
    takeAway(this.folder)
    process.exit(code)
  }
}
