import assert from 'node:assert/strict'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'

import { createTenure, fenceTableSql } from '../../src/index.ts'
import { callCli } from '../support/cli.ts'
import { atEnd, silentLogger } from '../support/fastify-app.ts'
import { createTestStore, onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

onEachStore((on) => {
  test('the error of the fence names the command that raises the token, and it helps at once', async (t) => {
    const { url, end } = await createTestStore(on)
    atEnd(t, end)
    const tenure = createTenure({ store: url, lease: "it's", witness: false, logger: silentLogger })
    atEnd(t, () => tenure.stop())
    const database = new DatabaseSync(':memory:')
    database.exec(fenceTableSql.sqlite)
    database.exec(`INSERT INTO tenure_fence VALUES ('it''s', 20)`)
    const write = (): void => {
      database.exec('BEGIN IMMEDIATE')
      try {
        tenure.term?.fence(database)
      } finally {
        database.exec('ROLLBACK')
      }
    }
    await tenure.start()
    await until('it leads', () => tenure.isLeader)
    let message = ''
    assert.throws(write, (error: Error & { code: string }) => {
      message = error.message
      return error.code === 'TENURE_ERR_FENCED'
    })
    const [, name = '', to = ''] =
      /`tenure raise-token --lease "(.*)" --to (\d+)`/.exec(message) ?? []
    const flags = ['--store', url, '--lease', name, '--to', to, '--by', 'ops']
    const { code, stdout } = await callCli(t, ['raise-token', ...flags, '--json'])
    assert.equal(code, 0)
    const outcome = { outcome: 'raised', token: 20, leaderAsked: true, by: 'ops' }
    assert.deepEqual(JSON.parse(stdout), outcome)
    await until('it leads above that', () => tenure.isLeader && tenure.term?.fencingToken === 21)
    write()
    const again = await callCli(t, ['raise-token', ...flags])
    assert.match(again.stdout, /is at 21, and was left as it is/)
  })
})

test('raise-token says which tokens it takes', async (t) => {
  for (const to of [undefined, '0', '-1', '1.5', 'x', String(2 ** 53)]) {
    const flags = to === undefined ? [] : [`--to=${to}`]
    const { code, stderr } = await callCli(t, ['raise-token', ...flags])
    assert.equal(code, 2, to)
    assert.match(stderr, /whole number (above 0|from 1 to)/, to)
  }
})
