import type { DatabaseSync } from 'node:sqlite'

import { TenureError } from '../../errors.ts'

/** The version of the tables below; a file of a later version is left alone. */
export const schemaVersion = 1

/**
 * - `tenure_token`: the counters. Nothing but an acquisition writes here, so that a token rises
 *   for ever, whatever happens to the record.
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
  resign_cool_down_ms REAL
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
  SELECT ${schemaVersion} WHERE NOT EXISTS (SELECT 1 FROM tenure_schema);
`

/** Whether the tables are there; throws if they are of a later version than this code. */
export function hasSchema(database: DatabaseSync): boolean {
  const table = database
    .prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tenure_schema'")
    .get()
  if (table === undefined) return false
  const row = database.prepare('SELECT max(version) AS version FROM tenure_schema').get()
  const version = Number(row?.['version'] ?? 0)
  if (version > schemaVersion) {
    throw new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected tables of version ${schemaVersion} at most; got version ${version}: a newer ` +
        'Tenure has used this file. Update Tenure on this instance.',
    )
  }
  return version === schemaVersion
}

/** Creates the tables; to be called with the write lock held, by any number of clients at once. */
export function createSchema(database: DatabaseSync): void {
  database.exec(tables)
}
