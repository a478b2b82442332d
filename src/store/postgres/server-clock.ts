/** How much a server's clock may gain on ours without having been stepped: rates differ by 1 %. */
const rateMax = 1.01

/** A reading of the server's clock, and how much time has passed for us since, at least. */
export interface SeenClock {
  readonly seenMs: number
  readonly sinceMs: number
}

/** Which renewal of which term a record shows. */
interface RecordIdentity {
  readonly token: number
  readonly renewals: number
}

/**
 * What one client knows of its server's clock, which decides about expiry and can be set by anybody
 * who administers the server. A clock that has outrun our own by more than a holder's safety margin
 * is not believed about a record that it has been stepped over: such a record is taken over only
 * after it has been watched. All times in milliseconds; ours are monotonic.
 */
export class ServerClock {
  #serverMs: number | undefined
  #oursMs = 0
  readonly #disbelieved = new Map<string, RecordIdentity>()

  /** What the server is to compare its clock with. */
  seen(nowMs: number): SeenClock | undefined {
    if (this.#serverMs === undefined) return undefined
    return { seenMs: this.#serverMs, sinceMs: nowMs - this.#oursMs }
  }

  /**
   * Notes a reading that was taken on the server between two instants of ours.
   *
   * @returns by how much it has gained on our clock since the last reading, beyond what its rate
   *   explains; negative if it has not
   */
  read(serverMs: number, fromMs: number, untilMs: number): number {
    const gainMs =
      this.#serverMs === undefined
        ? 0
        : serverMs - this.#serverMs - (untilMs - this.#oursMs) * rateMax
    this.#serverMs = serverMs
    this.#oursMs = fromMs
    return gainMs
  }

  /**
   * Whether the server's clock tells the age of a record that came with a reading of this gain. A
   * gain above the smallest safety margin that its holder can have means that the clock was stepped,
   * perhaps over this record; a renewal after the step is believed again.
   */
  isBelieved(lease: string, record: RecordIdentity & { ttlMs: number }, gainMs: number): boolean {
    const { token, renewals, ttlMs } = record
    if (gainMs > ttlMs * 0.01 + 500) this.#disbelieved.set(lease, { token, renewals })
    const disbelieved = this.#disbelieved.get(lease)
    if (disbelieved === undefined) return true
    if (disbelieved.token === token && disbelieved.renewals === renewals) return false
    this.#disbelieved.delete(lease)
    return true
  }
}
