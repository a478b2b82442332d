import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Clears up after a launcher that was killed itself: a process on a pipe, whose end means that the
 * launcher is gone. It then ends the instances, of which a frozen or hung one could not do so by
 * itself, and removes the folder.
 */
export class Cleaner {
  readonly #child: ChildProcess

  constructor(folder: string) {
    const script = fileURLToPath(new URL('cleaner-process.ts', import.meta.url))
    this.#child = spawn(process.execPath, [script, folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      // In a group of its own: Ctrl-C in the terminal is for the launcher.
      detached: true,
    })
    this.#child.stdin?.on('error', () => {})
  }

  add(pid: number): void {
    this.#child.stdin?.write(`add ${pid}\n`)
  }

  remove(pid: number): void {
    this.#child.stdin?.write(`remove ${pid}\n`)
  }

  /** All is clean: it ends without doing anything. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.stdin?.end('done\n')
    await exit
  }
}
