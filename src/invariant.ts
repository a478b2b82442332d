import { TenureError } from './errors.ts'

/**
 * Throws if a fact that the code relies on does not hold.
 *
 * Invariants stay on in production: going on with a broken one could give two instances the same
 * lease, while the throw ends at worst one worker thread, which is restarted as a candidate.
 */
export function invariant(holds: boolean, why: string): asserts holds {
  if (!holds) {
    throw new TenureError(
      'TENURE_ERR_INVARIANT',
      `Expected that ${why}. This is a defect of Tenure or of the store; please report it.`,
    )
  }
}
