import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'

import { describeValue, TenureError } from './errors.ts'

const storage = new AsyncLocalStorage<string>()

/** The longest correlation id, in characters: W3C trace ids and UUIDs fit several times. */
export const correlationIdLengthMax = 128

const correlationIdPattern = /^[\w.:/+=@-]+$/

/**
 * The correlation id in force, or `undefined`. Inside a run and a heartbeat there always is one.
 *
 * @example
 * ```ts
 * import { correlationId, withCorrelationId } from 'tenure'
 * withCorrelationId('request-7', () => correlationId()) // 'request-7'
 * correlationId() // undefined
 * ```
 */
export function correlationId(): string | undefined {
  return storage.getStore()
}

/**
 * Calls `work` with `id` as the correlation id in force, in everything that it starts and awaits,
 * and returns what it returns. Afterwards, also when it throws, the id from before is in force.
 *
 * @throws TenureError `TENURE_ERR_CORRELATION_ID` if `id` is empty, longer than 128 characters or
 * has characters other than letters, digits and `_ . : / + = @ -`
 */
export function withCorrelationId<Result>(id: string, work: () => Result): Result {
  if (!isCorrelationId(id)) {
    throw new TenureError(
      'TENURE_ERR_CORRELATION_ID',
      `Expected a correlation id of 1 to ${correlationIdLengthMax} characters out of letters, ` +
        `digits and _.:/+=@-; got ${describeValue(id)}.`,
    )
  }
  return storage.run(id, work)
}

/** Whether a value, such as a header of a stranger's request, may serve as a correlation id. */
export function isCorrelationId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length <= correlationIdLengthMax &&
    correlationIdPattern.test(value)
  )
}

/** A fresh correlation id: a random UUID. */
export function newCorrelationId(): string {
  return randomUUID()
}
