/** How much a server's clock may gain on ours without having been stepped: rates differ by 1 %. */
const rateMax = 1.01

/** How far a pushed reading may be beside what the last reply and our own clock tell, besides. */
const pushSlackMs = 500

/** A reading of the server's clock, and how much time has passed for us since, at least. */
export interface SeenClock {
  readonly seenMs: number
  readonly sinceMs: number
}

/** What the server's clock showed at an instant of ours. */
interface Reading {
  readonly serverMs: number
  readonly oursMs: number
}

/** Which renewal of which term a record shows. */
interface RecordIdentity {
  readonly token: number
  readonly renewals: number
}

/** A record that the server's clock was stepped over, and what that clock showed before. */
interface Disbelieved extends RecordIdentity {
  readonly before: Reading | undefined
}

/**
 * What one client knows of its server's clock, which decides about expiry and can be set by anybody
 * who administers the server. A clock that has outrun our own by more than a holder's safety margin
 * is not believed about a record that it has been stepped over: such a record is taken over only
 * after it has been watched. All times in milliseconds; ours are monotonic.
 */
export class ServerClock {
  #last: Reading | undefined
  /** A later one that a push has told, if it fits to the last one that a reply has told. */
  #pushed: Reading | undefined
  /** What was known before the last reply. */
  #before: Reading | undefined
  readonly #disbelieved = new Map<string, Disbelieved>()

  /**
   * What the server is to compare its clock with, about the record of a lease. While a record is
   * disbelieved that is what was known before the step: the step is not seen again by what came
   * after it, and whoever looks twice would be granted what its holder still trusts.
   */
  seen(lease: string, nowMs: number): SeenClock | undefined {
    const last = this.#disbelieved.get(lease)?.before ?? this.#pushed ?? this.#last
    if (last === undefined) return undefined
    return { seenMs: last.serverMs, sinceMs: nowMs - last.oursMs }
  }

  /** What the server's clock shows at an instant of ours at the latest, unless it is stepped. */
  lastlyAt(oursMs: number): number | undefined {
    const last = this.#pushed ?? this.#last
    if (last === undefined || oursMs === Infinity) return undefined
    return last.serverMs + (oursMs - last.oursMs) * rateMax
  }

  /**
   * Notes a reading that a push has told. Anybody may have sent that: it counts only if it is about
   * what the last reply lets expect, and then bounds more closely what follows.
   */
  hear(serverMs: number, nowMs: number): void {
    if (this.#last === undefined) return
    const passedMs = nowMs - this.#last.oursMs
    const besideMs = Math.abs(serverMs - this.#last.serverMs - passedMs)
    if (besideMs > passedMs * (rateMax - 1) + pushSlackMs) return
    this.#pushed = { serverMs, oursMs: nowMs }
  }

  /**
   * Notes a reading that was taken on the server between two instants of ours.
   *
   * @returns by how much it has gained on our clock since the last reading, beyond what its rate
   *   explains; negative if it has not
   */
  read(serverMs: number, fromMs: number, untilMs: number): number {
    const latestMs = this.lastlyAt(untilMs)
    this.#before = this.#pushed ?? this.#last
    this.#last = { serverMs, oursMs: fromMs }
    this.#pushed = undefined
    return latestMs === undefined ? 0 : serverMs - latestMs
  }

  /**
   * Whether the server's clock tells the age of a record that came with a reading of this gain. A
   * gain above the smallest safety margin that its holder can have means that the clock was stepped,
   * perhaps over this record; a renewal after the step is believed again.
   */
  isBelieved(lease: string, record: RecordIdentity & { ttlMs: number }, gainMs: number): boolean {
    const { token, renewals, ttlMs } = record
    const disbelieved = this.#disbelieved.get(lease)
    if (disbelieved?.token === token && disbelieved.renewals === renewals) return false
    if (gainMs <= ttlMs * 0.01 + 500) {
      this.#disbelieved.delete(lease)
      return true
    }
    this.#disbelieved.set(lease, { token, renewals, before: this.#before })
    return false
  }
}
