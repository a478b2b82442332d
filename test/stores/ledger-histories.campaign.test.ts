// Longer than `ledger-histories.test.ts`: seeds that no run has had before, on all stores at once.
import { test } from 'node:test'

import { compareHistories } from '../support/ledger-histories.ts'
import { memorySide, postgresSide, sqliteSide } from '../support/ledger-sides.ts'
import { missing } from '../support/programs.ts'

const histories = 2_000

test(
  'the same history of calls has the same replies and the same rows on all stores',
  { skip: missing('postgres') },
  async (t) => {
    const from = Math.floor(Math.random() * 2 ** 31)
    t.diagnostic(`the seeds from ${from} on`)
    await compareHistories([memorySide, sqliteSide, postgresSide], {
      from,
      to: from + histories - 1,
    })
  },
)
