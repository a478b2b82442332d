import type { Fault } from './faults.ts'
import type { History } from './history.ts'
import type { Instance } from './instance.ts'
import type { Machine } from './machine.ts'
import type { Link, Weather } from './network.ts'
import type { Random } from './random.ts'
import type { Scenario, Times } from './scenario.ts'
import type { StoreServer } from './store-server.ts'
import type { World } from './world.ts'

/** What faults can befall. */
export interface FaultInjectorParts {
  readonly world: World
  readonly scenario: Scenario
  readonly history: History
  readonly random: Random
  readonly server: StoreServer
  readonly storeMachine: Machine
  readonly weather: Weather
  readonly instances: readonly Instance[]
}

type Later = (mend: () => void) => void

/** Breaks things as a scenario says, and mends them. */
export class FaultInjector {
  readonly #parts: FaultInjectorParts

  constructor(parts: FaultInjectorParts) {
    this.#parts = parts
  }

  /** A fault begins, and is mended when its time is over. */
  befall(fault: Fault): void {
    const { world, history } = this.#parts
    const instance = this.#hit(fault)
    if (fault.inRenewal && instance !== undefined) {
      instance.inRenewal.push({ ...fault, inRenewal: false })
      return
    }
    const who = instance === undefined ? 'store' : `${instance.letter}${instance.lives}`
    history.add(who, { kind: 'fault', what: describe(fault) })
    const later = (mend: () => void): void => void world.after(fault.forMs, mend)
    if (fault.kind === 'wall-step') history.add(who, { kind: 'wall-set' })
    if (instance === undefined) this.#befallAll(fault, later)
    else this.#befallOne(fault, instance, later)
  }

  /** An instance has sent a renewal: what has waited for that begins. */
  renewing(instance: Instance): void {
    const { world, scenario, instances } = this.#parts
    const { faultyMs, calmFromMs } = scenario
    for (const fault of instance.inRenewal.splice(0)) {
      // What has waited for too long would not be over in time.
      if (world.nowMs > faultyMs) continue
      const forMs = Math.min(fault.forMs, calmFromMs - world.nowMs)
      const target = instances.indexOf(instance)
      world.after(0.01, () => this.befall({ ...fault, target, forMs } as Fault))
    }
  }

  /** Whom a fault befalls; `undefined`: the store, or all. */
  #hit(fault: Fault): Instance | undefined {
    const { instances, random } = this.#parts
    const target = 'target' in fault ? fault.target : 'all'
    if (target === 'all' || target === 'store') return undefined
    if (target !== 'leader') return instances[target]
    const leader = instances.find(({ seen }) => seen.standing !== 'none')
    return leader ?? instances[random.whole(0, instances.length - 1)]
  }

  #befallAll(fault: Fault, later: Later): void {
    const { server, world, random, scenario, weather, storeMachine, instances } = this.#parts
    switch (fault.kind) {
      case 'slow':
        return this.#slow(weather, fault, later)
      case 'weather': {
        const { lost, late, twice } = fault
        Object.assign(weather, { lost, late, twice })
        return later(() => Object.assign(weather, { lost: 0, late: 0, twice: 0 }))
      }
      case 'store-down':
        server.down(fault.refuses)
        return later(() => server.up())
      case 'store-slow':
        server.serviceMsMax = fault.serviceMs
        return later(() => (server.serviceMsMax = 1))
      case 'store-step':
      case 'store-jump':
        return storeMachine.jump(fault.byMs)
      case 'pushes-lost':
        server.losePushes(fault.told)
        return later(() => server.mendPushes())
      case 'wish':
        return server.wish(fault.forMs, fault.afterMs)
      case 'drift':
        storeMachine.drift = fault.drift
        return
      case 'reconfigure':
        for (const instance of instances) {
          const afterMs = random.next() * scenario.times[0].heartbeat
          world.after(afterMs, () => this.#reconfigure(instance, scenario.times[fault.times]))
        }
        return
      case 'store-restored':
        return server.restore(fault.lostMs)
      case 'record-deleted':
        return server.deleteRecord()
      default:
        throw new Error(`${fault.kind} befalls an instance`)
    }
  }

  #befallOne(fault: Fault, instance: Instance, later: Later): void {
    const { world, scenario } = this.#parts
    const { machine, link, process } = instance
    const untilMs = world.nowMs + fault.forMs
    switch (fault.kind) {
      case 'cut':
        return this.#cut(link, fault)
      case 'slow':
        return this.#slow(link.weather, fault, later)
      case 'slow-then-cut':
        link.weather.replyExtraMs = fault.extraMs
        return later(() => {
          link.weather.replyExtraMs = 0
          this.#cut(link, { ...cutOff, forMs: fault.cutMs })
        })
      case 'pause':
        process?.hold('paused')
        return later(() => process?.release('paused'))
      case 'suspend':
        return this.#suspend(fault.wallByMs, instance, later)
      case 'stall':
        return process?.stall(untilMs)
      case 'starve':
        return process?.starve(untilMs)
      case 'kill':
        return process?.kill()
      case 'exit':
        return process?.exit(fault.code)
      case 'kill-heart':
        return process?.killHeart()
      case 'stop':
        if (fault.cutMs > 0) this.#cut(link, { ...cutOff, forMs: fault.cutMs })
        return process?.stop(fault.drainMs, untilMs)
      case 'resign':
        if (fault.cutMs > 0) this.#cut(link, { ...cutOff, forMs: fault.cutMs })
        return process?.resign(untilMs, fault.drainMs)
      case 'wall-step':
        return machine.stepWall(fault.byMs)
      case 'drift':
        machine.drift = fault.drift
        return
      case 'reconfigure':
        if (fault.cutMs > 0) {
          const { atMs, cutMs: forMs } = fault
          instance.inRenewal.push({ ...cutOff, atMs, forMs, kind: 'cut', target: 0 })
        }
        return this.#reconfigure(instance, scenario.times[fault.times])
      default:
        throw new Error(`${fault.kind} befalls the store`)
    }
  }

  #cut(
    link: Link,
    { way, refuses, forMs }: Pick<Extract<Fault, { kind: 'cut' }>, 'way' | 'refuses' | 'forMs'>,
  ): void {
    link.cut.requests ||= way !== 'replies'
    link.cut.replies ||= way !== 'requests'
    link.refuses = refuses
    this.#parts.world.after(forMs, () => link.mend())
  }

  #slow(weather: Weather, { way, extraMs }: Extract<Fault, { kind: 'slow' }>, later: Later): void {
    const extra = way === 'requests' ? 'requestExtraMs' : 'replyExtraMs'
    weather[extra] = extraMs
    later(() => (weather[extra] = 0))
  }

  /** Suspends a machine with all that runs on it, and may set its wall clock meanwhile. */
  #suspend(wallByMs: number, instance: Instance, later: Later): void {
    const { machine, process } = instance
    if (machine.suspended) return
    machine.suspend()
    process?.hold('suspended')
    later(() => {
      machine.stepWall(wallByMs)
      machine.resume()
      process?.release('suspended')
    })
  }

  #reconfigure(instance: Instance, times: Times | undefined): void {
    if (times === undefined) return
    instance.times = times
    instance.process?.reconfigure(times)
  }
}

/** Nothing gets through any more, in either way, and nobody is told. */
const cutOff = { way: 'both', refuses: false, inRenewal: false } as const

/** A fault in words: its kind, and what else it has. */
function describe(fault: Fault): string {
  const hidden = new Set(['kind', 'atMs', 'target', 'inRenewal'])
  const rest = Object.entries(fault).filter(([key]) => !hidden.has(key))
  const words = rest.map(([key, value]: [string, unknown]) => {
    const shown = typeof value === 'number' ? Math.round(value * 1_000) / 1_000 : String(value)
    return `${key} ${shown}`
  })
  return `${fault.kind}: ${words.join(', ')}`
}
