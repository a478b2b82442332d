import { describeValue, messageOf, TenureError } from '../errors.ts'
import type { FencedTerm, SqliteFenceDatabase } from './fence-client.ts'
import { errorsWithin, fencedError, fenceFailedError } from './fence-errors.ts'

/** Any number of processes may run this at once. */
export const sqliteTableSql: string = `CREATE TABLE IF NOT EXISTS tenure_fence (
  lease TEXT NOT NULL PRIMARY KEY,
  token INTEGER NOT NULL
) STRICT, WITHOUT ROWID`

/**
 * Takes the write lock of the file also where there is nothing to raise. It is held to the end of
 * the transaction, so that no other term can write meanwhile.
 */
const raiseSql = `INSERT INTO tenure_fence (lease, token) VALUES (?, ?)
  ON CONFLICT (lease) DO UPDATE SET token = excluded.token
    WHERE excluded.token > tenure_fence.token`

const readSql = 'SELECT token FROM tenure_fence WHERE lease = ?'

/** Fences the transaction that is open on a SQLite database. */
export function fenceOnSqlite(database: SqliteFenceDatabase, term: FencedTerm): void {
  term.assertTrusted()
  const { lease, fencingToken } = term
  let seen: number
  try {
    if (!isInTransaction(database)) throw noTransactionError()
    database.prepare(raiseSql).run(lease, fencingToken)
    seen = tokenOf(database.prepare(readSql).get(lease))
  } catch (error) {
    throw describeFault(error, term)
  }
  if (seen !== fencingToken) throw fencedError(term, seen)
}

function isInTransaction(database: SqliteFenceDatabase): boolean {
  return 'isTransaction' in database ? database.isTransaction : database.inTransaction
}

function noTransactionError(): TenureError {
  return new TenureError(
    'TENURE_ERR_FENCE_TRANSACTION',
    'Expected an open transaction on this database, which holds the fence up to its end; none is ' +
      "open. Execute 'BEGIN IMMEDIATE' before.",
  )
}

/**
 * The only column of the only row, however a client is set to give it: as an object or an array, or
 * by itself, and as a number or a bigint.
 */
function tokenOf(row: unknown): number {
  const value: unknown = typeof row === 'object' && row !== null ? Object.values(row)[0] : row
  const token = typeof value === 'bigint' ? Number(value) : value
  if (typeof token === 'number' && Number.isSafeInteger(token)) return token
  throw new Error(`the row of the fence has no token: ${describeValue(row)}`)
}

/** A fault in the words of Tenure, by its result code (sqlite.org/rescode.html). */
function describeFault(error: unknown, term: FencedTerm): TenureError {
  if (error instanceof TenureError) return error
  if (isBusy(error)) {
    return new TenureError(
      'TENURE_ERR_FENCE_TIMEOUT',
      `Expected that the fence of the lease ${JSON.stringify(term.lease)} can write within the busy ` +
        'timeout of this connection; it could not. Another transaction writes: it is long, or its ' +
        "process is frozen. Or this one has read before, and is out of date: use 'BEGIN IMMEDIATE'.",
      { cause: error },
    )
  }
  const isMissing = errorsWithin(error).some((one) => messageOf(one).includes('no such table'))
  const hint = ' Create the table once: `fenceTableSql.sqlite`.'
  return fenceFailedError(term, error, isMissing ? hint : '')
}

/** `node:sqlite` has the extended result code, and `better-sqlite3` its name. */
function isBusy(error: unknown): boolean {
  return errorsWithin(error).some(({ errcode, code }) =>
    typeof errcode === 'number'
      ? (errcode & 0xff) === 5
      : typeof code === 'string' && code.startsWith('SQLITE_BUSY'),
  )
}
