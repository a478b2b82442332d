import { tablesVersion } from '../tables-version.ts'
import { leaseSchema, versionedSchema, type Schema } from './schema.ts'

/**
 * - `tenure_job`: one row a job, with its cursor.
 * - `tenure_run`: one row a run. `slot` is empty for a tick, and the run's id for a run by hand: so
 *   that an attempt at a tick has one row, whoever tries. `outcome` is null while it runs.
 * - `tenure_skip`: one row for ticks that were skipped together.
 * - `tenure_schedule`: one row a job that was stored or paused; without a handler it is not stored,
 *   or not any more.
 * - `tenure_schedule_revision`: the last revision of the stored jobs. It rises for ever.
 *
 * Their version is in a table of their own: a later ledger is no reason to refuse the leases.
 */
const tables = `
CREATE TABLE IF NOT EXISTS tenure_ledger (version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tenure_job (
  lease TEXT NOT NULL,
  job_id TEXT NOT NULL,
  schedule TEXT NOT NULL,
  anchor_ms REAL NOT NULL,
  cursor_ms REAL NOT NULL,
  runs INTEGER NOT NULL,
  paused INTEGER NOT NULL,
  token INTEGER NOT NULL,
  PRIMARY KEY (lease, job_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenure_run (
  lease TEXT NOT NULL,
  job_id TEXT NOT NULL,
  tick_ms REAL NOT NULL,
  attempt INTEGER NOT NULL,
  slot TEXT NOT NULL,
  run_id TEXT NOT NULL,
  "trigger" TEXT NOT NULL,
  token INTEGER NOT NULL,
  correlation_id TEXT NOT NULL,
  rerun INTEGER NOT NULL,
  started_at_ms REAL NOT NULL,
  outcome TEXT,
  finished_at_ms REAL,
  error TEXT,
  abandoned_by INTEGER,
  retry_at_ms REAL,
  PRIMARY KEY (lease, job_id, tick_ms, attempt, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tenure_run_started ON tenure_run (lease, started_at_ms);
CREATE INDEX IF NOT EXISTS tenure_run_running ON tenure_run (lease) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS tenure_run_abandoned ON tenure_run (lease, abandoned_by)
  WHERE abandoned_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS tenure_run_owed ON tenure_run (lease) WHERE retry_at_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS tenure_skip (
  lease TEXT NOT NULL,
  job_id TEXT NOT NULL,
  tick_ms REAL NOT NULL,
  until_tick_ms REAL NOT NULL,
  count INTEGER NOT NULL,
  reason TEXT NOT NULL,
  token INTEGER NOT NULL,
  PRIMARY KEY (lease, job_id, tick_ms)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tenure_skip_until ON tenure_skip (lease, until_tick_ms);
CREATE TABLE IF NOT EXISTS tenure_schedule (
  lease TEXT NOT NULL,
  job_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  handler TEXT,
  words TEXT NOT NULL,
  text TEXT NOT NULL,
  stored_at_ms REAL NOT NULL,
  PRIMARY KEY (lease, job_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tenure_schedule_changed ON tenure_schedule (lease, revision);
CREATE TABLE IF NOT EXISTS tenure_schedule_revision (
  lease TEXT NOT NULL PRIMARY KEY,
  revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO tenure_ledger (version)
  SELECT ${tablesVersion} WHERE NOT EXISTS (SELECT 1 FROM tenure_ledger);
`

const ownSchema = versionedSchema('tenure_ledger', tables)

/** The tables of the ledger, and those of the leases, whose counters it reads. */
export const ledgerSchema: Schema = {
  isThere: (database) => leaseSchema.isThere(database) && ownSchema.isThere(database),
  create(database) {
    leaseSchema.create(database)
    ownSchema.create(database)
  },
}
