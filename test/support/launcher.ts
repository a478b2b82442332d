import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { TestContext } from 'node:test'

import type { PageData, PageInstance } from '../../src/dashboard/page.ts'
import { until } from './until.ts'
import { atEnd } from './fastify-app.ts'

/** The launcher of the demonstration, in a process group of its own, as in a terminal. */
export class Launcher {
  readonly process: ChildProcess
  readonly exited: Promise<number | NodeJS.Signals>
  output = ''
  url = ''
  folder = ''

  constructor(flags: readonly string[]) {
    const script = new URL('../../examples/launcher/launcher.ts', import.meta.url).pathname
    this.process = spawn(process.execPath, [script, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const hear = (chunk: unknown): void => void (this.output += String(chunk))
    this.process.stdout?.on('data', hear)
    this.process.stderr?.on('data', hear)
    this.exited = new Promise((resolve) => {
      this.process.on('exit', (code, signal) => resolve(signal ?? code ?? 0))
    })
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** Waits until the page is there and somebody leads. */
  async ready(): Promise<this> {
    const ended = this.exited.then((code) => {
      throw new Error(`the launcher has ended with ${code}:\n${this.output}`)
    })
    const open = /Open (http:\S+)/
    const url = until('the address of the page', () => open.exec(this.output)?.[1])
    this.url = await Promise.race([url, ended])
    await this.data('somebody leads', ({ lease }) => lease.leader !== undefined)
    this.folder = this.#findFolder()
    return this
  }

  /** What the page shows, once it shows this. */
  async data(
    what = 'any data',
    shows: (data: PageData) => boolean = () => true,
  ): Promise<PageData> {
    return until(what, async () => {
      const response = await fetch(`${this.url}data.json`)
      const data = (await response.json()) as PageData
      return shows(data) && data
    })
  }

  /** The instance that leads, as the page shows it. */
  async leader(): Promise<PageInstance> {
    const data = await this.data('a leader among the instances', ({ instances }) =>
      instances.some(({ holdsLease }) => holdsLease),
    )
    return instanceOf(data, ({ holdsLease }) => holdsLease)
  }

  /** Presses a button as the page does. */
  async press(action: string, instance: string | undefined): Promise<Response> {
    return fetch(`${this.url}control`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action, instance }),
    })
  }

  /** Ends it, if that has not been done. */
  async end(): Promise<void> {
    if (this.process.exitCode === null) this.process.kill('SIGTERM')
    await this.exited
  }

  /** Sends a signal to the whole process group, as Ctrl-C in a terminal does. */
  signalGroup(signal: NodeJS.Signals): void {
    process.kill(-this.pid, signal)
  }

  /** Where it keeps its files: its instances are told where the database of the service is. */
  #findFolder(): string {
    const environments = childrenOf(this.pid).map((pid) => procFile(String(pid), 'environ'))
    const path = environments.map((text) => /(?:^|\0)DATABASE=([^\0]+)/.exec(text)?.[1])
    return dirname(path.find((found) => found?.includes('tenure-demo-')) ?? '')
  }

  /** All processes that have to do with the folder of this demonstration, but for the launcher. */
  processes(): number[] {
    return pidsThatName(this.folder).filter((pid) => pid !== this.pid)
  }

  /** Waits until nothing is left. */
  async nothingLeft(): Promise<void> {
    await until('no process is left', () => this.processes().length === 0)
    await until('the folder is removed', () => !existsSync(this.folder))
  }
}

/** Starts a launcher, which is ended after the test, however that went. */
export async function startLauncher(t: TestContext, ...flags: string[]): Promise<Launcher> {
  const launcher = new Launcher(flags)
  atEnd(t, () => launcher.end())
  return launcher.ready()
}

/** The first instance that is as described. */
export function instanceOf(
  { instances }: PageData,
  is: (instance: PageInstance) => boolean,
): PageInstance {
  const instance = instances.find(is)
  if (instance === undefined) throw new Error('there is no such instance')
  return instance
}

function childrenOf(pid: number): number[] {
  const children = procFile(`${pid}/task/${pid}`, 'children')
  return children.trim().split(' ').filter(Boolean).map(Number)
}

/** The processes whose command line or environment names something. Linux only. */
export function pidsThatName(text: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.filter((pid) => procFile(pid, 'environ', 'cmdline').includes(text)).map(Number)
}

function procFile(pid: string, ...names: string[]): string {
  try {
    return names.map((name) => readFileSync(`/proc/${pid}/${name}`, 'utf8')).join('\0')
  } catch {
    // It has ended meanwhile.
    return ''
  }
}

/**
 * What the system says of a process: `R` runs, `S` sleeps, `T` stopped; and the processor time that
 * it has used, in hundredths of a second. `undefined` if there is none. See proc(5).
 */
export function processState(pid: number): { state: string; ticks: number } | undefined {
  const stat = procFile(String(pid), 'stat')
  if (stat === '') return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const state = fields[0] ?? ''
  return state === 'Z' ? undefined : { state, ticks: Number(fields[11]) + Number(fields[12]) }
}
