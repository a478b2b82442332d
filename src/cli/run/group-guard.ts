import { spawn, type ChildProcess } from 'node:child_process'

/**
 * Reads the holder, the group, and then a word that all is well. What it gets instead when the
 * writing process dies, in whatever way, is the end of the pipe: then it kills the group.
 *
 * Where the end comes before the group, that process died while it was starting the command, which
 * may be about to begin: it is found, on Linux, by the holder in its environment.
 */
const script = `trap '' HUP INT QUIT TERM
IFS= read -r holder || exit
if IFS= read -r group; then
  read -r word || kill -KILL "-$group"
  exit
fi
for try in 1 2 3 4 5 6 7 8 9 10; do
  for file in $(grep -lsF "TENURE_HOLDER=$holder" /proc/[0-9]*/environ); do
    pid=\${file#/proc/}
    pid=\${pid%/environ}
    kill -KILL "-$pid"
    kill -KILL "$pid"
  done
  sleep 0.2
done`

/**
 * Sees to it that a command does not outlive `tenure run`, also where that is killed and can do
 * nothing any more (SIGKILL, the OOM killer): a shell that waits at a pipe, 1 MB.
 */
export class GroupGuard {
  readonly #shell: ChildProcess

  /**
   * @param holder stands in the environment of the command that is going to be started
   * @param onMissing there is no shell: nothing is guarded
   */
  constructor(holder: string, onMissing: (error: Error) => void) {
    // In a process group of its own, and anywhere but in a folder that somebody may want to remove.
    this.#shell = spawn('/bin/sh', ['-c', script, 'tenure-guard'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
      env: { PATH: process.env['PATH'] },
    })
    this.#shell.on('error', onMissing)
    // Written to a guard that somebody has killed.
    this.#shell.stdin?.on('error', () => {})
    this.#shell.unref()
    this.#shell.stdin?.write(`${holder}\n`)
  }

  /** Guards a group from now on. */
  watch(group: number): void {
    this.#shell.stdin?.write(`${group}\n`)
  }

  /** There is nothing to be killed any more. */
  dismiss(): void {
    // Twice, because no group has been named if the command could not be started.
    this.#shell.stdin?.end('gone\ngone\n')
  }
}
