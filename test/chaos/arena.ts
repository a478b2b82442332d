import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { LeaseStore } from '../../src/store/lease-store.ts'
import type { Change } from '../mutants/mutant.ts'
import { threeSeconds } from '../support/cluster.ts'
import { nowMs, until } from '../support/until.ts'
import type { PlantedBug } from './chaos-store.ts'
import { faultOf, type Strike } from './faults.ts'
import { FencedResource } from './fenced-resource.ts'
import { Recorder } from './history.ts'
import { Member } from './member.ts'
import { instances } from './script.ts'
import { operator, type StoreOfChaos } from './store-of-chaos.ts'

/** The times of the instances: short ones, so that much happens. */
export const times = { ...threeSeconds, stallLimit: 3_000 } as const

/** After the last fault somebody leads within two ttls, and what a busy machine takes longer. */
export const patienceMs = 2 * times.ttl + 20_000

const lookAtStoreEveryMs = 500
const lookAtMachineEveryMs = 20
/** So long must the harness have been kept from running for the machine to be to blame. */
const hindranceMsMin = 200

/** How a run is made. */
export interface ArenaOptions {
  readonly store: StoreOfChaos
  readonly script: readonly Strike[]
  readonly durationMs: number
  /** Where the history is written. */
  readonly folder: string
  /** What is changed in the code that the instances run. @default nothing */
  readonly changes?: readonly Change[] | undefined
  readonly bug?: PlantedBug | undefined
  /** Ends the run early. */
  readonly signal?: AbortSignal | undefined
}

/** The instances, their store and what is done to them. */
export class Arena {
  readonly store: StoreOfChaos
  readonly members: readonly Member[]
  readonly #options: ArenaOptions
  readonly #recorder: Recorder
  readonly #resource: FencedResource
  readonly #observer: LeaseStore
  readonly #kept = new Set<string>()
  readonly #terms = new Map<number, string>()
  #lookingAtStore: Promise<void> | undefined
  struck = 0

  constructor(options: ArenaOptions) {
    const { store, folder, changes, bug } = options
    mkdirSync(folder, { recursive: true })
    this.#options = options
    this.store = store
    this.#recorder = new Recorder(folder, 'harness')
    const resourcePath = join(folder, 'resource.db')
    this.#resource = new FencedResource(resourcePath)
    this.#observer = store.open()
    const parts = {
      folder,
      resourcePath,
      recorder: this.#recorder,
      urlFor: (index: number) => store.urlFor(index),
      options: times,
      changes,
      bug,
    }
    this.members = Array.from({ length: instances }, (_, index) => new Member(index, parts))
  }

  /** The instance that has told last that it leads, and that lives. */
  get leader(): Member | undefined {
    return this.members
      .filter(({ lives, token }) => lives && token !== undefined)
      .toSorted((one, other) => (other.token ?? 0) - (one.token ?? 0))[0]
  }

  /** Something that is wrong by itself. */
  note(who: string, what: string): void {
    this.#recorder.add({ kind: 'wrong', what }, { who })
  }

  /** Lets time pass, as while a fault is in force; ends early where the run does. */
  async passes(ms: number): Promise<void> {
    const { signal } = this.#options
    await sleep(Math.max(0, ms), undefined, signal ? { signal } : {}).catch(() => {})
  }

  /** The operator takes the lease, whoever holds it, and does nothing with it. */
  async takeLease(): Promise<boolean> {
    const token = await this.store.takeLease().catch(() => undefined)
    if (token === undefined) return false
    this.#recorder.add({ kind: 'granted', token, holder: operator }, { who: operator })
    return true
  }

  /** Starts the instances, does what the script says, waits for the calm, and stops them. */
  async run(): Promise<void> {
    const { script, durationMs, signal } = this.#options
    const timers = [
      setInterval(() => this.#lookAtStore(), lookAtStoreEveryMs),
      setInterval(this.#lookAtMachine(), lookAtMachineEveryMs),
    ]
    try {
      for (const member of this.members) member.start()
      await Promise.all(this.members.map((member) => member.whenRuns()))
      const startedAtMs = nowMs()
      const strikes: Promise<void>[] = []
      for (const strike of script) {
        const delayMs = startedAtMs + strike.atMs - nowMs()
        await this.passes(delayMs)
        if (signal?.aborted) break
        strikes.push(this.#strike(strike))
      }
      await this.passes(startedAtMs + durationMs - nowMs())
      await Promise.all(strikes)
      this.#recorder.add({ kind: 'calm' })
      await until('somebody leads', () => this.leader, patienceMs).catch(() => {})
      // Looks at the last leader's own leadership shall follow.
      await this.passes(1_000)
      await Promise.all(this.members.map((member) => this.#stop(member)))
    } finally {
      for (const timer of timers) clearInterval(timer)
      await this.end()
    }
  }

  /** Ends all processes and files, in whatever state they are. The store is left. */
  async end(): Promise<void> {
    for (const member of this.members) member.mayEnd('SIGKILL')
    for (const member of this.members) member.signal('SIGKILL')
    await Promise.all(this.members.map((member) => member.ends(0)))
    await this.#lookingAtStore
    await this.#observer.close()
    for (const { what, who, atMs } of this.#resource.list()) {
      this.#recorder.add(what, { who, atMs })
    }
    this.#resource.close()
    this.#recorder.add({ kind: 'over' })
    this.#recorder.close()
  }

  async #strike(strike: Strike): Promise<void> {
    const { id, fault: name, how, ms } = strike
    const fault = faultOf(name)
    const member = strike.on === 'leader' ? this.leader : this.members[strike.on]
    const keeps = fault.keeps === 'store' ? 'store' : `${member?.letter} ${fault.keeps ?? id}`
    const missed = (): void => this.#recorder.add({ kind: 'fault-over', id, missed: true })
    const on = fault.keeps === 'store' ? '' : (member?.who ?? '')
    this.#recorder.add({ kind: 'fault', id, fault: name, how, ms, on })
    // A fault that is drawn while there is nobody to strike, or that is being done already.
    if (member?.runs !== true || this.#kept.has(keeps)) return missed()
    this.#kept.add(keeps)
    try {
      this.struck++
      const done = await fault.strike(this, member, strike)
      this.#recorder.add({ kind: 'fault-over', id, missed: !done })
    } catch (error) {
      this.note('harness', `the fault ${id} (${name}) failed: ${String(error)}`)
    } finally {
      this.#kept.delete(keeps)
    }
  }

  async #stop(member: Member): Promise<void> {
    member.mayEnd('0')
    if (!member.send({ do: 'stop' })) this.note(member.who, 'it does not run at the end')
    else if (!(await member.ends(40_000))) this.note(member.who, 'it did not stop within 40 s')
  }

  #lookAtStore(): void {
    this.#lookingAtStore ??= this.#noteTerms()
      // It may be down, or locked.
      .catch(() => {})
      .finally(() => (this.#lookingAtStore = undefined))
  }

  async #noteTerms(): Promise<void> {
    const { terms } = await this.#observer.read('scheduler', AbortSignal.timeout(2_000))
    for (const { token, holder, label, reason } of terms) {
      const text = JSON.stringify({ holder, label, reason })
      if (this.#terms.get(token) === text) continue
      this.#terms.set(token, text)
      this.#recorder.add({ kind: 'term', token, holder, label, reason }, { who: 'store' })
    }
  }

  #lookAtMachine(): () => void {
    let lastMs = nowMs()
    return () => {
      const atMs = lastMs
      const toMs = (lastMs = nowMs())
      if (toMs - atMs < hindranceMsMin) return
      const why = 'the machine was busy'
      this.#recorder.add({ kind: 'hindered', thread: 'main', why, toMs }, { atMs })
    }
  }
}
