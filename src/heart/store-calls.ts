import { limitTime, settledOrAborted, type Clock } from '../clock.ts'
import { formatDuration } from '../duration.ts'
import { TenureError } from '../errors.ts'
import type { Attempt, Settlement } from '../lease/elector-port.ts'
import type { AcquireReply, LeaseStore, ReleaseReply, RenewReply } from '../store/lease-store.ts'

/** The calls of the store that an elector's attempts are. */
export class StoreCalls {
  readonly #clock: Clock
  readonly #store: () => LeaseStore | undefined
  readonly #controllers = new Map<Attempt, AbortController>()

  constructor(clock: Clock, store: () => LeaseStore | undefined) {
    this.#clock = clock
    this.#store = store
  }

  /** One firing: a unit of work on the store that ends within its timeout, or is cancelled. */
  async call(attempt: Attempt, settled: (settlement: Settlement) => void): Promise<void> {
    const controller = new AbortController()
    this.#controllers.set(attempt, controller)
    const timeout = timeoutError(attempt)
    const timer = this.#clock.setTimer(attempt.timeoutMs, () => controller.abort(timeout))
    limitTime(controller.signal, this.#clock, attempt.timeoutMs)
    let settlement: Settlement
    try {
      const reply = await settledOrAborted(
        this.#invoke(attempt, controller.signal),
        controller.signal,
      )
      settlement = { kind: 'replied', reply }
    } catch (error) {
      settlement = { kind: 'failed', failure: error === timeout ? 'timeout' : 'error', error }
    }
    timer.cancel()
    this.#controllers.delete(attempt)
    settled(settlement)
  }

  /** Cancels a call whose outcome nobody waits for. */
  abandon(attempt: Attempt): void {
    this.#controllers.get(attempt)?.abort(abandonedError())
  }

  abandonAll(): void {
    for (const controller of this.#controllers.values()) controller.abort(abandonedError())
  }

  async #invoke(
    attempt: Attempt,
    signal: AbortSignal,
  ): Promise<AcquireReply | RenewReply | ReleaseReply | void> {
    const store = this.#store()
    if (store === undefined) throw closedError()
    switch (attempt.verb) {
      case 'acquire':
        return store.tryAcquire(attempt.request, signal)
      case 'renew':
        return store.tryRenew(attempt.request, signal)
      case 'release':
        return store.tryRelease(attempt.request, signal)
      case 'note':
        return store.tryNoteEnd(attempt.request.lease, attempt.request.ended, signal)
    }
  }
}

function timeoutError(attempt: Attempt): TenureError {
  return new TenureError(
    'TENURE_ERR_ATTEMPT_TIMEOUT',
    `Expected the attempt to ${attempt.verb} to end within ${formatDuration(attempt.timeoutMs)}; ` +
      'it did not, and was cancelled. The store may be slow or unreachable.',
  )
}

function abandonedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'The attempt was abandoned.')
}

function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
}
