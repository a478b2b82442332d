import { fork, type ChildProcess } from 'node:child_process'
import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import type { TenureOptions } from '../../src/index.ts'
import { environmentWith } from '../mutants/load-hook.ts'
import type { Change } from '../mutants/mutant.ts'
import { missing, pathOf } from '../support/programs.ts'
import { until } from '../support/until.ts'
import type { ApplicationCommand, ApplicationConfig, ApplicationMessage } from './application.ts'
import type { PlantedBug } from './chaos-store.ts'
import type { Recorder } from './history.ts'

const program = new URL('application.ts', import.meta.url)

/** What all members share. */
export interface MemberParts {
  /** Where the histories are. */
  readonly folder: string
  readonly resourcePath: string
  readonly recorder: Recorder
  readonly urlFor: (index: number) => string
  readonly options: Omit<TenureOptions, 'store' | 'logger'>
  /** What is changed in the code of the instances, where a bug is planted. */
  readonly changes: readonly Change[] | undefined
  readonly bug: PlantedBug | undefined
}

/** One place among the instances: a process, and after its end the next one. */
export class Member {
  readonly index: number
  readonly #parts: MemberParts
  readonly #clockPath: string
  #life = 0
  #process: ChildProcess | undefined
  #exited: Promise<void> = Promise.resolve()
  #hasExited = true
  /** How the process was asked to end: its exit code or signal. */
  #asked: string | undefined
  #runs = false
  /** The token of the term that this instance has told of, until it told of its end. */
  token: number | undefined
  readonly #said = new Map<ApplicationMessage['said'], number>()

  constructor(index: number, parts: MemberParts) {
    this.index = index
    this.#parts = parts
    this.#clockPath = join(parts.folder, `${this.letter}.clock`)
  }

  get letter(): string {
    return String.fromCodePoint(97 + this.index)
  }

  /** The letter and the number of the life. */
  get who(): string {
    return `${this.letter}${this.#life}`
  }

  get lives(): boolean {
    return !this.#hasExited
  }

  /** Whether it lives and can be told something. */
  get runs(): boolean {
    return this.lives && this.#runs
  }

  /** Only for the last ones can the wall clock be moved: it makes every look at it slow. */
  get hasOwnClock(): boolean {
    return this.index >= 3 && missing('libfaketime') === false
  }

  start(): void {
    const { folder, resourcePath, recorder, urlFor, options, changes, bug } = this.#parts
    this.#life++
    const { who } = this
    const url = urlFor(this.index)
    const config: ApplicationConfig = { who, folder, resourcePath, url, bug, options }
    this.moveClock(0)
    const stderrPath = join(folder, `${who}.stderr`)
    const stderr = openSync(stderrPath, 'a')
    const child = fork(program, [JSON.stringify(config)], {
      stdio: ['ignore', 'ignore', stderr, 'ipc'],
      // A process group of its own: Ctrl-C is for the harness, which ends everything.
      detached: true,
      env: { ...(changes ? environmentWith(changes) : process.env), ...this.#clockEnvironment() },
    })
    closeSync(stderr)
    recorder.add({ kind: 'process', what: 'starts' }, { who })
    this.#process = child
    this.#hasExited = false
    this.#asked = undefined
    this.#runs = false
    this.token = undefined
    this.#said.clear()
    child.on('message', (message: ApplicationMessage) => this.#hear(message))
    child.on('error', () => {})
    this.#exited = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        this.#hasExited = true
        this.token = undefined
        const how = String(signal ?? code)
        const asked = this.#asked
        recorder.add({ kind: 'process', what: 'is gone', how, asked }, { who })
        const text = readFileSync(stderrPath, 'utf8')
        if (text !== '') recorder.add({ kind: 'stderr', text }, { who })
        resolve()
      })
    })
  }

  /** Tells the instance something; false if there is nobody to tell. */
  send(command: ApplicationCommand): boolean {
    if (!this.runs || this.#process?.connected !== true) return false
    this.#process.send(command, () => {})
    return true
  }

  signal(name: NodeJS.Signals): void {
    if (this.lives) this.#process?.kill(name)
  }

  /** Kills the child processes of the instance, and counts them. Linux only. */
  killChildren(): number {
    const pid = this.#process?.pid
    if (pid === undefined || !this.lives) return 0
    try {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
      const pids = children.split(' ').filter(Boolean).map(Number)
      for (const child of pids) process.kill(child, 'SIGKILL')
      return pids.length
    } catch {
      // It, or they, have ended just now.
      return 0
    }
  }

  /** From here on the end of the process is no violation, if it ends like this. */
  mayEnd(how: string): void {
    this.#asked = how
  }

  /** Waits until it is gone; whatever its state, it is killed after `patienceMs`. */
  async ends(patienceMs: number): Promise<boolean> {
    let inTime = true
    const timer = setTimeout(() => {
      inTime = false
      this.#asked = 'SIGKILL'
      this.signal('SIGKILL')
    }, patienceMs)
    await this.#exited
    clearTimeout(timer)
    return inTime
  }

  async whenRuns(): Promise<void> {
    await until(`${this.who} runs`, () => this.#runs || this.#hasExited)
  }

  /** Waits until it has said something once more, or is gone. */
  async says(what: ApplicationMessage['said'], withinMs: number): Promise<boolean> {
    const before = this.#said.get(what) ?? 0
    const { who } = this
    try {
      const said = (): boolean => (this.#said.get(what) ?? 0) > before
      await until(what, () => said() || this.#hasExited || this.who !== who, withinMs)
      return true
    } catch {
      return false
    }
  }

  /** Sets the wall clock of the process so far forward, or back. */
  moveClock(seconds: number): void {
    if (!this.hasOwnClock) return
    // It is read at any time, so that it has to be whole at any time.
    const next = `${this.#clockPath}.next`
    writeFileSync(next, `${seconds >= 0 ? '+' : ''}${seconds}`)
    renameSync(next, this.#clockPath)
  }

  #clockEnvironment(): NodeJS.ProcessEnv {
    if (!this.hasOwnClock) return {}
    return {
      LD_PRELOAD: pathOf('libfaketime'),
      FAKETIME_TIMESTAMP_FILE: this.#clockPath,
      FAKETIME_NO_CACHE: '1',
      // Without this, libfaketime moves the monotonic clock as well.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    }
  }

  #hear(message: ApplicationMessage): void {
    this.#said.set(message.said, (this.#said.get(message.said) ?? 0) + 1)
    if (message.said === 'runs') this.#runs = true
    if (message.said === 'led') this.token = message.token
    if (message.said === 'lost' && this.token === message.token) this.token = undefined
  }
}
