import type { Random } from './random.ts'
import type { Times } from './scenario.ts'

/** Whom a fault hits: an instance by its number, or whoever leads then. */
export type Target = number | 'leader'

/** When a fault begins, and how long it lasts. */
interface Timing {
  readonly atMs: number
  readonly forMs: number
  /** Begins as its target has sent the next renewal after `atMs`, while the reply is under way. */
  readonly inRenewal: boolean
}

/** What one instance suffers. */
type OfInstance = { readonly target: Target } & (
  | {
      readonly kind: 'cut'
      readonly way: 'requests' | 'replies' | 'both'
      readonly refuses: boolean
    }
  /** Replies are slow, and then nothing gets through any more. */
  | { readonly kind: 'slow-then-cut'; readonly extraMs: number; readonly cutMs: number }
  | { readonly kind: 'pause' | 'stall' | 'starve' | 'kill' | 'kill-heart' }
  | { readonly kind: 'suspend'; readonly wallByMs: number }
  | { readonly kind: 'exit'; readonly code: number }
  /** Asked to stop, or to resign; and for a while from then on nothing gets through. */
  | { readonly kind: 'stop' | 'resign'; readonly drainMs: number; readonly cutMs: number }
  | { readonly kind: 'wall-step'; readonly byMs: number }
)

/** What befalls the store, or all instances. */
type OfAll =
  | {
      readonly kind: 'weather'
      readonly lost: number
      readonly late: number
      readonly twice: number
    }
  | { readonly kind: 'store-down'; readonly refuses: boolean }
  | { readonly kind: 'store-slow'; readonly serviceMs: number }
  | { readonly kind: 'store-step' | 'store-jump'; readonly byMs: number }
  | { readonly kind: 'store-restored'; readonly lostMs: number }
  /** Pushes do not come, and the listeners may be told so. */
  | { readonly kind: 'pushes-lost'; readonly told: boolean }
  /** A wish that the leader resign comes this long after somebody saw who leads. */
  | { readonly kind: 'wish'; readonly afterMs: number }
  | { readonly kind: 'record-deleted' }

/** What may befall one or all. */
type OfEither =
  | {
      readonly kind: 'slow'
      readonly target: Target | 'all'
      readonly way: 'requests' | 'replies'
      readonly extraMs: number
    }
  | { readonly kind: 'drift'; readonly target: Target | 'store'; readonly drift: number }
  /** New times; and nothing comes back from the first renewal with them, nor for a while after it. */
  | {
      readonly kind: 'reconfigure'
      readonly target: Target | 'all'
      readonly times: number
      readonly cutMs: number
    }

/** One fault: from when on, for how long, and what. */
export type Fault = Timing & (OfInstance | OfAll | OfEither)

/** What faults are drawn for. */
export interface FaultsFor {
  readonly beyondPromise: boolean
  readonly instances: number
  readonly times: readonly [Times, ...Times[]]
  readonly drainMsMax: number
  /** Faults begin before this instant ... */
  readonly faultyMs: number
  /** ... and have ended by this one. */
  readonly calmFromMs: number
}

/** How much the store's clock may be set forward within one ttl: the margin, without the drift. */
const storeStepMsMax = 400

/** Longer than any lease lasts without a renewal. */
const apartMs = 60_000

type Kind = Fault['kind']

const within: readonly Kind[] = [
  'cut',
  'slow',
  'slow-then-cut',
  'weather',
  'store-down',
  'store-slow',
  'store-step',
  'pushes-lost',
  'pause',
  'suspend',
  'stall',
  'starve',
  'kill',
  'exit',
  'kill-heart',
  'stop',
  'resign',
  'wish',
  'wall-step',
  'drift',
  'reconfigure',
]
const beyond: readonly Kind[] = ['store-restored', 'store-jump', 'record-deleted']

/** What may begin while a renewal is under way. */
const halfway: ReadonlySet<Kind> = new Set([
  'cut',
  'pause',
  'suspend',
  'stall',
  'starve',
  'kill',
  'exit',
  'kill-heart',
  'stop',
  'resign',
  'reconfigure',
])

/**
 * Draws the faults of a seed. Each seed has some kinds only, so that they do not drown each other,
 * and all lengths lie around the times at which something changes.
 */
export function drawFaults(random: Random, what: FaultsFor): Fault[] {
  const { times, faultyMs, beyondPromise } = what
  const share = random.pick([0.15, 0.3, 0.6])
  const kinds = within.filter(() => random.chance(share))
  if (kinds.length === 0) kinds.push(...within)
  if (beyondPromise) kinds.push(...beyond, ...beyond)
  const [first, ...rest] = kinds
  if (first === undefined) return []
  const everyMs = times[0].ttl * random.pick([0.4, 1, 2])
  const faults: Fault[] = []
  let atMs = times[0].ttl
  let steppedMs = -Infinity
  for (;;) {
    atMs += random.next() * 2 * everyMs
    if (atMs > faultyMs) return faults
    const fault = drawFault(random, random.pick([first, ...rest]), atMs, what)
    if (fault.kind === 'store-step') {
      // The margin is for one step, and not for the sum of several.
      if (atMs < steppedMs + apartMs) continue
      steppedMs = atMs
    }
    faults.push(fault)
  }
}

function drawFault(random: Random, kind: Kind, atMs: number, what: FaultsFor): Fault {
  const { times, instances, calmFromMs, faultyMs } = what
  const now = random.pick(times)
  const { ttl, attemptTimeout, drain } = now
  const target: Target = random.chance(0.65) ? 'leader' : random.whole(0, instances - 1)
  const lastMs = calmFromMs - atMs
  const forMs = Math.min(drawLength(random, now), lastMs)
  const inRenewal = halfway.has(kind) && random.chance(0.4)
  const base = { atMs, forMs, inRenewal }
  const extraMs = attemptTimeout * random.pick([0.5, 0.9, 1.2])
  switch (kind) {
    case 'cut':
    case 'slow':
    case 'slow-then-cut':
    case 'weather':
      return drawOfNetwork(random, kind, { ...base, target, extraMs, lastMs, times: now })
    case 'store-down':
      return { ...base, kind, refuses: random.chance(0.5) }
    case 'store-slow':
      return { ...base, kind, serviceMs: extraMs }
    case 'store-step':
      return { ...base, kind, byMs: random.between(-1, 1) * storeStepMsMax }
    case 'suspend': {
      // Who suspends a machine may well set its clock meanwhile.
      const wallByMs = random.chance(0.5) ? random.between(-2, 1) * forMs * 2 : 0
      return { ...base, kind, target, wallByMs }
    }
    case 'exit':
      return { ...base, kind, target, code: random.whole(0, 1) }
    case 'stop':
    case 'resign': {
      const drainMs = random.pick([0, drain, what.drainMsMax])
      const cutMs = random.chance(0.3) ? Math.min(ttl, lastMs) : 0
      return { ...base, forMs: Math.min(forMs, faultyMs - atMs), kind, target, drainMs, cutMs }
    }
    case 'wish': {
      const afterMs = random.pick([0, Math.min(random.next() * ttl, faultyMs - atMs)])
      return { ...base, forMs: Math.min(forMs, faultyMs - atMs), kind, afterMs }
    }
    case 'wall-step': {
      const byMs = random.between(-1, 1) * random.pick([100, ttl, 3_600_000])
      return { ...base, kind, target, byMs }
    }
    case 'drift': {
      const whose = random.chance(0.3) ? 'store' : target
      return { ...base, kind, target: whose, drift: random.pick([-0.005, 0, 0.005]) }
    }
    case 'reconfigure': {
      const all = random.chance(0.5)
      const index = random.whole(0, times.length - 1)
      const cutMs = random.chance(0.5) ? Math.min(ttl * random.between(0.5, 1.5), lastMs) : 0
      return { ...base, kind, target: all ? 'all' : target, times: index, cutMs }
    }
    case 'store-restored':
      return { ...base, kind, lostMs: ttl * random.pick([0.2, 1, 4]) }
    case 'store-jump':
      return { ...base, kind, byMs: random.between(-2, 2) * ttl }
    case 'pushes-lost':
      return { ...base, kind, told: random.chance(0.5) }
    case 'record-deleted':
      return { ...base, kind }
    default:
      return { ...base, kind, target }
  }
}

function drawOfNetwork(
  random: Random,
  kind: 'cut' | 'slow' | 'slow-then-cut' | 'weather',
  about: Timing & { target: Target; extraMs: number; lastMs: number; times: Times },
): Fault {
  const { target, extraMs, lastMs, times, ...base } = about
  switch (kind) {
    case 'cut': {
      const way = random.pick(['requests', 'replies', 'both'] as const)
      return { ...base, kind, target, way, refuses: random.chance(0.3) }
    }
    case 'slow': {
      const way = random.pick(['requests', 'replies'] as const)
      return { ...base, kind, target: random.chance(0.3) ? 'all' : target, way, extraMs }
    }
    case 'slow-then-cut': {
      const slowMs = Math.min(times.heartbeat + random.next() * times.ttl, lastMs / 2)
      const cutMs = Math.min(times.ttl * random.between(0.8, 1.5), lastMs - slowMs)
      return { ...base, forMs: slowMs, kind, target, extraMs, cutMs }
    }
    case 'weather': {
      const share = (): number => (random.chance(0.6) ? random.pick([0.05, 0.2, 0.5]) : 0)
      return { ...base, kind, lost: share(), late: share(), twice: share() }
    }
  }
}

/** How long something lasts: often about as long as it takes for something to change. */
function drawLength(random: Random, times: Times): number {
  const { ttl, heartbeat, attemptTimeout, stopGrace, safetyMargin, stallLimit } = times
  const softStopMs = ttl - stopGrace - safetyMargin
  const turnMs = random.pick([
    attemptTimeout,
    heartbeat,
    softStopMs - heartbeat,
    softStopMs,
    ttl - safetyMargin,
    ttl,
    1.3 * ttl,
    2 * ttl,
    stallLimit,
    stallLimit + ttl,
  ])
  if (random.chance(0.2)) return random.between(1, turnMs)
  return turnMs * random.between(0.9, 1.15)
}
