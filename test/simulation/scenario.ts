import { resolveRunning, type ReconfigurableOptions } from '../../src/options.ts'
import type { Habits } from './application.ts'
import { drawFaults, type Fault } from './faults.ts'
import { drawLedger, type LedgerHabits } from './ledger-habits.ts'
import { Random } from './random.ts'

/** The times of a lease, all given, in milliseconds. */
export interface Times {
  readonly ttl: number
  readonly heartbeat: number
  readonly attemptTimeout: number
  readonly retryBackoff: number
  readonly stopGrace: number
  readonly safetyMargin: number
  readonly stallLimit: number
  readonly drain: number
}

/** One seed, written out: all that is decided before anything happens. */
export interface Scenario {
  readonly seed: number
  /** Whether faults are among them for which only fencing is promised. */
  readonly beyondPromise: boolean
  readonly instances: readonly {
    readonly drift: number
    readonly wallMs: number
    readonly uptimeGrainMs: number
    readonly heartbeatIn: 'thread' | 'main'
    readonly onStall: 'expire' | 'kill'
    /** When its first process starts. */
    readonly startsMs: number
  }[]
  /** The first is in force at the beginning; the others come by `reconfigure`. */
  readonly times: readonly [Times, ...Times[]]
  readonly store: {
    readonly drift: number
    readonly pushes: 'none' | 'changes' | 'renewals'
    readonly commonClock: boolean
  }
  readonly latencyMsMax: number
  readonly habits: Habits
  /** The jobs of the application that stand in the ledger. */
  readonly ledger: readonly LedgerHabits[]
  readonly faults: readonly Fault[]
  /** The longest drain that is asked for. */
  readonly drainMsMax: number
  /** No fault begins after this instant. */
  readonly faultyMs: number
  /** From here on nothing goes wrong any more. */
  readonly calmFromMs: number
  readonly endMs: number
}

/** The longest ttl of a scenario. */
export function ttlMsMax({ times }: Pick<Scenario, 'times'>): number {
  return Math.max(...times.map(({ ttl }) => ttl))
}

const ttls: readonly [number, ...number[]] = [3_000, 6_000, 10_000, 20_000]

/** The bound of the promise: no two rates differ by more than 1 %. */
const driftMax = 0.005

/** Writes out a seed. */
export function drawScenario(seed: number): Scenario {
  const random = new Random(`scenario ${seed}`)
  const first = drawTimes(random, ttls)
  const times: [Times, ...Times[]] = [first]
  if (random.chance(0.35)) {
    const others = ttls.filter((ttl) => ttl !== first.ttl)
    times.push(drawTimes(random, others as [number, ...number[]]))
  }
  const ttlMs = ttlMsMax({ times })
  const drifts = random.pick(['none', 'extreme', 'any'] as const)
  const drift = (): number => {
    if (drifts === 'none') return 0
    if (drifts === 'any') return random.between(-driftMax, driftMax)
    return random.pick([-driftMax, driftMax])
  }
  const someInMain = random.chance(0.15)
  const instances = Array.from({ length: random.pick([1, 2, 2, 3, 3, 4]) }, () => ({
    drift: drift(),
    wallMs: 1_767_225_600_000 + random.between(-1, 1) * 86_400_000,
    uptimeGrainMs: random.pick([10, 10, 1_000]),
    heartbeatIn: someInMain && random.chance(0.5) ? ('main' as const) : ('thread' as const),
    onStall: random.chance(0.1) ? ('kill' as const) : ('expire' as const),
    startsMs: random.next() * first.ttl * (random.chance(0.3) ? 2 : 0.05),
  }))
  const beyondPromise = random.chance(0.12)
  // The last orders, such as a stop with its drain, have come to their end by then.
  const drainMsMax = 1.2 * ttlMs
  const faultyMs = ttlMs * random.between(12, 25)
  const calmFromMs = faultyMs + 3 * ttlMs
  const stopGraceMs = Math.min(...times.map(({ stopGrace }) => stopGrace))
  const habits: Habits = {
    everyMs: Math.round(first.ttl / random.pick([2, 5, 10])),
    stopMsMax: stopGraceMs * 0.7,
    blockMsMax: random.chance(0.3) ? ttlMs * random.pick([0.3, 1.5, 4]) : 0,
    stubbornMsMax: random.chance(0.3) ? ttlMs * random.pick([0.5, 1.5, 4]) : 0,
    lookMs: first.ttl / random.pick([4, 20]),
  }
  const store = {
    drift: drift(),
    pushes: random.pick(['none', 'changes', 'renewals'] as const),
    commonClock: random.chance(0.75),
  }
  const faults = drawFaults(random.fork('faults'), {
    beyondPromise,
    instances: instances.length,
    times,
    drainMsMax,
    faultyMs,
    calmFromMs,
  })
  const latencyMsMax = random.pick([3, 3, 30, 80])
  return {
    seed,
    beyondPromise,
    instances,
    times,
    store,
    latencyMsMax,
    habits,
    ledger: drawLedger(seed, first.ttl),
    faults,
    drainMsMax,
    faultyMs,
    calmFromMs,
    endMs: calmFromMs + 3 * ttlMs,
  }
}

/** A scenario in a few lines, for people. */
export function describeScenario(scenario: Scenario): string {
  const { seed, beyondPromise, instances, times, store, ledger, faults } = scenario
  const percent = (drift: number): string => `${(drift * 100).toFixed(2)} %`
  const hearts = instances.map(
    ({ heartbeatIn, drift }, index) =>
      `${String.fromCharCode(97 + index)} (${heartbeatIn}, clocks off by ${percent(drift)})`,
  )
  const clock = store.commonClock ? `clock off by ${percent(store.drift)}` : 'no common clock'
  const kinds = Map.groupBy(faults, ({ kind }) => kind)
  return [
    `Seed ${seed}${beyondPromise ? ', beyond the promise: only fencing is checked' : ''}`,
    `instances: ${hearts.join(', ')}`,
    `store: ${clock}; pushes: ${store.pushes}`,
    ...times.map((one) => `times: ${JSON.stringify(one)}`),
    ...ledger.map((job) => `in the ledger: ${JSON.stringify(job)}`),
    `faults: ${[...kinds].map(([kind, those]) => `${those.length} ${kind}`).join(', ')}`,
  ].join('\n')
}

/** Times that `createTenure` accepts, often with no room to spare. */
function drawTimes(random: Random, among: readonly [number, ...number[]]): Times {
  const ttl = random.pick(among)
  const heartbeat = Math.floor(ttl / random.pick([3, 4, 4, 6]))
  const retryBackoff = Math.floor(heartbeat / 10)
  const stopGrace = Math.floor(ttl / random.pick([10, 10, 20]))
  const safetyMargin = Math.ceil(
    random.chance(0.5) ? 0.01 * ttl + 500 : Math.max(ttl / 20, 0.01 * ttl + 500),
  )
  const leftMs = ttl - stopGrace - safetyMargin - heartbeat - retryBackoff
  const longestMs = Math.min(Math.floor(leftMs / 2), Math.ceil(ttl / 3) - 1)
  const attemptTimeout = Math.floor(longestMs * random.pick([1, 1, 0.6]))
  const times = {
    ttl,
    heartbeat,
    attemptTimeout,
    retryBackoff,
    stopGrace,
    safetyMargin,
    stallLimit: Math.floor(ttl * random.pick([1, 2, 3])),
    drain: Math.floor(ttl * random.pick([0, 0.2, 0.5])),
  }
  resolveRunning(times satisfies ReconfigurableOptions, {})
  return times
}
