/** What is in a queue: it is due at an instant, and knows its own place. */
export interface Due {
  /** When it is due, on the clock of its queue. */
  readonly dueMs: number
  /** Its place in the heap; `undefined` while it is in none. */
  place: number | undefined
}

/** Things in the order in which they are due: a binary heap whose members can be taken out. */
export class DueQueue<Item extends Due> {
  readonly #heap: Item[] = []

  get first(): Item | undefined {
    return this.#heap[0]
  }

  add(item: Item): void {
    this.#heap.push(item)
    this.#up(item, this.#heap.length - 1)
  }

  /** Takes an item out; one that is in no queue is left alone. */
  remove(item: Item): void {
    const { place } = item
    if (place === undefined || this.#heap[place] !== item) return
    const last = this.#heap.pop()
    item.place = undefined
    if (last !== undefined && last !== item) this.#down(last, this.#up(last, place))
  }

  /** Moves an item towards the first from a place on; the place where it stays. */
  #up(item: Item, from: number): number {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#heap[above]
      if (parent === undefined || parent.dueMs <= item.dueMs) break
      this.#put(parent, place)
      place = above
    }
    this.#put(item, place)
    return place
  }

  #down(item: Item, from: number): void {
    let place = from
    for (;;) {
      const left = this.#heap[2 * place + 1]
      const right = this.#heap[2 * place + 2]
      const isRight = right !== undefined && left !== undefined && right.dueMs < left.dueMs
      const child = isRight ? right : left
      if (child === undefined || item.dueMs <= child.dueMs) break
      this.#put(child, place)
      place = 2 * place + (isRight ? 2 : 1)
    }
    this.#put(item, place)
  }

  #put(item: Item, place: number): void {
    item.place = place
    this.#heap[place] = item
  }
}
