import type { Log } from '../log.ts'
import type { FixedSettings } from '../options.ts'

/**
 * The leases that this process takes part in, with how many instances each. It stands at the
 * global object, because a hot reload, or a second copy of this package, has modules of its own.
 */
const registry: unique symbol = Symbol.for('tenure.instances')

type Registry = Map<string, number>

/**
 * Counts an instance that starts, and warns if the process has another one for the same lease: each
 * takes the other for a candidate, which is rarely meant.
 *
 * @returns the function that takes it out again
 */
export function countInstance({ store, lease }: FixedSettings, log: Log): () => void {
  const holder = globalThis as { [registry]?: Registry }
  const counts = (holder[registry] ??= new Map())
  const key = JSON.stringify([store, lease])
  const others = counts.get(key) ?? 0
  counts.set(key, others + 1)
  if (others > 0) {
    const message =
      `This process has started ${others + 1} instances for the lease. After a hot reload, stop ` +
      'the old one first.'
    log.write('instance_duplicate', { message })
  }
  return () => {
    const left = (counts.get(key) ?? 1) - 1
    if (left > 0) counts.set(key, left)
    else counts.delete(key)
  }
}
