import { spawn as spawnNow, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

import type { Clock, Timer } from '../clock.ts'
import { detached, shielded, type TellDefect } from '../invariant.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { LogEventName } from '../events.ts'
import type { ResolvedStore } from '../options.ts'
import { faultOfEntry, witnessUrl } from './entry.ts'
import { flagsForWitness, flagsOfProcess, settledPath } from './node-flags.ts'
import { encode, groupLine, quitLine, WitnessPipe, type GuardedGroup } from './witness-pipe.ts'

/** One that ended is started again after this time, doubled each time up to the second one. */
const restartMs = { first: 100, longest: 60_000, longestWithout: 2_000 } as const

/** How long it may take to end, if this process may not end it any more. */
const stopWaitMs = 1_000

/** Of the environment, what Node.js itself reads as it starts. The rest may hold secrets. */
const listsForStart = ['LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'SSL_CERT_DIR'] as const
const pathsForStart = [
  'NODE_EXTRA_CA_CERTS',
  'NODE_ICU_DATA',
  'OPENSSL_CONF',
  'SSL_CERT_FILE',
] as const

/** What the system may lack for a moment. */
const passingCodes: ReadonlySet<string> = new Set(['EAGAIN', 'ENOMEM', 'EMFILE', 'ENFILE'])

/** The descriptor by which a witness has its file, which may be deleted meanwhile, by a deploy say. */
const scriptFd = 4

/** Runs the file that is open there, as that of the path that is the first argument. */
const runScript = `const fs = require('node:fs'), Module = require('node:module')
const path = process.argv[1], text = Buffer.alloc(fs.fstatSync(${scriptFd}).size)
fs.readSync(${scriptFd}, text, 0, text.length, 0)
const script = new Module(path)
script.filename = path
script.paths = Module._nodeModulePaths(require('node:path').dirname(path))
script._compile(text.toString(), path)`

const runsScript = ['--input-type=commonjs', '-e', runScript, '--'] as const

/**
 * What waits, with 2 MB instead of the 50 of Node.js: a shell that keeps the newest line of each
 * kind, ignores what is meant for the group, and outlives this process for as long as it takes to
 * run Node.js, again if that is killed. Its config comes on 3, its lines on stdin, and the command
 * as its arguments. A group of 1 would be all processes that there are; beside one that is not known,
 * because it was being started, nobody else may lead yet.
 *
 * Node.js needs a folder to begin in: that of the process may be deleted by then. It is told of the
 * group as well, because a shell cannot tell one that has ended from one that it may not end.
 */
export const witnessScript = `# Tenure's witness: when its parent process dies, it releases the lease that was held.
trap '' HUP INT QUIT TERM USR1 USR2 TSTP
IFS= read -r config <&3 || exit 0
exec 3<&-
group= held=
while read -r kind word; do
  case $kind in
    group) group=$word ;;
    held) held=$word ;;
    quit) exit 0 ;;
  esac
done
case $group in
  '?') exit 0 ;;
  '' | 1 | 0* | *[!0-9]*) group= ;;
  *) kill -KILL "-$group" ;;
esac
[ -n "$held" ] || exit 0
cd "$PWD" || cd /
for try in 1 2 3; do
  printf '%s\n' "$config" \${group:+"group $group"} "held $held" | "$@" && exit 0
done
`

/** What a witness is made of. */
export interface WitnessDeps {
  readonly mode: 'auto' | 'warm'
  readonly lease: string
  readonly store: ResolvedStore
  readonly clock: Clock
  readonly log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void
  /**
   * The pipe is another one, or gone. Of a pipe that is gone, the number is kept until
   * {@link Witness.letGo} says that nobody writes to it any more.
   */
  readonly changed: (fd: number | undefined) => void
  readonly tellDefect: TellDefect
  /** For tests. @default that of Node.js */
  readonly spawn?: (command: string, args: string[], options: SpawnOptions) => ChildProcess
}

/**
 * The main thread's side of the witness: a child process that sees this process die, and then
 * releases exactly what it held.
 *
 * It sees that by the end of a pipe, whose other end is held by the main thread for as long as there
 * is one: that of the heart's thread, which writes to it, must not look like the end of the process.
 * It has no part in anything else: it holds up neither a heartbeat, nor the event loop, nor the
 * exit.
 */
export class Witness {
  readonly #deps: WitnessDeps
  readonly #groups = new WitnessPipe()
  #child: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  #pipe: Socket | undefined
  #startedMs = 0
  #restarts = 0
  #restartTimer: Timer | undefined
  #stopping = false
  #absence: string | undefined
  /** The file of the package that a witness runs, as long as it may have to be started. */
  #script: number | undefined

  constructor(deps: WitnessDeps) {
    this.#deps = deps
  }

  /** Where the heart writes to. */
  get fd(): number | undefined {
    return this.#child && fdOf(this.#pipe)
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Why there is none. */
  get absence(): string | undefined {
    return this.#absence
  }

  /** Starts it, where it can be; it is ready for lines at once. */
  start(): void {
    const absence = this.#impossibility()
    if (absence === undefined) this.#spawn()
    else this.#absent(absence)
  }

  /** Tells which process group shall end with this process. */
  guard(group: GuardedGroup | undefined): void {
    this.#groups.tell(groupLine(group))
  }

  /** The heart writes to the last pipe no more, so that its number may be used for other files. */
  letGo(): void {
    if (this.#child !== undefined || this.#pipe === undefined) return
    this.#pipe.destroy()
    this.#pipe = undefined
    this.#restartLater()
  }

  /**
   * Ends it. To be called when the heart is over; resolves when nothing of it is left.
   *
   * @param keepMs how long a lease may be held all the same, because the store did not answer: it is
   *   ended only then, and releases that lease if this process ends before
   */
  async stop(keepMs: number = 0): Promise<void> {
    const { clock, tellDefect } = this.#deps
    this.#stopping = true
    this.#restartTimer?.cancel()
    if (keepMs === 0 || this.#child === undefined) return this.#end()
    clock.setTimer(keepMs, () => detached(this.#end(), tellDefect))
  }

  async #end(): Promise<void> {
    const { clock } = this.#deps
    // Not by the end of the pipe: what may still be held is this living process's own affair. A
    // process that has given up its rights since may not end it, but may ask it to end.
    this.#child?.ref()
    this.#groups.tell(quitLine)
    this.#child?.kill('SIGKILL')
    const late = Promise.withResolvers<void>()
    const timer = clock.setTimer(stopWaitMs, late.resolve)
    await Promise.race([this.#ended, late.promise])
    timer.cancel()
    this.#child?.unref()
    this.#pipe?.destroy()
    if (this.#script !== undefined) closeSync(this.#script)
    this.#script = undefined
    this.#absence = 'It has been stopped.'
  }

  #impossibility(): string | undefined {
    if (process.platform === 'win32') return 'Windows has no POSIX shell.'
    if (!isMainThread) {
      return 'Tenure does not run in the main thread of its process, but in one that may end before.'
    }
    // Not imported: a Node.js that has no such module has to say first that it is too old.
    if (process.getBuiltinModule('node:sea').isSea())
      return 'The application is a single executable, and brings no Node.js to run.'
    if (process.permission && !process.permission.has('child')) {
      return 'The permission model of Node.js allows no child processes: see --allow-child-process.'
    }
    return faultOfEntry(witnessUrl(), 'tenure/witness')?.message
  }

  #spawn(): void {
    let config: string
    try {
      config = this.#config()
    } catch (error) {
      // Options of a store of one's own may be shared with a thread, but not with a process.
      const why = `The options of its store cannot be sent to another process: ${messageOf(error)}`
      return this.#absent(why)
    }
    let child: ChildProcess
    try {
      child = this.#spawnChild()
    } catch (error) {
      return this.#failed(error)
    }
    // There are no streams where even the system had no file left for them.
    const [pipe, , , configPipe] = (child.stdio ?? []) as unknown as (Socket | undefined)[]
    // Both may fail when it has ended, of which its own exit tells.
    for (const stream of [pipe, configPipe]) stream?.on('error', () => {}).unref()
    const fd = fdOf(pipe)
    if (child.pid === undefined || pipe === undefined || fd === undefined) {
      const fail = (error: unknown): void => {
        pipe?.destroy()
        configPipe?.destroy()
        this.#failed(error)
      }
      // If it could be started it ends by itself, because it was never told a thing.
      if (child.pid !== undefined) fail(new Error('Node.js does not tell the number of its pipe'))
      else child.once('error', shielded(fail, this.#deps.tellDefect))
      return
    }
    // A signal that may not be sent is such an error, long after the start.
    child.on('error', () => {})
    // Node.js would destroy it as soon as the child ends, while the heart may be about to write.
    child.stdin = null
    configPipe?.end(`${config}\n`, () => configPipe.destroy())
    child.unref()
    this.#child = child
    this.#pipe = pipe
    this.#absence = undefined
    this.#startedMs = this.#deps.clock.monotonicMs()
    this.#ended = new Promise((resolve) => {
      const died = shielded(() => this.#died(), this.#deps.tellDefect)
      child.once('exit', () => {
        configPipe?.destroy()
        died()
        resolve()
      })
    })
    this.#groups.open(fd)
    this.#deps.changed(fd)
  }

  #spawnChild(): ChildProcess {
    const { mode, store, spawn = spawnNow } = this.#deps
    const path = fileURLToPath(witnessUrl())
    const isOneFile = path.endsWith('.cjs')
    if (isOneFile) this.#script ??= openSync(path, 'r')
    const flags = flagsForWitness(flagsOfProcess(), store)
    const node = [process.execPath, ...flags, ...(isOneFile ? runsScript : []), path]
    const [command = '', ...args] =
      mode === 'warm'
        ? [...node, 'wait']
        : ['/bin/sh', '-c', witnessScript, 'tenure-witness', ...node]
    return spawn(command, args, {
      // No output: whoever waits for the end of the application's must not wait for this one.
      stdio: ['pipe', 'ignore', 'ignore', 'pipe', this.#script ?? 'ignore'],
      // A session of its own: Ctrl-C and a terminal that is closed are not meant for it.
      detached: true,
      cwd: folderForStart(),
      env: environmentForStart(),
    })
  }

  #config(): string {
    const { lease, store } = this.#deps
    return encode({ pid: process.pid, lease, store, environment: { ...process.env } })
  }

  #died(): void {
    this.#child = undefined
    this.#groups.open(undefined)
    if (this.#stopping) return
    this.#absence = 'It has ended, and is started again.'
    this.#deps.changed(undefined)
  }

  #restartLater(): void {
    const { clock, log } = this.#deps
    if (clock.monotonicMs() - this.#startedMs > restartMs.longest) this.#restarts = 0
    const message =
      'The witness has ended before this process. Until it runs again, a lease is not released ' +
      'when this process is killed: it expires.'
    log('witness_died', { message, retryMs: this.#spawnLater(restartMs.longest) })
  }

  /** Starts it again after a time that doubles, which it returns. */
  #spawnLater(longestMs: number): number {
    const retryMs = Math.min(restartMs.first * 2 ** this.#restarts++, longestMs)
    this.#restartTimer = this.#deps.clock.setTimer(retryMs, () => this.#spawn())
    return retryMs
  }

  #failed(error: unknown): void {
    if (this.#stopping) return
    const code = codeOf(error)
    const hint = code === 'ENOENT' ? " `witness: 'warm'` needs no shell." : ''
    this.#absent(`It cannot be started: ${messageOf(error)}.${hint}`)
    if (passingCodes.has(code)) this.#spawnLater(restartMs.longestWithout)
  }

  #absent(why: string): void {
    const wasKnown = this.#absence !== undefined
    this.#absence = why
    if (wasKnown) return
    const message =
      `There is no witness: ${why} When this process is killed, its lease has to expire. ` +
      '`witness: false` says that this is meant.'
    this.#deps.log('witness_absent', { message })
  }
}

/** The folder it begins in; `/` if that of this process has been deleted, or renamed. */
function folderForStart(): string {
  try {
    // Node.js remembers the path, and so does not notice.
    const folder = process.cwd()
    return existsSync(folder) ? folder : '/'
  } catch {
    return '/'
  }
}

function environmentForStart(): Record<string, string> {
  const lists = listsForStart.map((name) => [name, process.env[name]] as const)
  const paths = pathsForStart.map((name) => [name, settledPath(process.env[name] ?? '')] as const)
  return Object.fromEntries(
    [...lists, ...paths].filter((entry): entry is [(typeof entry)[0], string] => Boolean(entry[1])),
  )
}

/** The number of a pipe's end, which Node.js has only on its handle. */
function fdOf(pipe: Socket | undefined): number | undefined {
  const handle = (pipe as { _handle?: { fd?: unknown } } | undefined)?._handle
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}
