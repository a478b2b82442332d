/**
 * The version of all tables and functions of a store that has any: one number for the leases and the
 * ledger, of SQLite and of PostgreSQL, so that a release has one answer to "may I step back".
 *
 * What a version may do, so that two Tenures, of this version and of the next, work beside each other
 * on the same tables, as they do while a release is rolled out, and after it was rolled back:
 *
 * - It adds: tables, indexes, and columns that may be left out (nullable, or with a default). Code names
 *   the columns that it writes.
 * - It renames and removes nothing, and gives nothing another meaning, that the version before reads
 *   or writes. That is left to the version after, when nobody can step back to it any more.
 * - Functions of a server carry their version in their names. A version keeps those of the one before,
 *   and may drop older ones.
 * - It raises the number in the tables; no Tenure ever lowers it.
 */
export const tablesVersion = 1

/** The latest version of tables that this code works with: the next one, and no later. */
export const tablesVersionMax: number = tablesVersion + 1
