// What a process was told by its store outlasts the store, its own stop, and the heart's thread.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'

import { createTenure, type Tenure } from '../../src/index.ts'
import { silentLogger } from '../support/fastify-app.ts'
import { until } from '../support/until.ts'

const times = { ttl: '6s', heartbeat: '2s', attemptTimeout: '1s' } as const

async function withTenure(work: (tenure: Tenure, path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-outrun-'))
  const path = join(folder, 'tenure.db')
  const store = `sqlite:${path}`
  const tenure = createTenure({ store, witness: false, logger: silentLogger, ...times })
  try {
    await work(tenure, path)
  } finally {
    await tenure.stop()
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
  }
}

/** Waits until it leads with another token than before, and gives that. */
function leads(tenure: Tenure, before = 0): Promise<number> {
  return until('it leads', () => {
    const token = tenure.isLeader ? tenure.term?.fencingToken : undefined
    return token === before ? undefined : token
  })
}

function sql(path: string, text: string): void {
  const database = new DatabaseSync(path, { timeout: 20_000 })
  database.exec(text)
  database.close()
}

test('a store that was emptied while nobody was there is outrun by whoever was told its tokens', () =>
  withTenure(async (tenure, path) => {
    await tenure.start()
    const token = await leads(tenure)
    await tenure.stop()
    sql(path, 'DELETE FROM tenure_token; DELETE FROM tenure_term')
    await tenure.start()
    assert.equal(await leads(tenure, token), token + 1)
  }))

test('a leader whose counter was raised gives up, and leads again above it: its jobs go on', () =>
  withTenure(async (tenure, path) => {
    let ran = 0
    await tenure.schedule('tick', { every: 20 }, () => void ran++)
    await tenure.start()
    const token = await leads(tenure)
    await until('it runs', () => ran > 0)
    sql(path, `UPDATE tenure_token SET token = 500`)
    assert.equal(await leads(tenure, token), 501)
    const before = ran
    await until('it runs again', () => ran > before)
  }))

test('a leader whose counter was deleted goes on, and so do its jobs', () =>
  withTenure(async (tenure, path) => {
    let ran = 0
    await tenure.schedule('tick', { every: 20 }, () => void ran++)
    await tenure.start()
    const token = await leads(tenure)
    sql(path, 'DELETE FROM tenure_token')
    const before = ran
    await until('it runs on', () => ran > before + 3)
    assert.equal(tenure.term?.fencingToken, token)
  }))
