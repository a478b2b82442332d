import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'

import { sleep, type Clock } from '../../clock.ts'

/** How often the end of a group is looked for: at first, and at most. */
const lookMs = { first: 5, longest: 100 }

/** What a shell says of a command that has died of a signal. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

/** The command could not be started. */
export class StartError extends Error {
  /** What a shell would exit with: 127 if there is no such command, 126 if it cannot be run. */
  readonly exitCode: 126 | 127

  constructor(command: string, cause: NodeJS.ErrnoException) {
    const missing = cause.code === 'ENOENT'
    const why = missing ? 'there is no such command, or no such folder' : (cause.code ?? 'failed')
    super(`cannot start ${JSON.stringify(command)}: ${why}`, { cause })
    this.exitCode = missing ? 127 : 126
  }
}

/**
 * A command and everything that it starts, in a process group (and a terminal's session) of its
 * own, so that all of it can be signalled together. What leaves the group, such as by `setsid`, is
 * out of reach.
 */
export class CommandGroup {
  readonly pid: number
  /** The exit code of the command itself, as a shell says it, when that has ended. */
  readonly ended: Promise<number>
  readonly #child: ChildProcess
  readonly #clock: Clock

  private constructor(child: ChildProcess, pid: number, clock: Clock) {
    this.#child = child
    this.pid = pid
    this.#clock = clock
    // Of a signal that it may not be sent, having become another user's.
    child.on('error', () => {})
    this.ended = once(child, 'exit').then(([code, signal]) => exitCodeOf(code, signal))
  }

  /** Starts a command, with this process's own input and outputs. @throws StartError */
  static async start(
    [command = '', ...args]: readonly string[],
    env: NodeJS.ProcessEnv,
    clock: Clock,
  ): Promise<CommandGroup> {
    // Detached: libuv calls setsid(2) in the child, before the command is run.
    const options = { stdio: 'inherit', env, detached: true } as const
    try {
      const child = spawn(command, args, options)
      if (child.pid !== undefined) return new CommandGroup(child, child.pid, clock)
      // Some errors come later, and some are thrown at once.
      throw (await once(child, 'error'))[0]
    } catch (error) {
      throw new StartError(command, error as NodeJS.ErrnoException)
    }
  }

  /** Sends a signal to all processes of the group. */
  signal(name: NodeJS.Signals): void {
    signalUnlessGone(-this.pid, name)
  }

  /** Sends a signal to the command alone. */
  signalCommand(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Resolves when no process of the group is left. */
  async gone(): Promise<void> {
    const never = new AbortController().signal
    for (let waitMs = lookMs.first; !isGone(this.pid); waitMs *= 2) {
      await sleep(this.#clock, Math.min(waitMs, lookMs.longest), never)
    }
  }
}

function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? 1) : exitCodeOfSignal(signal)
}

function signalUnlessGone(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    // EPERM: all that is left has become another user's, and cannot be reached.
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/**
 * Whether a group has no process any more. One that has ended counts as gone, though the system
 * remembers it until its parent has asked for its exit code (`Z`): in a container whose first
 * process never asks, that is for ever.
 */
function isGone(group: number): boolean {
  try {
    process.kill(-group, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  return process.platform === 'linux' && membersOf(group).length === 0
}

/** The processes of a group that run, by proc(5). */
function membersOf(group: number): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return Number(processGroup) === group && state !== 'Z' && state !== 'X'
    } catch {
      // It has ended meanwhile.
      return false
    }
  })
}
