/** The fencing tokens of the lease that replies of the store have told. */
export class KnownTokens {
  #max = 0
  /** The highest that is certainly of another term than the one that is acquired next. */
  #takenMax = 0

  /** The highest of all: what is acquired next has to be above it. */
  get max(): number {
    return this.#max
  }

  /**
   * Notes a token of another term; or one of which the reply does not say whose it is: perhaps that
   * of an acquisition of ours whose reply was lost.
   *
   * @returns whether it is higher than all before
   */
  learn(token: number, of: 'another' | 'anybody' = 'another'): boolean {
    if (!Number.isSafeInteger(token)) return false
    if (of === 'another') this.#takenMax = Math.max(this.#takenMax, token)
    if (token <= this.#max) return false
    this.#max = token
    return true
  }

  /** Whether a token that was acquired is not higher than all that other terms have had. */
  isTooLow(token: number): boolean {
    return token < this.#max || token <= this.#takenMax
  }
}
