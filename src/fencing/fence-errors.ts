import { messageOf, TenureError } from '../errors.ts'
import type { FencedTerm } from './fence-client.ts'

/** A later term has written. */
export function fencedError(
  { lease, fencingToken }: FencedTerm,
  seen: unknown,
  options?: { cause: unknown },
): TenureError {
  return new TenureError(
    'TENURE_ERR_FENCED',
    `Expected that no later term of the lease ${JSON.stringify(lease)} has written to this ` +
      `database; the fencing token ${String(seen)} has, and this term has ${fencingToken}. Another ` +
      'instance leads: roll back. If none does, the store of the lease was restored from an older ' +
      `state; then \`tenure raise-token --lease ${JSON.stringify(lease)} --to ${String(seen)}\` gives ` +
      'the next terms higher tokens.',
    options,
  )
}

/** The database could not tell; `hint` is the likely cause, or nothing. */
export function fenceFailedError(
  { lease, fencingToken }: FencedTerm,
  error: unknown,
  hint: string,
): TenureError {
  const code = codeOf(error)
  return new TenureError(
    'TENURE_ERR_FENCE_FAILED',
    `Expected the database to check the fencing token ${fencingToken} of the lease ` +
      `${JSON.stringify(lease)}; got "${messageOf(error)}"${code === undefined ? '' : ` (${code})`}.${hint}`,
    { cause: error },
  )
}

/** The code of a client's error, if it has one. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
