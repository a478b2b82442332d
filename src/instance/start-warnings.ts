// What is said at the start about how an instance was set up.
import type { Log } from '../log.ts'
import type { FixedSettings, ResolvedStore } from '../options.ts'

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

/** Says which parameters of the store URL change nothing, in one line. */
export function tellIgnoredParameters(store: ResolvedStore, log: Log): void {
  if (!('scheme' in store) || store.scheme !== 'postgres' || store.passedOver.length === 0) return
  const names = store.passedOver.map((name) => `\`${name}\``).join(', ')
  const schema = store.passedOver.includes('schema')
    ? ' `schema` is where Prisma has its tables; Tenure has its own in a schema that ' +
      '`tenure_schema` names, by default `tenure`.'
    : ''
  log.write('store_parameters_ignored', {
    parameters: store.passedOver,
    message:
      `The store URL has parameters that mean nothing to Tenure: ${names}. They change nothing; ` +
      `look whether one of them is misspelt.${schema}`,
  })
}

/** Warns where nobody knows the name; not of a lease in memory, which nobody else shares. */
export function warnOfUnknownApplication({ application, store }: FixedSettings, log: Log): void {
  if (application !== undefined || store.startsWith('memory:')) return
  const message =
    'The name of this application is not known: `application` is not set, and there is no ' +
    'package.json with a name beside the main module, or the main module is a runner such as ' +
    'PM2. Set `application`, so that another application on the same lease is noticed.'
  log.write('application_unknown', { message })
}
