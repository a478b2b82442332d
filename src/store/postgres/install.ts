import { messageOf, TenureError } from '../../errors.ts'
import { tablesVersionMax } from '../tables-version.ts'
import type { PostgresClient } from './client.ts'
import { lockTimeoutMs } from './patience.ts'

/** Some of the tables of a database, with the table that tells their version. */
export interface Installation {
  /** The schema as the store URL names it. */
  readonly schema: string
  /** The schema, quoted. */
  readonly schemaName: string
  /** The table of the version, quoted. */
  readonly versionTable: string
  /** Creates what is missing. */
  readonly sql: string
  /** The URL as it may be shown. */
  readonly shown: string
}

/**
 * Any number of clients may do this at once: they queue at a lock of the database.
 *
 * @param patienceMs how long the client waits for it
 */
export async function install(
  client: PostgresClient,
  installation: Installation,
  patienceMs: number = lockTimeoutMs,
): Promise<void> {
  const { schema, schemaName, sql, shown } = installation
  await checkVersion(client, installation)
  const key = `hashtext(${literal(`tenure:${schema}`)})`
  try {
    // One message is one transaction, so that a client that is frozen here holds no lock.
    await client.query(`SELECT set_config('lock_timeout', '${patienceMs}', true);
        SELECT pg_advisory_xact_lock(${key});
        ${sql}`)
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected that the tables of Tenure can be created in the schema ${schemaName} at ` +
        `${shown}; got "${messageOf(cause)}". Likely cause: the role may not create ` +
        'tables. Let somebody who may run the file docs/stores/postgres.sql, which also grants ' +
        'what the role needs.',
      { cause },
    )
  }
}

/**
 * Checks that tables which are not there could be made: for whoever only looks. That nobody can ever
 * lead is not the same as that nobody has led.
 *
 * @throws TenureError `TENURE_ERR_STORE_UNUSABLE`
 */
export async function checkMayInstall(
  client: PostgresClient,
  { schemaName, shown }: Installation,
): Promise<void> {
  const { rows } = await client.query<{ may: boolean; readonly: boolean }>(
    `SELECT current_setting('transaction_read_only') = 'on' AS readonly,
      CASE WHEN to_regnamespace($1) IS NULL
        THEN has_database_privilege(current_database(), 'CREATE')
        ELSE has_schema_privilege(to_regnamespace($1)::oid, 'CREATE')
      END AS may`,
    [schemaName],
  )
  if (rows[0]?.may && !rows[0].readonly) return
  const cause = rows[0]?.readonly
    ? 'the server is a standby or read-only. Name the primary in the store URL.'
    : 'the role may not create tables. Let somebody who may run the file ' +
      'docs/stores/postgres.sql, which also grants what the role needs.'
  throw new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected the tables of Tenure in the schema ${schemaName} at ${shown}, or that they can be ` +
      `created; got neither. Likely cause: ${cause}`,
  )
}

/** Tables of a later version than the next one are left alone: see `tablesVersion`. */
export async function checkVersion(
  client: PostgresClient,
  { versionTable, schemaName }: Installation,
): Promise<void> {
  if (!(await exists(client, versionTable))) return
  const { rows } = await client.query<{ version: number }>(
    `SELECT coalesce(max(version), 0) AS version FROM ${versionTable}`,
  )
  const found = rows[0]?.version ?? 0
  if (found <= tablesVersionMax) return
  throw new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected tables of version ${tablesVersionMax} at most in the schema ${schemaName}; ` +
      `got version ${found}: a newer Tenure has used this database. Update Tenure on ` +
      'this instance.',
  )
}

/** Whether a table is there, by its quoted name. */
export async function exists(client: PostgresClient, table: string): Promise<boolean> {
  const { rows } = await client.query<{ there: boolean }>(
    'SELECT to_regclass($1) IS NOT NULL AS there',
    [table],
  )
  return rows[0]?.there === true
}

/** A text as a literal of SQL. */
function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
