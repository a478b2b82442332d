/**
 * Randomness that a seed decides: the same seed and name yield the same numbers, on any machine.
 * Each part of a simulation has a stream of its own, so that a change in one part leaves the
 * numbers of the others as they were.
 */
export class Random {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(name: string) {
    this.#name = name
    this.#a = hash(name, 0x9e3779b9)
    this.#b = hash(name, 0x85ebca6b)
    this.#c = hash(name, 0xc2b2ae35)
    for (let i = 0; i < 12; i++) this.next()
  }

  /** Another stream, which this one does not influence. */
  fork(name: string): Random {
    return new Random(`${this.#name}/${name}`)
  }

  /** From 0 to below 1: the generator "small fast counting" with 32-bit words. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.whole(0, items.length - 1)] ?? items[0]
  }
}

function hash(text: string, salt: number): number {
  let state = salt | 0
  for (let i = 0; i < text.length; i++) {
    state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
    state = (state << 13) | (state >>> 19)
  }
  state = Math.imul(state ^ (state >>> 16), 0x7feb352d)
  return state ^ (state >>> 15)
}
