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
  const { code, error: own } = codeOf(error, isState) ?? {}
  return new TenureError(
    'TENURE_ERR_FENCE_FAILED',
    `Expected the database to check the fencing token ${fencingToken} of the lease ` +
      `${JSON.stringify(lease)}; got "${messageOf(own ?? error)}"${code === undefined ? '' : ` (${code})`}.${hint}`,
    { cause: error },
  )
}

/** Whether a code is an SQLSTATE. */
export function isState(code: string): boolean {
  return /^[0-9A-Z]{5}$/.test(code)
}

/** How deep an error is looked into: some wrap it more than once, and some in a circle. */
const depthMax = 8

/** Where libraries on top of a client keep the error of the client: Drizzle, Sequelize, TypeORM. */
const causeKeys = ['cause', 'original', 'parent', 'driverError', 'originalError'] as const

/** An error, and those that it wraps, the outermost first. */
export function errorsWithin(error: unknown): readonly Readonly<Record<string, unknown>>[] {
  const found: Readonly<Record<string, unknown>>[] = []
  let layer: unknown[] = [error]
  for (let depth = 0; depth < depthMax && layer.length > 0; depth++) {
    const objects = layer.filter(
      (one): one is Readonly<Record<string, unknown>> => typeof one === 'object' && one !== null,
    )
    const fresh = objects.filter((one) => !found.includes(one))
    found.push(...fresh)
    layer = fresh.flatMap((one) => [
      ...causeKeys.map((key) => one[key]),
      ...(Array.isArray(one['errors']) ? (one['errors'] as unknown[]).slice(0, depthMax) : []),
    ])
  }
  return found
}

/**
 * The code of a client's error, if it has one, and the error that has it. A code of the database's
 * own, for which `isOfDatabase` holds, comes before those of what is wrapped around it.
 */
export function codeOf(
  error: unknown,
  isOfDatabase: (code: string) => boolean = () => true,
): { readonly code: string; readonly error: Readonly<Record<string, unknown>> } | undefined {
  const coded = errorsWithin(error).flatMap((one) => {
    const { code } = one
    return typeof code === 'string' ? [{ code, error: one }] : []
  })
  return coded.find(({ code }) => isOfDatabase(code)) ?? coded[0]
}
