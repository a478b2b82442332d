import assert from 'node:assert/strict'

import { nextTurn } from '../../src/clock.ts'
import { runInMain } from '../../src/heart/running-heart.ts'
import type { JobsDifference, LogEventName, TenureOptions } from '../../src/index.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { Memory, MemoryLeaseStore, provideMemory } from '../../src/store/memory/memory-store.ts'
import { Tenure } from '../../src/tenure.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const shortSet = { ttl: '6s', heartbeat: '2s', attemptTimeout: '1s', drain: '1s' } as const

interface Line {
  readonly event: LogEventName
  readonly fields: Record<string, unknown>
}

let groups = 0

/** Whole instances that share one memory, whose time passes by hand. */
export class Group {
  readonly name = `memory-group-${++groups}`
  readonly clock = new FakeClock()
  readonly memory = new Memory(this.clock)
  readonly #tenures: Member[] = []

  constructor() {
    provideMemory(this.name, this.memory)
  }

  add(options: TenureOptions = {}): Member {
    const member = new Member(this, String.fromCodePoint(97 + this.#tenures.length), options)
    this.#tenures.push(member)
    return member
  }

  /** Lets time pass, instant by instant. */
  async pass(ms: number): Promise<void> {
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
  async settle(): Promise<void> {
    for (let turns = 0; turns < 5; turns++) await nextTurn()
  }

  /** The names of those that lead. */
  get leaders(): string[] {
    return this.#tenures.filter(({ tenure }) => tenure.isLeader).map(({ name }) => name)
  }
}

/** One of them. */
export class Member {
  readonly name: string
  readonly tenure: Tenure
  readonly lines: Line[] = []
  readonly differences: JobsDifference[] = []
  /** Why its terms have ended. */
  readonly losses: string[] = []
  /** Whether its ledger rejects every call, and which calls those were. */
  ledgerFails = false
  readonly verbs: string[] = []

  constructor({ clock, memory, name: group }: Group, name: string, options: TenureOptions) {
    this.name = name
    const log = (fields: object, event: string): void =>
      void this.lines.push({ event: event as LogEventName, fields: { ...fields } })
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

  logged(event: LogEventName): Record<string, unknown>[] {
    return this.lines.filter((line) => line.event === event).map(({ fields }) => fields)
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
          return method(...given)
        }
      },
    })
  }
}
