import type { Fault } from './faults.ts'
import type { Scenario, Times } from './scenario.ts'

/** The short set of the documentation. */
export const shortTimes: Times = {
  ttl: 6_000,
  heartbeat: 2_000,
  attemptTimeout: 1_000,
  retryBackoff: 200,
  stopGrace: 600,
  safetyMargin: 560,
  stallLimit: 12_000,
  drain: 1_000,
}

/** A scenario in which nothing goes wrong but what is asked for, for a minute. */
export function quietScenario(changes: Partial<Scenario> = {}, faults: Fault[] = []): Scenario {
  const instance = {
    drift: 0,
    wallMs: 1_767_225_600_000,
    uptimeGrainMs: 10,
    heartbeatIn: 'thread',
    onStall: 'expire',
    startsMs: 0,
  } as const
  return {
    seed: 1,
    beyondPromise: false,
    instances: [instance, { ...instance, startsMs: 500 }],
    times: [shortTimes],
    store: { drift: 0, pushes: 'changes', commonClock: true },
    latencyMsMax: 3,
    habits: { everyMs: 1_000, stopMsMax: 400, blockMsMax: 0, stubbornMsMax: 0, lookMs: 300 },
    ledger: [],
    faults,
    drainMsMax: 1_000,
    faultyMs: 40_000,
    calmFromMs: 44_000,
    endMs: 60_000,
    ...changes,
  }
}
