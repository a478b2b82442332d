/** What stands in a queue: it is due at an instant, and knows its own place. */
export interface Due {
  /** When it is due, on the clock of its queue. */
  dueMs: number
  /** Its place in the heap, -1 while it is in none. */
  place: number
}

/** Things in the order in which they are due: a binary heap whose members can be taken out. */
export class DueQueue<Item extends Due> {
  readonly #heap: Item[] = []

  get first(): Item | undefined {
    return this.#heap[0]
  }

  add(item: Item): void {
    this.#heap.push(item)
    item.place = this.#heap.length - 1
    this.#up(item)
  }

  /** Takes an item out; one that is in no queue is left alone. */
  remove(item: Item): void {
    if (this.#heap[item.place] !== item) return
    const last = this.#heap.pop()
    const { place } = item
    item.place = -1
    if (last === undefined || last === item) return
    last.place = place
    this.#heap[place] = last
    this.#up(last)
    this.#down(last)
  }

  #up(item: Item): void {
    while (item.place > 0) {
      const parent = this.#heap[(item.place - 1) >> 1]
      if (parent === undefined || parent.dueMs <= item.dueMs) return
      this.#swap(item, parent)
    }
  }

  #down(item: Item): void {
    for (;;) {
      const left = this.#heap[2 * item.place + 1]
      const right = this.#heap[2 * item.place + 2]
      const child =
        right !== undefined && left !== undefined && right.dueMs < left.dueMs ? right : left
      if (child === undefined || item.dueMs <= child.dueMs) return
      this.#swap(item, child)
    }
  }

  #swap(one: Item, other: Item): void {
    const place = one.place
    one.place = other.place
    other.place = place
    this.#heap[one.place] = one
    this.#heap[other.place] = other
  }
}
