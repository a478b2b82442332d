import assert from 'node:assert/strict'

import { runInMain } from '../../src/heart/running-heart.ts'
import type { JobsDifference, LogEventName, Run, TenureOptions } from '../../src/index.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { Memory, MemoryLeaseStore, provideMemory } from '../../src/store/memory/memory-store.ts'
import { Tenure } from '../../src/tenure.ts'
import { Bench, settle } from './bench.ts'

const shortSet = { ttl: '6s', heartbeat: '2s', attemptTimeout: '1s', drain: '1s' } as const

let groups = 0

/** Whole instances that share one memory, whose time passes by hand. */
export class Group extends Bench {
  readonly name = `memory-group-${++groups}`
  readonly memory = new Memory(this.clock)
  readonly #tenures: Member[] = []

  constructor() {
    super()
    provideMemory(this.name, this.memory)
  }

  add(options: Partial<TenureOptions> = {}): Member {
    const member = new Member(this, String.fromCodePoint(97 + this.#tenures.length), options)
    this.#tenures.push(member)
    return member
  }

  /** Lets time pass, instant by instant. */
  override async pass(ms: number): Promise<void> {
    const untilMs = this.clock.monotonicMs() + ms
    let still = 0
    for (;;) {
      await this.settle()
      const leftMs = untilMs - this.clock.monotonicMs()
      const nextMs = this.clock.untilNextTimerMs ?? Infinity
      if (leftMs <= 0 && nextMs > 0) return
      still = nextMs === 0 ? still + 1 : 0
      assert.ok(still < 1_000, 'something happens without end, and no time passes')
      this.clock.advance(Math.max(0, Math.min(leftMs, nextMs)))
    }
  }

  /** Lets everything happen that waits for no time to pass. */
  settle(): Promise<void> {
    return settle(5)
  }

  /** The names of those that lead. */
  get leaders(): string[] {
    return this.#tenures.filter(({ tenure }) => tenure.isLeader).map(({ name }) => name)
  }
}

/** One of them. */
export class Member extends Bench {
  readonly name: string
  readonly tenure: Tenure
  readonly differences: JobsDifference[] = []
  /** Why its terms have ended. */
  readonly losses: string[] = []
  /** Whether its ledger rejects every call, and which calls those were. */
  ledgerFails = false
  /** How long its ledger takes to answer. */
  ledgerTakesMs = 0
  readonly verbs: string[] = []

  constructor(
    { clock, memory, name: group }: Group,
    name: string,
    options: Partial<TenureOptions>,
  ) {
    super(clock)
    this.name = name
    const log = (fields: object, event: string): void => this.log(event as LogEventName, fields)
    const logger = { debug: log, info: log, warn: log, error: log }
    let holders = 0
    const surroundings = {
      clock,
      environment: {},
      openStore: async () => new MemoryLeaseStore(memory),
      openLedger: async () => this.#ledgerOf(memory),
      random: () => 0,
      newHolder: () => `${name}:${++holders}`,
    }
    const fixed = { store: `memory:${group}`, label: name, logger }
    this.tenure = new Tenure(
      { ...shortSet, ...options, ...fixed },
      {
        clock,
        process: { on() {}, off() {} },
        random: () => 0,
        runHeart: (config, _clock, hear) => runInMain(config, surroundings, hear),
      },
    )
    this.tenure.on('jobs:differ', ({ difference }) => void this.differences.push(difference))
    this.tenure.on('term:lost', ({ reason }) => void this.losses.push(reason))
  }

  /** The ledger of the memory, which fails while it is told to. */
  #ledgerOf(memory: Memory): MemoryLedgerStore {
    const ledger = new MemoryLedgerStore(memory)
    return new Proxy(ledger, {
      get: (_target, name: keyof MemoryLedgerStore) => {
        const method = ledger[name]?.bind(ledger) as (...given: unknown[]) => unknown
        // Whoever awaits it asks whether it is a promise.
        if (method === undefined || name === 'close') return method
        return (...given: unknown[]) => {
          this.verbs.push(name)
          if (this.ledgerFails) return Promise.reject(new Error('no ledger here'))
          if (this.ledgerTakesMs === 0) return method(...given)
          return new Promise((resolve) => {
            this.clock.setTimer(this.ledgerTakesMs, () => resolve(method(...given)))
          })
        }
      },
    })
  }
}

/** What was run: by whom, which job, its tick in seconds since the group began, with what data. */
export type Ran = [who: string, jobId: string, atS: number, data?: unknown]

/** A group whose members note what they run. */
export class NotingGroup extends Group {
  readonly ran: Ran[] = []
  readonly #beganMs = this.clock.wallMs()

  /** A member that has been started, with handlers of these names. */
  async start(
    handlers: readonly string[] = ['note'],
    options: Partial<TenureOptions> = {},
  ): Promise<Member> {
    const member = this.add(options)
    for (const name of handlers) this.handle(member, name)
    await member.tenure.start()
    await this.pass(100)
    return member
  }

  handle(member: Member, name: string): void {
    member.tenure.handle<unknown>(name, (run) => this.note(member, run))
  }

  note(member: Member, { jobId, data, scheduledFor }: Run): void {
    const atS = Math.round((scheduledFor.getTime() - this.#beganMs) / 1_000)
    this.ran.push(data === undefined ? [member.name, jobId, atS] : [member.name, jobId, atS, data])
  }

  /** Takes what was noted so far. */
  take(): Ran[] {
    return this.ran.splice(0)
  }

  /** Stops the members after each other, and has nobody lead. */
  async stop(...members: readonly Member[]): Promise<void> {
    for (const { tenure } of members) {
      const stopped = tenure.stop()
      await this.pass(100)
      await stopped
    }
  }
}
