import { after, before, describe } from 'node:test'

import { createHarness } from '../support/postgres-harness.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { runKit, runLedgerKit } from '../support/run-kit.ts'

describe('PostgreSQL', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
  })
  after(() => server.end())

  runKit('PostgreSQL', () => createHarness(server, server.port))
  runLedgerKit('PostgreSQL', () => createHarness(server, server.port))
})
