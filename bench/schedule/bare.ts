// The store's own statement: the row of a claim, inserted with nothing around it.
import { DatabaseSync } from 'node:sqlite'

import pg from 'pg'

import { ledgerNames } from '../../src/store/postgres/ledger-schema.ts'
import type { RunClaim } from '../../src/store/ledger-store.ts'
import { author } from './claim-rows.ts'

/** Inserts the rows of claims, all in one transaction that is durable when it resolves. */
export interface Bare {
  insert(claims: readonly RunClaim[]): void | Promise<void>
  close(): void | Promise<void>
}

/** SQLite, with the settings of the store, and the statement prepared once. */
export function bareSqlite(path: string): Bare {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
  const statement = database.prepare(
    `INSERT INTO tenure_run (lease, job_id, tick_ms, attempt, slot, run_id, "trigger", token,
      correlation_id, rerun, started_at_ms) VALUES (?, ?, ?, ?, '', ?, ?, ?, ?, 0, ?)`,
  )
  const { lease, token } = author
  return {
    insert(claims) {
      database.exec('BEGIN IMMEDIATE')
      for (const claim of claims) {
        const { jobId, tickMs, attempt, runId, trigger, correlationId, startedAtMs } = claim
        const key = [lease, jobId, tickMs, attempt] as const
        statement.run(...key, runId, trigger, token, correlationId, startedAtMs)
      }
      database.exec('COMMIT')
    },
    close: () => database.close(),
  }
}

/** PostgreSQL: one prepared statement, which is a transaction by itself. */
export async function barePostgres(url: string): Promise<Bare> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { run } = ledgerNames('tenure')
  const columns = `(lease, job_id, tick_ms, attempt, slot, run_id, trigger, token,
    correlation_id, rerun, started_at_ms)`
  const one = {
    name: 'one',
    text: `INSERT INTO ${run} ${columns}
      VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, false, $9)`,
  }
  const many = {
    name: 'many',
    text: `INSERT INTO ${run} ${columns}
      SELECT $1, "jobId", "tickMs", attempt, '', "runId", trigger, $2, "correlationId", false,
          "startedAtMs"
        FROM jsonb_to_recordset($3) AS r ("jobId" text, "tickMs" double precision, attempt bigint,
          "runId" text, trigger text, "correlationId" text, "startedAtMs" double precision)`,
  }
  const { lease, token } = author
  return {
    async insert(claims) {
      const [claim] = claims
      if (claims.length !== 1 || claim === undefined) {
        await client.query({ ...many, values: [lease, token, JSON.stringify(claims)] })
        return
      }
      const { jobId, tickMs, attempt, runId, trigger, correlationId, startedAtMs } = claim
      const key = [lease, jobId, tickMs, attempt]
      const rest = [runId, trigger, token, correlationId, startedAtMs]
      await client.query({ ...one, values: [...key, ...rest] })
    },
    close: () => client.end(),
  }
}
