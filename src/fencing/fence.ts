import { describeValue, TenureError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { Fence, FencedTerm, PostgresFenceClient, SqliteFenceDatabase } from './fence-client.ts'
import { fenceOnPostgres, postgresTableSql } from './postgres-fence.ts'
import { fenceOnSqlite, sqliteTableSql } from './sqlite-fence.ts'

/**
 * Creates the table that fencing needs, where it is missing: one statement each, which any number
 * of instances may run at once. Run it in a migration, or as the application starts.
 *
 * @example
 * ```ts
 * import { fenceTableSql } from 'tenure'
 *
 * await pool.query(fenceTableSql.postgres)
 * ```
 */
export const fenceTableSql: { readonly postgres: string; readonly sqlite: string } = {
  postgres: postgresTableSql,
  sqlite: sqliteTableSql,
}

/** The fence of a term, for any database. */
export function createFence(term: FencedTerm): Fence {
  const { fencingToken } = term
  invariant(Number.isSafeInteger(fencingToken), `a token is a safe integer; got ${fencingToken}`)
  function fence(database: SqliteFenceDatabase): void
  function fence(client: PostgresFenceClient): Promise<void>
  function fence(client: PostgresFenceClient | SqliteFenceDatabase): Promise<void> | void {
    if (isPostgres(client)) return fenceOnPostgres(client, term)
    if (isSqlite(client)) return fenceOnSqlite(client, term)
    throw new TenureError(
      'TENURE_ERR_FENCE_CLIENT',
      'Expected a connection to a database, with the transaction open on it: a Client of `pg` or ' +
        `one taken from its Pool, or a DatabaseSync of node:sqlite; got ${describeClient(client)}.`,
    )
  }
  return fence
}

function isPostgres(client: unknown): client is PostgresFenceClient {
  return hasMethod(client, 'query') && hasMethod(client, 'escapeLiteral')
}

function isSqlite(client: unknown): client is SqliteFenceDatabase {
  if (!hasMethod(client, 'prepare')) return false
  return 'isTransaction' in client || 'inTransaction' in client
}

function hasMethod(value: unknown, name: string): value is object {
  if (typeof value !== 'object' || value === null) return false
  return typeof (value as Record<string, unknown>)[name] === 'function'
}

/** What was given, by the name of its class: its fields may hold a password. */
function describeClient(client: unknown): string {
  if (typeof client !== 'object' || client === null) return describeValue(client)
  if (hasMethod(client, 'query') && hasMethod(client, 'connect') && 'totalCount' in client) {
    return 'a Pool, each of whose queries may use another connection: take one with connect()'
  }
  const { name } = (client.constructor ?? Object) as { name?: unknown }
  return `an object of the class ${String(name)}`
}
