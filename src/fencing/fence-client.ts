/**
 * A connection to PostgreSQL: a `Client` of `pg`, or one that was taken from its `Pool`. Recognised
 * by its shape, so that Tenure needs no client of its own here.
 */
export interface PostgresFenceClient {
  query(text: string): Promise<unknown>
  /** Not called: it tells a connection from a pool, and from the clients of other databases. */
  escapeLiteral(text: string): string
}

/** A prepared statement of SQLite. */
interface SqliteStatement {
  run(lease: string, token: number): unknown
  get(lease: string): unknown
}

/** An open SQLite database: `DatabaseSync` of `node:sqlite`, or what has the shape of `better-sqlite3`. */
export type SqliteFenceDatabase = { prepare(sql: string): SqliteStatement } & (
  | { readonly isTransaction: boolean }
  | { readonly inTransaction: boolean }
)

/**
 * Fences a transaction: from here to its end, no other term can write, and if a later term has
 * written already, it throws. Call it inside the transaction, before anything else of it.
 *
 * - The database remembers the highest fencing token that has written, in the table
 *   `tenure_fence`; {@link fenceTableSql} creates it. The lease is not touched.
 * - On PostgreSQL it waits up to 5 s for a transaction of another term, or for the first one of
 *   this term; runs of one term do not wait for each other otherwise. On SQLite, which has one
 *   writer at a time, the connection's own busy timeout decides.
 * - SQLite is asked at once, and there is nothing to await; PostgreSQL answers with a promise.
 * - What it throws is a `TenureError`; roll back then. PostgreSQL has aborted the transaction, so
 *   that nothing of it can be committed.
 *
 * @throws TenureError `TENURE_ERR_NOT_TRUSTED` after the hard fence, before the database is asked;
 * `TENURE_ERR_FENCED` if a later term has written; `TENURE_ERR_FENCE_TIMEOUT`,
 * `TENURE_ERR_FENCE_TRANSACTION`, `TENURE_ERR_FENCE_FAILED`, `TENURE_ERR_FENCE_CLIENT`
 *
 * @example
 * ```ts
 * await tenure.schedule('invoices', { cron: '0 3 * * *' }, async (run) => {
 *   const client = await pool.connect()
 *   try {
 *     await client.query('BEGIN')
 *     await run.fence(client)
 *     await client.query('INSERT INTO invoice SELECT * FROM due_invoice')
 *     await client.query('COMMIT')
 *   } catch (error) {
 *     await client.query('ROLLBACK')
 *     throw error
 *   } finally {
 *     client.release()
 *   }
 * })
 * ```
 */
export interface Fence {
  (database: SqliteFenceDatabase): void
  (client: PostgresFenceClient): Promise<void>
}

/** The term that a fence is of. */
export interface FencedTerm {
  readonly lease: string
  readonly fencingToken: number
  assertTrusted(): void
}
