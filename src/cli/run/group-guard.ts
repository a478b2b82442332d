import { spawn, type ChildProcess } from 'node:child_process'

/**
 * Reads the group, and then waits for a word that all is well. What it gets instead when the
 * writing process dies, in whatever way, is the end of the pipe: then it kills the group.
 */
const script = `trap '' HUP INT QUIT TERM
IFS= read -r group || exit 0
read -r word || kill -KILL "-$group"`

/**
 * Sees to it that a command does not outlive `tenure run`, also where that is killed and can do
 * nothing any more (SIGKILL, the OOM killer): a shell that waits at a pipe, 1 MB.
 */
export class GroupGuard {
  readonly #shell: ChildProcess

  /** @param onMissing there is no shell: nothing is guarded */
  constructor(onMissing: (error: Error) => void) {
    // In a process group of its own, and anywhere but in a folder that somebody may want to remove.
    this.#shell = spawn('/bin/sh', ['-c', script, 'tenure-guard'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: {},
    })
    this.#shell.on('error', onMissing)
    // Written to a guard that somebody has killed.
    this.#shell.stdin?.on('error', () => {})
    this.#shell.unref()
  }

  /** Guards a group from now on. */
  watch(group: number): void {
    this.#shell.stdin?.write(`${group}\n`)
  }

  /** The group is gone: nothing is to be killed any more. */
  dismiss(): void {
    this.#shell.stdin?.end('gone\n')
  }
}
