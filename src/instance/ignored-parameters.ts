import type { Log } from '../log.ts'
import type { ResolvedStore } from '../options.ts'

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
