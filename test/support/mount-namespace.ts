import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readlinkSync } from 'node:fs'

import { until } from './until.ts'

/**
 * A mount namespace of a test's own, in which it may mount what it likes: nobody else sees it, and
 * it is gone with the process that keeps it.
 */
export class MountNamespace {
  readonly #keeper: ChildProcess

  private constructor(keeper: ChildProcess) {
    this.#keeper = keeper
  }

  static async create(): Promise<MountNamespace> {
    // It ends when its input does, and so with this process.
    const keeper = spawn('unshare', ['--mount', '--propagation', 'private', 'cat'], {
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const ours = readlinkSync('/proc/self/ns/mnt')
    await until('a mount namespace of its own', () => {
      return readlinkSync(`/proc/${keeper.pid}/ns/mnt`) !== ours
    })
    return new MountNamespace(keeper)
  }

  /** The program that starts another one inside. */
  get through(): [string, ...string[]] {
    return ['/usr/bin/nsenter', '--mount', '--target', String(this.#keeper.pid), '--']
  }

  /** Runs a program inside. */
  run(...command: string[]): void {
    const [program, ...args] = this.through
    execFileSync(program, [...args, ...command], { stdio: 'pipe' })
  }

  end(): void {
    this.#keeper.kill()
  }
}

/** Why nothing can be mounted here; `false` if it can. In CI it must. */
export function cannotMount(): string | false {
  try {
    if (!existsSync('/usr/bin/nsenter')) throw new Error('nsenter is missing')
    execFileSync('unshare', ['--mount', '--propagation', 'private', 'true'], { stdio: 'pipe' })
    return false
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    return 'a mount namespace needs root, util-linux and a container that allows it'
  }
}
