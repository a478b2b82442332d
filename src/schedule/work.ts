/** Something of a term that is being done: a run, or a function given to `whileLeader`. */
export interface WorkItem {
  /** What it is called in a log line. */
  readonly name: string
  abort(reason: unknown): void
}

/** The work that is being done, so that the end of a term can abort it and wait for it. */
export class Work {
  readonly #items = new Set<WorkItem>()
  #idleWaiters: (() => void)[] = []

  /** Counts an item until `done` settles, either way. */
  add(item: WorkItem, done: Promise<unknown>): void {
    this.#items.add(item)
    const end = (): void => {
      this.#items.delete(item)
      if (this.#items.size > 0) return
      const waiters = this.#idleWaiters
      this.#idleWaiters = []
      for (const resolve of waiters) resolve()
    }
    done.then(end, end)
  }

  get names(): string[] {
    return [...this.#items].map(({ name }) => name)
  }

  abortAll(reason: unknown): void {
    for (const item of this.#items) item.abort(reason)
  }

  /** Resolves when nothing is being done; at once if that is so now. */
  whenIdle(): Promise<void> {
    if (this.#items.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idleWaiters.push(resolve))
  }
}
