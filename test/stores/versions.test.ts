// One step back: this Tenure on tables that the next version has made of its own.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { tablesVersion } from '../../src/store/tables-version.ts'
import { compareHistories } from '../support/ledger-histories.ts'
import { memorySide, postgresSide, sqliteSide, type Side } from '../support/ledger-sides.ts'
import { missing } from '../support/programs.ts'

const tables = ['token', 'lease', 'term', 'job', 'run', 'skip', 'schedule', 'schedule_revision']

/** What a next version may do: columns that may be left out, tables, indexes, a higher number. */
function nextVersion(prefix: string): string {
  const version = tablesVersion + 1
  return [
    ...tables.flatMap((table) => [
      `ALTER TABLE ${prefix}tenure_${table} ADD COLUMN of_next_version text`,
      `ALTER TABLE ${prefix}tenure_${table} ADD COLUMN next_count integer NOT NULL DEFAULT 7`,
    ]),
    `CREATE TABLE ${prefix}tenure_instance (lease text, label text)`,
    `CREATE INDEX tenure_run_next ON ${prefix}tenure_run (lease, of_next_version)`,
    `UPDATE ${prefix}tenure_schema SET version = ${version}`,
    `UPDATE ${prefix}tenure_ledger SET version = ${version}`,
  ].join(';\n')
}

/** A rollback runs: leases are taken over, and ledgers answer as ever. */
async function rollBack(make: () => Promise<Side>): Promise<void> {
  await compareHistories([memorySide, make], { from: 1, to: 10 })
}

describe('this version runs on the tables of the next one', () => {
  test('on SQLite', async () => {
    await rollBack(() => sqliteSide(nextVersion('')))
  })

  test('on PostgreSQL', { skip: missing('postgres') }, async () => {
    await rollBack(() => postgresSide(nextVersion('tenure.')))
  })

  test(
    'on PostgreSQL also where the next version has dropped its functions',
    {
      skip: missing('postgres'),
    },
    async () => {
      const drop = `DO $$ DECLARE f regprocedure; BEGIN
      FOR f IN SELECT oid FROM pg_proc WHERE proname ~ '^tenure_.*_${tablesVersion}$'
      LOOP EXECUTE 'DROP FUNCTION ' || f; END LOOP; END $$`
      await rollBack(() => postgresSide(`${nextVersion('tenure.')};\n${drop}`))
    },
  )

  test('but not on those of the version after the next', async () => {
    const version = tablesVersion + 2
    const side = sqliteSide(`UPDATE tenure_schema SET version = ${version}`)
    const { leases, end } = await side
    const reading = leases.read('scheduler', AbortSignal.timeout(20_000))
    const message = new RegExp(`version ${tablesVersion + 1} at most; got version ${version}`)
    await assert.rejects(reading, { code: 'TENURE_ERR_STORE_UNUSABLE', message })
    await end()
  })
})
