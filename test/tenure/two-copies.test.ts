// Two copies of the package in one process, as of two versions, share what has one name.
import assert from 'node:assert/strict'
import { cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

import * as original from '../../src/index.ts'
import { atEnd, ownFolder, ownMemory, silentLogger } from '../support/fastify-app.ts'
import { until } from '../support/until.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('`memory:NAME` is one memory for all copies of the package: at most one leads', async (t) => {
  const folder = ownFolder(t)
  cpSync(join(root, 'src'), join(folder, 'src'), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const url = pathToFileURL(join(folder, 'src/index.ts')).href
  const copy = (await import(url)) as typeof original
  assert.notEqual(copy.TenureError, original.TenureError)
  const options = { store: ownMemory(), application: 'x', logger: silentLogger }
  const first = original.createTenure(options)
  const second = copy.createTenure(options)
  atEnd(t, () => Promise.all([first.stop(), second.stop()]))
  await first.start()
  await until('the first one leads', () => first.isLeader, 60_000)
  await second.start()
  const seen = await second.status()
  assert.equal(seen.lease?.token, 1)
  assert.equal(second.isLeader, false)
  assert.deepEqual(await second.requestResign(), {
    kind: 'requested',
    holder: seen.lease?.holder,
    fencingToken: 1,
  })
  await until('the second one leads', () => second.isLeader, 60_000)
  assert.equal(first.isLeader, false)
  assert.equal(second.term?.fencingToken, 2)
})
