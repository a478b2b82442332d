import type { StoreName } from '../support/test-store.ts'
import { faultOf, faults, type FaultName, type Strike } from './faults.ts'
import { Random } from './random.ts'

/** How many instances take part. */
export const instances = 5

/** What decides about the faults: the same values yield the same ones, on any machine. */
export interface ScriptOptions {
  readonly seed: number
  readonly store: StoreName
  readonly durationMs: number
  /** Only these faults. @default all that can be done to the store */
  readonly only?: readonly FaultName[] | undefined
  /** The time between the beginnings of two faults. */
  readonly everyMs?: readonly [least: number, most: number] | undefined
  /** How long each fault lasts, instead of its own bounds. */
  readonly lastsMs?: readonly [least: number, most: number] | undefined
  /** How likely a fault is done to the leader, and not to anyone. @default 0.6 */
  readonly onLeader?: number | undefined
}

/** Draws the faults of a run: what is done, when, to whom, how and for how long. */
export function drawScript(options: ScriptOptions): Strike[] {
  const { seed, store, durationMs, only, lastsMs, everyMs = [300, 2_500] } = options
  const { onLeader: leaderShare = 0.6 } = options
  const random = new Random(seed)
  const names = (only ?? (Object.keys(faults) as FaultName[])).filter(
    (name) => (faultOf(name).store ?? store) === store,
  )
  const total = names.reduce((sum, name) => sum + faultOf(name).weight, 0)
  const drawName = (): FaultName => {
    let left = random.next() * total
    return names.find((name) => (left -= faultOf(name).weight) < 0) ?? 'process killed'
  }
  const script: Strike[] = []
  // At first somebody has to lead, so that there is something to lose.
  let atMs = 2_000
  while (atMs < durationMs) {
    const fault = drawName()
    const { ways, ms } = faultOf(fault)
    const [least, most] = lastsMs ?? ms
    const onLeader = random.chance(leaderShare)
    const anyone = random.whole(0, instances - 1)
    const how = random.pick(ways)
    // Short ones are as likely as long ones, by order of magnitude.
    const lasts = Math.round(least + (most - least) * random.next() ** 1.5)
    const on = onLeader ? 'leader' : anyone
    script.push({ id: script.length + 1, atMs, fault, on, how, ms: lasts })
    atMs += Math.round(random.between(...everyMs))
  }
  return script
}
