import type { Random } from './random.ts'
import type { World } from './world.ts'

/** What the ways to the store are like, for all or for one machine. */
export interface Weather {
  /** The longest time that a packet normally takes. */
  readonly latencyMsMax: number
  /** How much longer requests and replies take now, at most. */
  requestExtraMs: number
  replyExtraMs: number
  /** Shares of what is sent. */
  lost: number
  late: number
  twice: number
  /** How late the late ones come, at most. */
  readonly lateMsMax: number
}

/** Weather in which nothing goes wrong. */
export function calmWeather(latencyMsMax: number, lateMsMax: number): Weather {
  return {
    latencyMsMax,
    requestExtraMs: 0,
    replyExtraMs: 0,
    lost: 0,
    late: 0,
    twice: 0,
    lateMsMax,
  }
}

type Way = 'requests' | 'replies'

/** The connection of one machine to the store and to the resource. */
export class Link {
  /** Whether a way is cut. */
  readonly cut: Record<Way, boolean> = { requests: false, replies: false }
  /** Whether a cut is noticed at once, by an error, or not at all. */
  refuses = false
  readonly weather: Weather
  readonly #common: Weather
  readonly #world: World
  readonly #random: Random
  readonly #latestMs: number
  /** What was sent into a cut way, and is sent again when it is mended. */
  #stuck: (() => void)[] = []

  /** @param latestMs nothing arrives late after this instant: the faults have ended */
  constructor(world: World, random: Random, common: Weather, latestMs: number) {
    this.#world = world
    this.#random = random
    this.#common = common
    this.weather = calmWeather(common.latencyMsMax, common.lateMsMax)
    this.#latestMs = latestMs
  }

  /**
   * Sends something; it arrives once, twice, later, or never.
   *
   * @param failed is called where the sender is told that nothing could be sent
   */
  send(way: Way, arrive: () => void, failed: () => void): void {
    const random = this.#random
    if (this.cut[way]) {
      if (this.refuses) this.#world.after(random.between(0.1, 2), failed)
      else if (random.chance(0.5)) this.#stuck.push(() => this.#deliver(way, arrive))
      return
    }
    if (random.chance(this.#common.lost + this.weather.lost)) {
      // A lost packet is noticed as a broken connection, or not at all.
      if (random.chance(0.3)) this.#world.after(random.between(0.1, 50), failed)
      return
    }
    this.#deliver(way, arrive)
    if (random.chance(this.#common.twice + this.weather.twice)) this.#deliver(way, arrive)
  }

  mend(): void {
    this.cut.requests = false
    this.cut.replies = false
    const stuck = this.#stuck
    this.#stuck = []
    for (const send of stuck) send()
  }

  #deliver(way: Way, arrive: () => void): void {
    const random = this.#random
    const extra = way === 'requests' ? 'requestExtraMs' : 'replyExtraMs'
    const latencyMs = random.between(0.1, this.#common.latencyMsMax)
    const slowMs = random.next() * (this.#common[extra] + this.weather[extra])
    const isLate = random.chance(this.#common.late + this.weather.late)
    const lateMs = isLate ? random.next() * this.#common.lateMsMax : 0
    const arrivesMs = this.#world.nowMs + latencyMs + slowMs + lateMs
    const latestMs = Math.max(this.#latestMs, this.#world.nowMs + latencyMs)
    this.#world.at(Math.min(arrivesMs, latestMs), arrive)
  }
}
