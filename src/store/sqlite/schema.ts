import type { DatabaseSync } from 'node:sqlite'

import { TenureError } from '../../errors.ts'
import { fencingTokenMax } from '../fencing-token.ts'
import { tablesVersion, tablesVersionMax } from '../tables-version.ts'

/**
 * - `tenure_token`: the counters. An acquisition raises them, so that a token rises for ever,
 *   whatever happens to the record; one that was lost or set back is made up for.
 * - `tenure_lease`: one row a held lease. `renewed_ms` is a reading of the clock `clock`, and means
 *   nothing on any other.
 * - `tenure_term`: the history, for people.
 */
const tables = `
CREATE TABLE IF NOT EXISTS tenure_schema (version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tenure_token (
  lease TEXT NOT NULL PRIMARY KEY,
  token INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenure_lease (
  lease TEXT NOT NULL PRIMARY KEY,
  holder TEXT NOT NULL,
  token INTEGER NOT NULL,
  application TEXT NOT NULL,
  label TEXT,
  ttl_ms REAL NOT NULL,
  renewals INTEGER NOT NULL,
  clock TEXT NOT NULL,
  renewed_ms REAL NOT NULL,
  resign_by TEXT,
  resign_cool_down_ms REAL,
  jobs_hash TEXT,
  renews_within_ms REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenure_term (
  lease TEXT NOT NULL,
  token INTEGER NOT NULL,
  holder TEXT NOT NULL,
  application TEXT NOT NULL,
  label TEXT,
  started_at_ms INTEGER NOT NULL,
  ended_at_ms INTEGER,
  reason TEXT,
  PRIMARY KEY (lease, token)
) STRICT, WITHOUT ROWID;
INSERT INTO tenure_schema (version)
  SELECT ${tablesVersion} WHERE NOT EXISTS (SELECT 1 FROM tenure_schema);
`

/**
 * The last token that was granted for the lease that is its parameter: by the counter, the record or the history,
 * whichever is higher, because a counter may have been lost or set back. Of one that is above all that are
 * granted, and that no number of JavaScript may hold, only that is told.
 */
export const lastTokenSql: string = `WITH wanted (name) AS (SELECT ?)
SELECT min(${fencingTokenMax}, max(
  ifnull((SELECT token FROM tenure_token WHERE lease = name), 0),
  ifnull((SELECT token FROM tenure_lease WHERE lease = name), 0),
  ifnull((SELECT max(token) FROM tenure_term WHERE lease = name), 0)
)) AS token FROM wanted`

/** Sets the counter of a lease, its first parameter, to a token, its second one. */
export const setCounterSql = `INSERT INTO tenure_token (lease, token) VALUES (?, ?)
  ON CONFLICT (lease) DO UPDATE SET token = excluded.token WHERE token <> excluded.token`

/** Some of the tables of a file: whether they are there, and how they are made. */
export interface Schema {
  /** Throws if they are of a later version than this code works with. */
  isThere(database: DatabaseSync): boolean
  /** To be called with the write lock held, by any number of clients at once. */
  create(database: DatabaseSync): void
}

/** Whether a table of this name is there. */
function hasTable(database: DatabaseSync, name: string): boolean {
  const table = database
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
    .get(name)
  return table !== undefined
}

/** Tables with the table that tells their version. */
export function versionedSchema(versionTable: string, sql: string): Schema {
  return {
    isThere(database) {
      if (!hasTable(database, versionTable)) return false
      const row = database.prepare(`SELECT max(version) AS version FROM ${versionTable}`).get()
      const found = Number(row?.['version'] ?? 0)
      if (found > tablesVersionMax) {
        throw new TenureError(
          'TENURE_ERR_STORE_UNUSABLE',
          `Expected tables of version ${tablesVersionMax} at most; got version ${found} in ` +
            `${versionTable}: a newer Tenure has used this file. Update Tenure on this instance.`,
        )
      }
      return found >= tablesVersion
    },
    create: (database) => database.exec(sql),
  }
}

/** The tables of the leases. */
export const leaseSchema: Schema = versionedSchema('tenure_schema', tables)
