/** How long a function of ours waits for a lock of somebody else where its caller does not say it. */
export const lockTimeoutMs: number = 5_000

/** What a call tells the function that it calls: a setting of its own transaction. */
const setting = 'tenure.lock_timeout'

/**
 * Has a function wait for locks as long as its caller waits for it, and no longer: without that
 * bound the server would keep the waiting statements of clients that have long given up. It is set
 * in the transaction, because a pooler refuses it at the start of a connection, and would hand what
 * is set for a session on to somebody else.
 */
export const lockTimeoutSql: string = `PERFORM set_config('lock_timeout',
    coalesce(nullif(current_setting('${setting}', true), ''), '${lockTimeoutMs}'), true);`

/** A call of a function: the statement, and its values. */
export interface FunctionCall<Value> {
  readonly sql: string
  readonly values: readonly (Value | string)[]
}

/** The statement that calls a function whose caller waits for that long. */
export function functionCall<Value>(
  name: string,
  values: readonly Value[],
  patienceMs: number | undefined,
): FunctionCall<Value> {
  const places = values.map((_, index) => `$${index + 1}`)
  const call = `${name}(${places.join(', ')})::text AS reply`
  if (patienceMs === undefined) return { sql: `SELECT ${call}`, values }
  // What is selected is computed in its order.
  const patience = `set_config('${setting}', $${values.length + 1}, true)`
  return { sql: `SELECT ${patience}, ${call}`, values: [...values, String(patienceMs)] }
}
