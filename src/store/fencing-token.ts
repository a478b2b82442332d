import { TenureError } from '../errors.ts'

/** The highest fencing token that is ever granted: well within the safe integers. */
export const fencingTokenMax: number = 2 ** 52

/**
 * The token of the next term: one above all that are known.
 *
 * @param known the counter, the tokens of the record and of the history, and what the caller knows
 * @throws TenureError `TENURE_ERR_TOKEN_LIMIT`
 */
export function nextToken(lease: string, known: readonly number[]): number {
  const last = Math.max(0, ...known)
  if (Number.isSafeInteger(last) && last < fencingTokenMax) return last + 1
  throw tokenLimitError(lease, last)
}

/** No higher token can be granted for a lease. */
export function tokenLimitError(lease: string, last: number): TenureError {
  return new TenureError(
    'TENURE_ERR_TOKEN_LIMIT',
    `Expected the last fencing token of the lease ${JSON.stringify(lease)} to be a whole number ` +
      `below ${fencingTokenMax}, so that a higher one can be granted; got ${last}. Likely cause: ` +
      'somebody has written a wrong number into the tables of Tenure, or an instance was told one ' +
      'by a store that was repaired since: correct the counter, the record and the history, and ' +
      'start such instances again.',
  )
}
