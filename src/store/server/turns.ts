import { settledOrAborted } from '../../clock.ts'

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
