import { describe } from 'node:test'

import { commandCases } from '../support/command-cases.ts'
import { createSqliteStore } from '../support/store-under-test.ts'

describe('tenure run on SQLite', { concurrency: 2 }, () => {
  commandCases('SQLite', createSqliteStore)
})
