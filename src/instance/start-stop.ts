/** A start or a stop that was called for, and has not been followed by another one. */
interface Call {
  readonly kind: 'start' | 'stop'
  readonly followed: PromiseWithResolvers<void>
  done: Promise<void>
}

/**
 * The order of starts and stops: one is carried out after the other, as they were called. Calling
 * for the same again joins what is under way; a start that has failed may be called for again at
 * once.
 */
export class StartStop {
  #last: Call | undefined

  /** Whether the last call was for a stop that is still under way. */
  get isStopping(): boolean {
    return this.#last?.kind === 'stop'
  }

  /** @param work is given the promise of a stop that is called for before it has ended */
  start(work: (stopCalled: Promise<void>) => Promise<void>): Promise<void> {
    return this.#call('start', work)
  }

  stop(work: () => Promise<void>): Promise<void> {
    return this.#call('stop', work)
  }

  #call(kind: Call['kind'], work: (followed: Promise<void>) => Promise<void>): Promise<void> {
    const last = this.#last
    if (last?.kind === kind) return last.done
    last?.followed.resolve()
    const call: Call = { kind, followed: Promise.withResolvers(), done: Promise.resolve() }
    this.#last = call
    const forget = (): void => {
      if (this.#last === call) this.#last = undefined
    }
    call.done = this.#after(last, () => work(call.followed.promise))
    call.done.then(kind === 'stop' ? forget : undefined, forget)
    return call.done
  }

  async #after(last: Call | undefined, work: () => Promise<void>): Promise<void> {
    // Whoever called for that one hears of it if it has failed.
    await last?.done.catch(() => {})
    await work()
  }
}
