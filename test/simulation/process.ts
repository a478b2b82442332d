import type { Clock } from '../../src/clock.ts'
import type { LogEventName } from '../../src/events.ts'
import { Cell } from '../../src/heart/cell.ts'
import type { HeartConfig, Report } from '../../src/heart/messages.ts'
import { runInMain, type RunHeart, type RunningHeart } from '../../src/heart/running-heart.ts'
import type { Surroundings } from '../../src/heart/surroundings.ts'
import type { ReconfigurableOptions, TenureOptions } from '../../src/options.ts'
import { Tenure } from '../../src/tenure.ts'
import { SimHeartThread } from './heart-thread.ts'
import type { History, Standing } from './history.ts'
import { LedgerClient } from './ledger-client.ts'
import type { Machine } from './machine.ts'
import type { Link } from './network.ts'
import type { Random } from './random.ts'
import { StoreClient } from './store-client.ts'
import type { StoreServer } from './store-server.ts'
import { SimThread } from './thread.ts'
import type { World } from './world.ts'

/** What a process is made of. */
export interface SimProcessParts {
  readonly who: string
  readonly world: World
  readonly machine: Machine
  readonly link: Link
  readonly server: StoreServer
  readonly random: Random
  readonly history: History
  readonly options: TenureOptions
  /** From here on it is told nothing more. */
  readonly faultyMs: number
  /** What the application does with its Tenure as it starts. */
  readonly application: (tenure: Tenure, process: SimProcess) => void
  /** It has sent a renewal. */
  readonly renewing: () => void
  /** The process is over. */
  readonly gone: () => void
}

/** What a run says that fails because it was to. */
export const onPurpose = 'fails on purpose'

/** Lines that are logged only where the code, or the application, is wrong. */
const alarming: readonly LogEventName[] = [
  'listener_failed',
  'settings_invalid',
  'while_leader_failed',
  'run_failed',
]

type ExitListener = (code: number) => void

/**
 * One process of the application, from its start to its end: a real Tenure, with its heart in a
 * thread of its own, on the clocks of a simulated machine.
 */
export class SimProcess {
  readonly who: string
  readonly main: SimThread
  readonly tenure: Tenure
  readonly #parts: SimProcessParts
  readonly #hearts: SimHeartThread[] = []
  readonly #exitListeners = new Set<ExitListener>()
  /** The cells of its hearts, and the same by the tokens that they led with. */
  readonly #cellOfHeart = new Map<string, Cell>()
  readonly #cellOfToken = new Map<number, Cell>()
  #heartsMade = 0
  #holders = 0
  /** A copy of a cell, to look at that from outside. */
  #looking: { cell: Cell; words: Int32Array } | undefined
  /** What its main thread does as it waits for its heart at its exit. */
  #wait: (timeoutMs: number) => void = () => {}
  #exiting = false
  #gone = false
  #started = false

  constructor(parts: SimProcessParts) {
    const { who, world, machine, random } = parts
    this.#parts = parts
    this.who = who
    this.main = new SimThread(world, machine, random.fork('main'))
    const line = (fields: object, event: string): void => this.#line(fields, event)
    const logger = { debug: line, info: line, warn: line, error: line }
    const jitter = random.fork('jitter')
    this.tenure = new Tenure(
      { ...parts.options, logger },
      {
        clock: this.main.clock,
        runHeart: this.#runHeart,
        random: () => jitter.next(),
        process: {
          on: (_event, listener) => this.#exitListeners.add(listener),
          off: (_event, listener) => this.#exitListeners.delete(listener),
        },
      },
    )
    this.tenure.on('run:abandoned', ({ run }) =>
      this.#note({ kind: 'told-abandoned', id: parts.history.nameOf(run.id) }),
    )
    this.tenure.on('term:lost', ({ term, reason }) =>
      this.#note({ kind: 'lost', token: term.fencingToken, reason }),
    )
  }

  get isGone(): boolean {
    return this.#gone
  }

  /** Whether it is about to end, and its main thread will never run anything again. */
  get isExiting(): boolean {
    return this.#exiting
  }

  /**
   * How its term stands by its own clock, without anybody in it having looked, and for how long at
   * most if nothing happens.
   */
  standing(): { token: number; standing: Standing; leftMs: number } {
    const term = this.#gone || this.#exiting ? undefined : this.tenure.term
    if (term === undefined) return { token: 0, standing: 'none', leftMs: Infinity }
    const token = term.fencingToken
    const leftMs = term.remainingMs
    if (leftMs <= 0) return { token, standing: 'none', leftMs: Infinity }
    const softStopMs = this.#untilSoftStopMs(token)
    if (softStopMs > 0) return { token, standing: 'leader', leftMs: softStopMs }
    return { token, standing: 'trusted', leftMs }
  }

  // ---- what happens to it ----

  start(): void {
    this.main.send(() => {
      this.#note({ kind: 'process', what: 'starts' })
      this.#parts.application(this.tenure, this)
      this.#start()
    })
  }

  /** Stops the Tenure, and starts it again at an instant of true time, or as soon as it has stopped. */
  stop(drainMs: number, restartAtMs: number): void {
    this.#tell(() => {
      if (!this.#started) return
      this.#started = false
      this.#note({ kind: 'process', what: 'stops' })
      void this.tenure.stop({ drain: drainMs }).then(() => {
        this.main.clock.setTimer(restartAtMs - this.#parts.world.nowMs, () => this.#start())
      })
    })
  }

  /** Resigns, and is no candidate up to an instant of true time. */
  resign(coolDownToMs: number, drainMs: number): void {
    this.#tell(() => {
      const coolDownMs = Math.max(0, coolDownToMs - this.#parts.world.nowMs)
      this.#note({ kind: 'resign', token: this.tenure.term?.fencingToken })
      void this.tenure.resign({ coolDown: coolDownMs, drain: drainMs })
    })
  }

  reconfigure(options: ReconfigurableOptions): void {
    this.#tell(() => {
      this.tenure.reconfigure(options)
      this.#note({ kind: 'reconfigured', ttlMs: Number(options.ttl) })
    })
  }

  /** Blocks the main thread, once it gets to that, up to an instant of true time. */
  stall(untilMs: number): void {
    this.#block(this.main, untilMs)
  }

  /** The same of the thread that its heart runs in. */
  starve(untilMs: number): void {
    this.#block(this.#hearts.at(-1)?.thread ?? this.main, untilMs)
  }

  /** Ends the thread of the heart, where it has one of its own. */
  killHeart(): void {
    const heart = this.#hearts.at(-1)
    if (heart === undefined || heart.thread.isDead) return
    const name = this.#heartName(this.#heartsMade)
    this.#note({ kind: 'heart-died', heart: name, onPurpose: true })
    heart.die()
  }

  hold(why: 'paused' | 'suspended'): void {
    for (const thread of this.#threads()) thread.hold(why)
  }

  release(why: 'paused' | 'suspended'): void {
    for (const thread of this.#threads()) thread.release(why)
  }

  /** As `process.exit`: the main thread waits, bounded, for the heart to release. */
  exit(code: number): void {
    this.#tell(() => this.#exit(code))
  }

  /** As SIGKILL. */
  kill(): void {
    if (this.#gone) return
    this.#gone = true
    for (const thread of this.#threads()) thread.end()
    this.#note({ kind: 'process', what: 'is gone' })
    this.#parts.gone()
  }

  /** All that held up its threads, for the history. */
  tellHindrances(): void {
    const { history } = this.#parts
    const threads = this.#threads()
    for (const [index, thread] of threads.entries()) {
      const name = index === 0 ? 'main' : this.#heartName(index)
      for (const { why, fromMs, toMs } of thread.hindrances) {
        const endMs = Math.min(toMs, history.nowMs)
        history.addPast(this.who, fromMs, { kind: 'hindered', thread: name, why, toMs: endMs })
      }
    }
  }

  // ---- its insides ----

  /** Has the main thread do something; if it hangs for so long that all is calm by then, not at all. */
  #tell(act: () => void): void {
    this.main.send(() => {
      if (this.#parts.world.nowMs < this.#parts.faultyMs) act()
    })
  }

  #block(thread: SimThread, untilMs: number): void {
    thread.send(() => {
      const leftMs = untilMs - this.#parts.world.nowMs
      if (leftMs > 0) void thread.block(leftMs)
    })
  }

  #start(): void {
    void this.tenure.start().then(
      () => {
        this.#started = true
        this.#note({ kind: 'process', what: 'runs' })
      },
      // Its heart was killed before it was ready: what an application does then is to end.
      () => this.#exit(1),
    )
  }

  #exit(code: number): void {
    if (this.#exiting) return
    this.#note({ kind: 'process', what: 'exits' })
    let waits = false
    this.#wait = (timeoutMs) => {
      waits = true
      void this.main.block(timeoutMs * 2)
      this.#parts.world.after(timeoutMs, () => this.kill())
    }
    this.#exiting = true
    for (const listener of Array.from(this.#exitListeners)) listener(code)
    if (!waits) this.kill()
  }

  #threads(): SimThread[] {
    return [this.main, ...this.#hearts.map(({ thread }) => thread)]
  }

  #heartName(number: number): string {
    return `heart ${number}`
  }

  readonly #runHeart: RunHeart = (config, clock, hear) => {
    const name = this.#heartName(++this.#heartsMade)
    const overhear = (report: Report): void => this.#overhear(name, report)
    return config.fixed.heartbeatIn === 'main'
      ? this.#runInMain(name, config, clock, (report) => {
          overhear(report)
          hear(report)
        })
      : this.#runInThread(name, config, { hear, overhear })
  }

  #runInMain(
    name: string,
    config: HeartConfig,
    clock: Clock,
    hear: (report: Report) => void,
  ): RunningHeart {
    const heart = runInMain(config, this.#surroundings(name, this.main, clock), hear)
    this.#cellOfHeart.set(name, heart.cell)
    return heart
  }

  #runInThread(
    name: string,
    config: HeartConfig,
    to: { hear: (report: Report) => void; overhear: (report: Report) => void },
  ): RunningHeart {
    const { world, machine, random } = this.#parts
    const thread = new SimThread(world, machine, random.fork(name))
    const heart = new SimHeartThread({
      config,
      surroundings: this.#surroundings(name, thread, thread.clock),
      main: this.main,
      thread,
      startMs: random.between(10, 120),
      exit: {
        wait: (timeoutMs) => this.#wait(timeoutMs),
        done: () => {
          if (this.#exiting) this.kill()
        },
      },
      ...to,
      kill: () => this.kill(),
    })
    this.#hearts.push(heart)
    this.#cellOfHeart.set(name, heart.cell)
    return heart
  }

  #surroundings(heart: string, thread: SimThread, clock: Clock): Surroundings {
    const { server, link, machine, history, random, renewing } = this.#parts
    const stream = random.fork(`${heart}'s own`)
    return {
      clock,
      environment: {},
      openLedger: async () =>
        new LedgerClient({ server, link, thread, history, who: this.who, heart }),
      openStore: () =>
        Promise.resolve(
          new StoreClient({
            server,
            link,
            machine,
            thread,
            history,
            who: this.who,
            heart,
            renewing,
          }),
        ),
      random: () => stream.next(),
      newHolder: () => `${this.who}.${++this.#holders}`,
    }
  }

  /** What a heart reports, at the instant at which it does. */
  #overhear(heart: string, report: Report): void {
    switch (report.kind) {
      case 'acquired': {
        const { token, holder } = report
        const cell = this.#cellOfHeart.get(heart)
        if (cell !== undefined) this.#cellOfToken.set(token, cell)
        return this.#note({ kind: 'led', token, holder, heart })
      }
      case 'ending': {
        const { token, reason } = report
        return this.#note({ kind: 'ending', token, reason, heart })
      }
      case 'ended': {
        const { token, reason, released } = report
        return this.#note({ kind: 'ended', token, reason, released, heart })
      }
      case 'died':
        return this.#note({ kind: 'heart-died', heart, onPurpose: false })
      default:
    }
  }

  #line(fields: object, event: string): void {
    if (event === 'lease_token_went_back') {
      const { token } = fields as { token: number }
      this.#note({ kind: 'token-went-back', token })
    }
    if (event === 'jobs_cannot_start') {
      const { token, coolDownMs } = fields as { token: number; coolDownMs: number }
      this.#note({ kind: 'resign', token, coolDownMs })
    }
    if (!alarming.some((name) => name === event)) return
    const { error } = fields as { error?: unknown }
    if (String(error).includes(onPurpose)) return
    this.#note({ kind: 'alarming-line', line: `${event}: ${String(error)}` })
  }

  /** For how long `isLeader` would be true, asked of a copy: a look may end a term for good. */
  #untilSoftStopMs(token: number): number {
    const cell = this.#cellOfToken.get(token)
    if (cell === undefined) return 0
    if (this.#looking === undefined) {
      const buffer = new SharedArrayBuffer(cell.buffer.byteLength)
      this.#looking = { cell: new Cell(this.main.clock, buffer), words: new Int32Array(buffer) }
    }
    this.#looking.words.set(new Int32Array(cell.buffer))
    return this.#looking.cell.untilSoftStopMs(token)
  }

  #note(what: Parameters<History['add']>[1]): void {
    this.#parts.history.add(this.who, what)
  }
}
