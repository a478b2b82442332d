import { fork, type ChildProcess } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

import { environmentWith } from '../mutants/load-hook.ts'
import type { Change } from '../mutants/mutant.ts'
import { until } from '../support/until.ts'
import { descendantsOf, endWitness } from '../support/witness.ts'
import type { ApplicationCommand, ApplicationConfig, ApplicationMessage } from './application.ts'

const program = new URL('application.ts', import.meta.url)

/** What all contenders share. */
export interface ContenderParts extends Omit<ApplicationConfig, 'who'> {
  /** What is changed in the code of the instances, where a rule is broken. */
  readonly changes: readonly Change[] | undefined
}

/** Everything takes longer on a busy machine. */
const patienceMs = 120_000

/** One place among the instances: a process, and after its end the next one. */
export class Contender {
  readonly #parts: ContenderParts
  readonly #letter: string
  #life = 0
  #process: ChildProcess | undefined
  #witness: number | undefined
  #exited: Promise<unknown> = Promise.resolve()
  #said: ApplicationMessage[] = []
  /** The newest token that this process has been granted; 0 for none. */
  token = 0
  /** All tokens that this process and those before it have been granted. */
  readonly tokens: number[] = []
  lives = false

  constructor(index: number, parts: ContenderParts) {
    this.#letter = String.fromCodePoint(97 + index)
    this.#parts = parts
  }

  /** The letter and the number of the life. */
  get who(): string {
    return `${this.#letter}${this.#life}`
  }

  start(): void {
    const { changes, ...config } = this.#parts
    this.#life++
    const { who } = this
    const stderr = openSync(join(config.folder, `${who}.log`), 'a')
    // A process group of its own: Ctrl-C is for the campaign, which ends everything.
    const child = fork(program, [JSON.stringify({ ...config, who })], {
      stdio: ['ignore', 'ignore', stderr, 'ipc'],
      detached: true,
      env: changes ? environmentWith(changes) : process.env,
    })
    closeSync(stderr)
    this.#process = child
    this.#said = []
    this.#witness = undefined
    this.token = 0
    this.lives = true
    child.on('message', (message: ApplicationMessage) => {
      this.#said.push(message)
      if (message.said === 'acquired') {
        this.token = message.token
        this.tokens.push(message.token)
      }
      if (message.said === 'started' && child.pid !== undefined) {
        this.#witness = descendantsOf(child.pid)[0]
      }
    })
    child.on('error', () => {})
    this.#exited = new Promise((resolve) => {
      child.on('exit', () => {
        this.lives = false
        resolve(undefined)
      })
    })
  }

  send(command: ApplicationCommand): void {
    if (this.lives && this.#process?.connected === true) this.#process.send(command, () => {})
  }

  signal(name: NodeJS.Signals): void {
    if (this.lives) this.#process?.kill(name)
  }

  endWitness(): void {
    if (this.#witness !== undefined) endWitness(this.#witness)
  }

  /** Waits until it says something; what it has said before does not count, but for a start. */
  async says(what: ApplicationMessage['said']): Promise<void> {
    const from = what === 'started' ? 0 : this.#said.length
    await until(
      `${this.who} says "${what}"`,
      () => {
        if (this.#said.slice(from).some(({ said }) => said === what)) return true
        if (!this.lives) throw new Error(`${this.who} has ended, and never said "${what}"`)
        return false
      },
      patienceMs,
    )
  }

  /** Kills it, whatever its state, and waits for its end. */
  async kill(): Promise<void> {
    this.signal('SIGKILL')
    await this.#exited
  }

  async stop(): Promise<void> {
    if (!this.lives) return
    const stopped = this.says('stopped')
    this.send({ do: 'stop' })
    await stopped
    await until(`${this.who} has ended`, () => !this.lives, patienceMs)
  }

  /** Ends it with its witness, which would go on with its work. */
  async end(): Promise<void> {
    this.endWitness()
    await this.kill()
  }
}
