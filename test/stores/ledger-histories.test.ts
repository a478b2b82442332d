// PostgreSQL has the rules of the ledger as functions on its server, SQLite has its rows in a file:
// both are held to the shared rules over rows in memory. The campaign beside this has more of it.
import { describe, test } from 'node:test'

import { compareHistories } from '../support/ledger-histories.ts'
import { memorySide, postgresSide, sqliteSide } from '../support/ledger-sides.ts'
import { missing } from '../support/programs.ts'

describe('the same history of calls has the same replies and the same rows', () => {
  test('in SQLite as in memory', async () => {
    await compareHistories([memorySide, sqliteSide], { from: 1, to: 100 })
  })

  test('in PostgreSQL as in memory', { skip: missing('postgres') }, async () => {
    await compareHistories([memorySide, postgresSide], { from: 1, to: 100 })
  })
})
