import assert from 'node:assert/strict'
import { fork, type ChildProcess } from 'node:child_process'

import type { TenureOptions } from '../../src/index.ts'
import type { LeaseReading, LeaseStore } from '../../src/store/lease-store.ts'
import { faultOfLine } from './check-line.ts'
import type { IdleJob, InstanceCommand, InstanceMessage } from './instance.ts'
import type { PostgresServer } from './postgres-server.ts'
import { createTestStore, type StoreName, type TestStore } from './test-store.ts'
import { until } from './until.ts'
import { descendantsOf, endWitness } from './witness.ts'

/** The short set: the shortest times that the documentation names. */
export const shortSet = { ttl: 6_000, heartbeat: 2_000, attemptTimeout: 1_000 } as const

/** A set of three seconds, for tests that have to wait for a ttl to pass. */
export const threeSeconds = { ttl: 3_000, heartbeat: 800, attemptTimeout: 600 } as const

type Said<Kind extends InstanceMessage['said']> = Extract<InstanceMessage, { said: Kind }>

/** How an instance is started. */
export interface SpawnOptions {
  readonly env?: NodeJS.ProcessEnv
  /** Permissions of files count, also where the tests run as root. */
  readonly unprivileged?: boolean
  /** Flags of its Node.js. */
  readonly flags?: readonly string[]
  /** In a process group of its own. */
  readonly detached?: boolean
  /** A program that becomes the instance, with its arguments. */
  readonly through?: readonly [program: string, ...args: string[]] | undefined
}

/** How Node.js is started by another program. */
function startedBy([program, ...args]: readonly [string, ...string[]]): {
  execPath: string
  execArgv: string[]
} {
  return { execPath: program, execArgv: [...args, process.execPath] }
}

/** Root may read and write every file, unless it has given up that very privilege. */
function withoutPrivileges(): { execPath?: string; execArgv?: string[] } {
  if (process.getuid?.() !== 0) return {}
  const set = '--bounding-set=-dac_override,-dac_read_search'
  return { execPath: '/usr/bin/setpriv', execArgv: [set, process.execPath] }
}

/** One process that takes part in the lease. */
export class Instance {
  readonly label: string
  readonly process: ChildProcess
  readonly messages: InstanceMessage[] = []
  /** What is wrong with the lines that it has logged. */
  readonly faults: string[] = []
  stderr = ''
  /** Its witness, from when it has started; it has no other children then. */
  witness: number | undefined
  readonly exited: Promise<number | null>
  hasExited = false

  constructor(label: string, options: object, spawn: SpawnOptions) {
    this.label = label
    const path = new URL('./instance.ts', import.meta.url).pathname
    this.process = fork(path, [JSON.stringify({ label, ...options })], {
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      env: { ...process.env, ...spawn.env },
      detached: spawn.detached ?? false,
      ...(spawn.flags && { execArgv: [...spawn.flags] }),
      ...(spawn.unprivileged ? withoutPrivileges() : {}),
      ...(spawn.through && startedBy(spawn.through)),
    })
    this.process.on('message', (message: InstanceMessage) => {
      this.messages.push(message)
      if (message.said === 'started') this.witness = descendantsOf(this.pid)[0]
      if (message.said === 'witness') this.witness = message.pid
      if (message.said !== 'line') return
      const fault = faultOfLine(message.event, message.level, message.fields)
      if (fault !== undefined) this.faults.push(fault)
    })
    this.process.stderr?.on('data', (chunk) => (this.stderr += String(chunk)))
    this.exited = new Promise((resolve) => {
      this.process.on('exit', (code) => {
        this.hasExited = true
        resolve(code)
      })
    })
  }

  get pid(): number {
    if (this.process.pid === undefined) throw new Error(`${this.label} has not been started`)
    return this.process.pid
  }

  send(command: InstanceCommand): void {
    this.process.send(command)
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name)
  }

  said<Kind extends InstanceMessage['said']>(kind: Kind): Said<Kind>[] {
    return this.messages.filter((message): message is Said<Kind> => message.said === kind)
  }

  /** The log lines of one kind. */
  lines(event: string): Said<'line'>[] {
    return this.said('line').filter((line) => line.event === event)
  }

  /** Waits until the instance says something; what it has said before counts from `after` on. */
  async next<Kind extends InstanceMessage['said']>(
    kind: Kind,
    options: { after?: number; withinMs?: number } = {},
  ): Promise<Said<Kind>> {
    const { after = 0, withinMs } = options
    const what = `${this.label} says "${kind}" for the ${after + 1}th time\n${this.stderr}`
    return until(what, () => this.said(kind)[after], withinMs)
  }

  /** Waits for a log line of one kind. */
  async nextLine(event: string, options: { after?: number; withinMs?: number } = {}) {
    const { after = 0, withinMs } = options
    const what = `${this.label} logs ${event} for the ${after + 1}th time\n${this.stderr}`
    return until(what, () => this.lines(event)[after], withinMs)
  }

  /** Ends the process, whatever its state; its witness first, which would go on with its work. */
  async end(): Promise<void> {
    if (this.witness !== undefined) endWitness(this.witness)
    if (this.hasExited) return
    this.process.kill('SIGCONT')
    this.process.kill('SIGKILL')
    await this.exited
  }
}

/** How one instance differs from the others. */
export interface InstanceOptions extends Partial<TenureOptions> {
  /** The interval of a job, in milliseconds. */
  readonly tick?: number
  readonly jobs?: readonly IdleJob[]
  /** The names of handlers that say what they run. */
  readonly handlers?: readonly string[]
  /** Posts to every thread what is no message of Tenure's. */
  readonly foreign?: boolean
}

/** How a cluster is made: the options of its instances, and what they share. */
export interface ClusterOptions extends InstanceOptions {
  /** @default 'SQLite' */
  readonly on?: StoreName
  /** A PostgreSQL server of the test's own. @default the one that the file's tests share */
  readonly server?: PostgresServer
}

/** Instances that share a lease in a store of their own. */
export class Cluster {
  readonly store: TestStore
  readonly instances: Instance[] = []
  readonly #options: object
  readonly #observer: LeaseStore
  #count = 0

  constructor(store: TestStore, options: InstanceOptions) {
    this.store = store
    this.#options = { store: store.url, ...shortSet, ...options }
    this.#observer = store.open()
  }

  /** The file of the store, and a folder of the test's own. */
  get path(): string {
    return this.store.path
  }

  get folder(): string {
    return this.store.folder
  }

  /** Starts one more instance, and waits until it is a candidate. */
  async add(options: InstanceOptions = {}, spawn: SpawnOptions = {}): Promise<Instance> {
    const label = String.fromCodePoint(65 + this.#count++)
    const instance = new Instance(label, { ...this.#options, ...options }, spawn)
    this.instances.push(instance)
    await instance.next('started')
    return instance
  }

  /** Starts instances one after the other: the first one leads. */
  async start(count: number): Promise<Instance[]> {
    const leader = await this.add()
    await leader.next('acquired')
    const others: Instance[] = []
    for (let i = 1; i < count; i++) others.push(await this.add())
    return [leader, ...others]
  }

  /** The lease as it stands in the store. */
  read(): Promise<LeaseReading> {
    return this.#observer.read('scheduler', AbortSignal.timeout(5_000))
  }

  /** Ends everything that was started. */
  async end(): Promise<void> {
    await Promise.all(this.instances.map((instance) => instance.end()))
    await this.#observer.close()
    await this.store.end()
  }
}

/** Gives a test a cluster that is ended after it, however the test went. */
export async function withCluster(
  { on = 'SQLite', server, ...options }: ClusterOptions,
  work: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const cluster = new Cluster(await createTestStore(on, server), options)
  try {
    await work(cluster)
    const faults = cluster.instances.flatMap((instance) => instance.faults)
    assert.deepEqual(faults, [], 'each line has its level and its fields')
  } finally {
    await cluster.end()
  }
}
