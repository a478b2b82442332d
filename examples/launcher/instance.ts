import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import type { PageInstance } from '../../src/dashboard/page.ts'
import type { Status } from '../../src/index.ts'
import type { MischiefCommand, MischiefReport } from '../fastify-service/mischief.ts'

const answerMsMax = 1_000
/** One that has not answered for this long, and nobody knows why, is called silent. */
const silentMs = 1_500
/** What was killed stays down for longer than the ttl, so that one can see who leads without it. */
export const restartMs = 8_000
/** How long an instance may take to close before it is killed. */
const closeMsMax = 3_000
const noteMs = 30_000

/** What an instance is started with, and whom it tells what. */
export interface InstanceParts {
  readonly label: string
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
  readonly verbose: boolean
  /** When a hung one gives up the lease; `undefined` if nothing in it would. */
  readonly stallLimitMs: number | undefined
  readonly onStarted: (pid: number) => void
  readonly onEnded: (pid: number, expected: boolean) => void
  readonly onStatus: (status: Status) => void
}

type Mode = Exclude<PageInstance['state'], 'answers' | 'silent'> | 'runs'

/** One process of the service, under its label: what the launcher does to it, and knows of it. */
export class Instance {
  readonly label: string
  readonly #parts: InstanceParts
  #child: ChildProcess | undefined
  #port: number | undefined
  #mode: Mode = 'down'
  #modeSinceMs = performance.now()
  #modeUntilMs: number | undefined
  #startedMs = 0
  #answeredMs = 0
  #asked = false
  #status: Status | undefined
  #note: { readonly text: string; readonly untilMs: number } | undefined
  #expectsEnd = false
  #restart: NodeJS.Timeout | undefined
  #onAwake: ((isLeader: boolean) => void) | undefined
  #onAnswer: ((status: Status) => void) | undefined

  constructor(parts: InstanceParts) {
    this.label = parts.label
    this.#parts = parts
  }

  get pid(): number | undefined {
    return this.#mode === 'down' ? undefined : this.#child?.pid
  }

  /** Where it answers requests; `undefined` while it does not. */
  get address(): string | undefined {
    return this.#port === undefined ? undefined : `http://127.0.0.1:${this.#port}`
  }

  /** What it said last of itself. */
  get status(): Status | undefined {
    return this.#status
  }

  get state(): PageInstance['state'] {
    if (this.#mode !== 'runs') return this.#mode
    return performance.now() - this.#answeredMs > silentMs ? 'silent' : 'answers'
  }

  /** Whether its process could be told something. */
  get canBeTold(): boolean {
    return this.#mode === 'runs'
  }

  // ---- start and end ----

  /** Starts the process; resolves when it listens. */
  async start(): Promise<void> {
    const { label, folder, env, verbose } = this.#parts
    const log = openSync(join(folder, `${label}.log`), 'a')
    const out = verbose ? 'inherit' : log
    const script = fileURLToPath(new URL('../fastify-service/server.ts', import.meta.url))
    const child = fork(script, [], { env: { ...env }, stdio: ['ignore', out, out, 'ipc'] })
    closeSync(log)
    this.#child = child
    this.#startedMs = performance.now()
    this.#status = undefined
    this.#expectsEnd = false
    this.#enter('starting')
    if (child.pid !== undefined) this.#parts.onStarted(child.pid)
    child.on('message', (report: MischiefReport) => this.#hear(report))
    const listening = new Promise<void>((resolve, reject) => {
      child.on('message', ({ kind }: MischiefReport) => kind === 'listening' && resolve())
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        this.#ended(child)
        reject(new Error(`${label} has ended (${signal ?? code}) instead of listening`))
      })
    })
    await listening
  }

  /** Ends the process for good; one that cannot close by itself is killed. */
  async end(): Promise<void> {
    this.#expectsEnd = true
    clearTimeout(this.#restart)
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    const closes = this.#mode === 'runs' || this.#mode === 'starting'
    child.kill(closes ? 'SIGTERM' : 'SIGKILL')
    const killer = setTimeout(() => child.kill('SIGKILL'), closeMsMax)
    await exit
    clearTimeout(killer)
  }

  /** The end of its log, to tell why it did not start. */
  logTail(): string {
    const text = readFileSync(join(this.#parts.folder, `${this.label}.log`), 'utf8')
    return text.trimEnd().split('\n').slice(-12).join('\n')
  }

  // ---- what is done to it ----

  /** Blocks its event loop; resolves with what it saw when that was over. */
  busy(ms: number): Promise<boolean> {
    this.#tell({ kind: 'busy', ms })
    this.#enter('busy', ms)
    return new Promise((resolve) => (this.#onAwake = resolve))
  }

  /** Blocks its event loop for ever. */
  hang(): void {
    this.#tell({ kind: 'hang' })
    this.#enter('hung', this.#parts.stallLimitMs)
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
    this.#enter('frozen')
  }

  /** Lets it go on; resolves with the first thing it says, and for how long it was frozen. */
  thaw(): Promise<{ status: Status; frozenMs: number }> {
    const frozenMs = performance.now() - this.#modeSinceMs
    this.#child?.kill('SIGCONT')
    this.#enter('runs')
    this.#answeredMs = performance.now()
    return new Promise((resolve) => {
      this.#onAnswer = (status) => resolve({ status, frozenMs })
    })
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Writes on its card what has come of something. */
  remark(text: string): void {
    this.#note = { text, untilMs: performance.now() + noteMs }
  }

  // ---- what is known of it ----

  /** Asks it for its status; what does not come in time is asked for again. */
  async poll(): Promise<void> {
    const { address } = this
    if (address === undefined || this.#mode !== 'runs' || this.#asked) return
    this.#asked = true
    try {
      const signal = AbortSignal.timeout(answerMsMax)
      const response = await fetch(`${address}/tenure/status`, { signal })
      const status = (await response.json()) as Status
      // It may have been blocked or killed while this answer was on its way.
      if (response.ok && address === this.address && this.#mode === 'runs') {
        this.#status = status
        this.#answeredMs = performance.now()
        this.#parts.onStatus(status)
        this.#onAnswer?.(status)
        this.#onAnswer = undefined
      }
    } catch {
      // It does not answer: that is what the page shows.
    } finally {
      this.#asked = false
    }
  }

  /** What the page shows of it; who leads is known from the store. */
  view(holdsLease: boolean, controls: PageInstance['controls']): PageInstance {
    const nowMs = performance.now()
    const { state, pid } = this
    const since = state === 'silent' ? this.#answeredMs : this.#modeSinceMs
    const counts = state !== 'answers' && state !== 'starting'
    const leftMs = this.#modeUntilMs === undefined ? undefined : this.#modeUntilMs - nowMs
    return {
      name: this.label,
      pid,
      state,
      stateForMs: counts ? nowMs - since : undefined,
      stateLeftMs: leftMs === undefined || leftMs <= 0 ? undefined : leftMs,
      role: this.#status?.role,
      holdsLease,
      upForMs: pid === undefined ? undefined : nowMs - this.#startedMs,
      note: this.#note !== undefined && nowMs < this.#note.untilMs ? this.#note.text : undefined,
      controls,
    }
  }

  #hear(report: MischiefReport): void {
    switch (report.kind) {
      case 'listening':
        this.#port = report.port
        this.#answeredMs = performance.now()
        return this.#enter('runs')
      case 'blocking':
        return
      case 'awake':
        this.#answeredMs = performance.now()
        this.#enter('runs')
        this.#onAwake?.(report.isLeader)
        this.#onAwake = undefined
    }
  }

  #tell(command: MischiefCommand): void {
    this.#child?.send(command, () => {})
  }

  #enter(mode: Mode, forMs?: number): void {
    this.#mode = mode
    this.#modeSinceMs = performance.now()
    this.#modeUntilMs = forMs === undefined ? undefined : this.#modeSinceMs + forMs
    if (mode !== 'runs') this.#note = undefined
  }

  #ended(child: ChildProcess): void {
    this.#port = undefined
    this.#enter('down', this.#expectsEnd ? undefined : restartMs)
    if (child.pid !== undefined) this.#parts.onEnded(child.pid, this.#expectsEnd)
    if (this.#expectsEnd) return
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => this.remark(String(error)))
    }, restartMs)
  }
}
