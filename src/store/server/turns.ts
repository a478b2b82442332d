/** Units of work that take turns, as they do on one connection. */
export class Turns {
  /** Ends when the unit of work before the next one has ended. */
  #last: Promise<unknown> = Promise.resolve()

  /** Calls `work` when those before it have ended; rejects at once when `signal` is aborted. */
  run<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const previous = this.#last
    const unit = (async () => {
      await settledOrAborted(
        previous.catch(() => {}),
        signal,
      )
      return work()
    })()
    this.#last = unit.catch(() => previous)
    return unit
  }
}

/** Settles as `work` does; rejects with an abort. */
export function settledOrAborted<Result>(
  work: Promise<Result>,
  signal: AbortSignal,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** Rejects when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<never> {
  return settledOrAborted(new Promise<never>(() => {}), signal)
}
