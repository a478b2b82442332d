// A store that cannot be used is not one in which nobody has ever led: wherever one looks.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'

import { pageDataOf } from '../../src/dashboard/page-data.ts'
import { createTenure, type Status } from '../../src/index.ts'
import { callCli } from '../support/cli.ts'
import { atEnd, ownFolder, silentLogger } from '../support/fastify-app.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'

/** What one sees of a store without having started, and having started. */
async function checkUnusable(t: TestContext, store: string, why: RegExp): Promise<void> {
  const tenure = createTenure({ store, logger: silentLogger, witness: false })
  atEnd(t, () => tenure.stop())
  const check = (status: Status): void => {
    assert.match(status.storeError ?? '', why, 'storeError of the status')
    assert.match(pageDataOf(status).lease.error ?? '', why, 'the lease on the page')
  }
  check(await tenure.status())
  await assert.rejects(tenure.requestResign(), { message: why })
  await tenure.start()
  await until('the fault is known', () => tenure.health.fault !== undefined, 60_000)
  const status = await tenure.status()
  check(status)
  assert.match(status.heartbeat.fault?.message ?? '', why, 'the fault of the heartbeat')
  assert.ok(pageDataOf(status).instances[0]?.note, 'the page says it of the instance')
  await assert.rejects(tenure.stored.list())
  await tenure.stop()
}

/** The same of the commands: none of them says that nobody leads. */
async function checkCommands(t: TestContext, store: string, why: RegExp): Promise<void> {
  for (const args of [['status'], ['status', '--json'], ['resign']]) {
    const { code, stdout, stderr } = await callCli(t, [...args, '--store', store])
    assert.equal(code, 1, `${args.join(' ')}\n${stdout}${stderr}`)
    assert.equal(stdout, '')
    assert.match(stderr, why)
  }
}

describe('SQLite', { concurrency: 2 }, () => {
  const why = /folder|database/

  test('in a folder that is none: no file can be made there', async (t) => {
    const folder = ownFolder(t)
    const file = join(folder, 'file')
    writeFileSync(file, '')
    for (const path of ['absent/tenure.db', 'file/tenure.db', 'absent/a/b/tenure.db']) {
      await checkUnusable(t, `sqlite:${join(folder, path)}`, why)
    }
    await checkCommands(t, `sqlite:${folder}/absent/tenure.db`, why)
    assert.ok(!existsSync(join(folder, 'absent')), 'whoever only looks makes nothing')
  })

  test('with a folder, or something else, in the place of the file', async (t) => {
    const folder = ownFolder(t)
    mkdirSync(join(folder, 'tenure.db'))
    writeFileSync(join(folder, 'text.db'), 'no database, but a text that is long enough'.repeat(99))
    for (const name of ['tenure.db', 'text.db']) {
      await checkUnusable(t, `sqlite:${join(folder, name)}`, why)
    }
  })

  test('in a folder that this process may not write', { skip: isRoot() }, async (t) => {
    const folder = ownFolder(t)
    mkdirSync(join(folder, 'closed'), { mode: 0o500 })
    await checkUnusable(t, `sqlite:${folder}/closed/tenure.db`, why)
  })

  test('that merely is not there yet is one in which nobody has led', async (t) => {
    const folder = ownFolder(t)
    const tenure = createTenure({ store: `sqlite:${folder}/tenure.db`, logger: silentLogger })
    const { storeError, lastToken } = await tenure.status()
    await tenure.stop()
    assert.deepEqual({ storeError, lastToken }, { storeError: undefined, lastToken: 0 })
    assert.deepEqual(readdirSync(folder), [])
  })
})

function isRoot(): string | false {
  return process.getuid?.() === 0 ? 'root may write everywhere' : false
}

describe('PostgreSQL', { skip: missing('postgres') }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
    await server.sql('CREATE DATABASE closed')
    await server.sql('REVOKE ALL ON DATABASE closed FROM PUBLIC')
    await server.sql(`CREATE ROLE guest LOGIN PASSWORD '${server.password}'`)
    await server.sql('GRANT CONNECT ON DATABASE closed TO guest')
  })
  after(() => server.end())

  test('where the role may not make the tables, or not use them', async (t) => {
    const url = server.url('closed', { user: 'guest' })
    const why = /role|permission/
    await checkUnusable(t, url, why)
    await checkCommands(t, url, why)
    // Somebody else has made the tables, and has not granted anything.
    const owner = createTenure({
      store: server.url('closed'),
      logger: silentLogger,
      witness: false,
    })
    await owner.start()
    await until('it leads', () => owner.isLeader, 60_000)
    await owner.stop()
    await checkUnusable(t, url, why)
  })

  test('where it may read, but not write', async (t) => {
    const admin = await server.connect('closed')
    await admin.query('GRANT USAGE ON SCHEMA tenure TO guest')
    await admin.query('GRANT SELECT ON ALL TABLES IN SCHEMA tenure TO guest')
    await admin.end()
    const url = server.url('closed', { user: 'guest' })
    const tenure = createTenure({ store: url, logger: silentLogger, witness: false })
    atEnd(t, () => tenure.stop())
    await tenure.start()
    await until('the fault is known', () => tenure.health.fault !== undefined, 60_000)
    const status = await tenure.status()
    // The lease is free, and this instance cannot take it.
    assert.match(status.storeError ?? '', /permission/)
    assert.equal(status.lastToken, 1)
  })
})
