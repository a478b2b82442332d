import type { Timer } from '../../src/clock.ts'
import { Application, FencedResource } from './application.ts'
import { FaultInjector } from './fault-injector.ts'
import { History, type Fact } from './history.ts'
import type { Instance } from './instance.ts'
import { Machine } from './machine.ts'
import { calmWeather, Link } from './network.ts'
import { SimProcess } from './process.ts'
import { Random } from './random.ts'
import { ttlMsMax, type Scenario } from './scenario.ts'
import { StoreServer } from './store-server.ts'
import { World } from './world.ts'

/** A run of the simulation: what happened, in the order of true time. */
export interface Recording {
  readonly scenario: Scenario
  readonly facts: readonly Fact[]
  /** What was thrown, if the simulation itself came to an end by that. */
  readonly thrown: unknown
}

/** Lets a scenario happen. */
export async function simulate(scenario: Scenario): Promise<Recording> {
  const simulation = new Simulation(scenario)
  let thrown: unknown
  const onRejection = (reason: unknown): void => {
    thrown ??= reason
  }
  process.on('unhandledRejection', onRejection)
  try {
    await simulation.run(() => thrown === undefined)
  } catch (error) {
    thrown = error
  } finally {
    process.off('unhandledRejection', onRejection)
  }
  return { scenario, facts: simulation.facts(), thrown }
}

/** Several instances, a store, the network between them, and the faults that befall them. */
export class Simulation {
  readonly world = new World()
  readonly server: StoreServer
  readonly #scenario: Scenario
  readonly #history: History
  readonly #random: Random
  readonly #faults: FaultInjector
  readonly #resource: FencedResource
  readonly #instances: Instance[]
  #nextLook: Timer | undefined
  #lookMs = Infinity
  /** Who trusted a term at the same time as somebody else, when looked at last. */
  #both = ''

  constructor(scenario: Scenario) {
    this.#scenario = scenario
    const { world } = this
    const { seed, store, calmFromMs, latencyMsMax, beyondPromise } = scenario
    this.#random = new Random(`simulation ${seed}`)
    this.#history = new History(() => world.nowMs)
    this.#resource = new FencedResource(this.#history)
    const weather = calmWeather(latencyMsMax, 3 * ttlMsMax(scenario))
    const storeMachine = new Machine({
      world,
      drift: store.drift,
      wallMs: 1_767_225_600_000,
      uptimeGrainMs: 10,
    })
    this.server = new StoreServer({
      world,
      machine: storeMachine,
      random: this.#random.fork('store'),
      history: this.#history,
      pushes: store.pushes,
      commonClock: store.commonClock,
      remembers: beyondPromise,
      workersOf: (token) => this.#workersOf(token),
    })
    this.#instances = scenario.instances.map((instance, index) => {
      const letter = String.fromCharCode(97 + index)
      const random = this.#random.fork(letter)
      return {
        letter,
        machine: new Machine({ world, ...instance }),
        link: new Link(world, random.fork('link'), weather, calmFromMs),
        random,
        process: undefined,
        application: undefined,
        lives: 0,
        inRenewal: [],
        seen: { token: 0, standing: 'none' },
        times: scenario.times[0],
      }
    })
    this.#faults = new FaultInjector({
      world,
      scenario,
      history: this.#history,
      random: this.#random.fork('faults'),
      server: this.server,
      storeMachine,
      weather,
      instances: this.#instances,
    })
  }

  /** @param goesOn whether it shall go on, asked after everything that happens */
  async run(goesOn: () => boolean): Promise<void> {
    const { faults, calmFromMs, endMs, instances } = this.#scenario
    for (const [index, instance] of this.#instances.entries()) {
      this.world.at(instances[index]?.startsMs ?? 0, () => this.#startProcess(instance))
    }
    for (const fault of faults) this.world.at(fault.atMs, () => this.#faults.befall(fault))
    this.world.at(calmFromMs, () => {
      this.#history.add('store', { kind: 'fault', what: 'all faults have ended' })
    })
    await this.world.run(endMs, () => {
      this.look()
      return goesOn()
    })
  }

  /** All that happened; what was only known later stands where it began. */
  facts(): Fact[] {
    for (const { process } of this.#instances) process?.tellHindrances()
    this.#history.add('store', { kind: 'read', reading: this.server.read() })
    if (this.#scenario.ledger.length > 0) this.server.tellLedger()
    return this.#history.facts.toSorted((one, other) => one.atMs - other.atMs)
  }

  /**
   * Looks at all instances, and notes who stands how. Trust begins only as something happens, and
   * nothing happens without a look; as it ends by itself there is a look, too.
   */
  look(): void {
    const standing: { process: SimProcess; instance: Instance }[] = []
    let leftMs = Infinity
    for (const instance of this.#instances) {
      const { process, machine, seen } = instance
      // On a machine that is suspended nobody can look, before it wakes.
      if (process === undefined || machine.suspended) continue
      const now = process.standing()
      leftMs = Math.min(leftMs, now.leftMs)
      if (now.standing !== seen.standing || now.token !== seen.token) {
        instance.seen = { token: now.token, standing: now.standing }
        this.#history.add(process.who, { kind: 'standing', ...instance.seen })
      }
      if (now.standing !== 'none') standing.push({ process, instance })
    }
    this.#noteBoth(standing)
    this.#lookAfter(leftMs)
  }

  /** The process of an instance that runs now, if one does. */
  processOf(index: number): SimProcess | undefined {
    return this.#instances[index]?.process
  }

  /** Looks again when trust ends, as a clock has it that may be a little fast. */
  #lookAfter(leftMs: number): void {
    const atMs = this.world.nowMs + leftMs / 1.01 + 0.1
    if (atMs >= this.#lookMs) return
    this.#nextLook?.cancel()
    this.#lookMs = atMs
    this.#nextLook = this.world.at(atMs, () => (this.#lookMs = Infinity))
  }

  /** Notes that several trust their terms at once, unless the same was noted last. */
  #noteBoth(standing: readonly { process: SimProcess; instance: Instance }[]): void {
    const words = standing.map(
      ({ process, instance: { seen } }) => `${process.who} (${seen.standing} with ${seen.token})`,
    )
    const [first, ...others] = standing
    const both = words.slice(1).join(', ')
    const isNew = both !== this.#both
    this.#both = both
    if (first === undefined || others.length === 0 || !isNew) return
    const leaders = standing.filter(({ instance }) => instance.seen.standing === 'leader')
    this.#history.add(first.process.who, {
      kind: 'both',
      standing: leaders.length > 1 ? 'leader' : 'trusted',
      others: both,
    })
  }

  #workersOf(token: number): string[] {
    return this.#instances.flatMap(({ process, application }) =>
      process === undefined || process.isExiting || process.isGone
        ? []
        : (application?.workingWith(token) ?? []).map((run) => `${process.who}'s run ${run}`),
    )
  }

  // ---- processes ----

  #startProcess(instance: Instance): void {
    const { machine, link, random, letter, times } = instance
    if (instance.process !== undefined) return
    if (machine.suspended) {
      this.world.after(100, () => this.#startProcess(instance))
      return
    }
    const settings = this.#scenario.instances[this.#instances.indexOf(instance)]
    const who = `${letter}${++instance.lives}`
    const life = random.fork(who)
    const parts = { machine, link, history: this.#history, random: life }
    instance.process = new SimProcess({
      ...parts,
      who,
      world: this.world,
      server: this.server,
      faultyMs: this.#scenario.faultyMs,
      renewing: () => this.#faults.renewing(instance),
      options: {
        // It would be a real process, in real time.
        witness: false,
        store: 'sqlite:simulated',
        lease: 'scheduler',
        application: 'simulation',
        label: who,
        heartbeatIn: settings?.heartbeatIn,
        onStall: settings?.onStall,
        ...times,
      },
      application: (tenure, process) => {
        const { habits, ledger, calmFromMs } = this.#scenario
        instance.application = new Application({
          ...parts,
          tenure,
          process,
          random: life.fork('application'),
          resource: this.#resource,
          habits,
          ledger,
          calmFromMs,
        })
        instance.application.start()
      },
      gone: () => this.#gone(instance),
    })
    instance.process.start()
  }

  /** A process has ended: another is started after a while, as whoever looks after it does. */
  #gone(instance: Instance): void {
    instance.process?.tellHindrances()
    instance.process = undefined
    instance.application = undefined
    if (instance.seen.standing !== 'none') {
      instance.seen = { token: 0, standing: 'none' }
      this.#history.add(`${instance.letter}${instance.lives}`, {
        kind: 'standing',
        ...instance.seen,
      })
    }
    const restartMs = instance.random.next() * instance.times.ttl
    const { calmFromMs } = this.#scenario
    const atMs = Math.min(this.world.nowMs + restartMs, Math.max(calmFromMs, this.world.nowMs + 10))
    this.world.at(atMs, () => this.#startProcess(instance))
  }
}
