import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'

import { createSystemClock } from '../../src/clock.ts'
import type { LeaseStore } from '../../src/store/lease-store.ts'
import type { LedgerStore } from '../../src/store/ledger-store.ts'
import { SqliteLedgerStore } from '../../src/store/sqlite/sqlite-ledger.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'
import type { LedgerHarness } from '../../src/testing/ledger-kit.ts'
import { runKit, runLedgerKit } from '../support/run-kit.ts'

async function createHarness(): Promise<LedgerHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'tenure-kit-'))
  const path = join(folder, 'tenure.db')
  let stores: { close: () => Promise<void> }[] = []
  const clock = createSystemClock()

  const open = async (): Promise<LeaseStore> => {
    const store = new SqliteLeaseStore({ path })
    stores.push(store)
    return store
  }
  const openLedger = async (): Promise<LedgerStore> => {
    const ledger = new SqliteLedgerStore({ path })
    stores.push(ledger)
    return ledger
  }
  const asOperator = (sql: string, ...values: (string | number)[]): void => {
    const database = new DatabaseSync(path, { timeout: 5_000 })
    database.prepare(sql).run(...values)
    database.close()
  }
  const closeAll = async (): Promise<void> => {
    await Promise.all(stores.map((store) => store.close()))
    stores = []
  }
  return {
    open,
    openLedger,
    expire: async (lease) =>
      asOperator('UPDATE tenure_lease SET renewed_ms = renewed_ms - ttl_ms WHERE lease = ?', lease),
    deleteRecord: async (lease) => asOperator('DELETE FROM tenure_lease WHERE lease = ?', lease),
    async setCounter(lease, token) {
      asOperator('DELETE FROM tenure_token WHERE lease = ?', lease)
      if (token !== undefined) asOperator('INSERT INTO tenure_token VALUES (?, ?)', lease, token)
    },
    deleteHistory: async (lease) => asOperator('DELETE FROM tenure_term WHERE lease = ?', lease),
    restart: closeAll,
    async block() {
      const database = new DatabaseSync(path, { timeout: 5_000 })
      database.exec('BEGIN IMMEDIATE')
      return async () => database.close()
    },
    async dropConnections() {
      throw new Error('this case is left out for SQLite')
    },
    async openWithWallClock(offsetMs) {
      const wrong = { ...clock, wallMs: () => clock.wallMs() + offsetMs }
      const store = new SqliteLeaseStore({ path, clock: wrong })
      stores.push(store)
      return store
    },
    async countHandles() {
      const links = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`)
        } catch {
          return ''
        }
      })
      // SQLite keeps a descriptor of the database itself for its next connection, as long as the
      // process holds locks on it: closing it would take those away.
      const count = (start: string) => links.filter((link) => link.startsWith(start)).length
      return count(`${path}-`) || count(path)
    },
    async close() {
      await closeAll()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const cutReason =
  'there is no connection that somebody else could cut: the library runs in the process'

runKit('SQLite', createHarness, [
  {
    reason: cutReason,
    cases: ['a connection dropped in mid-call rejects, and the next call connects again'],
  },
])

runLedgerKit('SQLite', createHarness, [
  {
    reason: cutReason,
    cases: ['a claim whose connection is dropped rejects, and its repetition finds out'],
  },
])

describe('SQLite', () => {
  test('whoever only looks, or releases, creates no file', async () => {
    const harness = await createHarness()
    const store = await harness.open()
    const reading = await store.read('scheduler', AbortSignal.timeout(5_000))
    assert.deepEqual(reading, { record: undefined, token: 0, terms: [] })
    const ended = { lease: 'scheduler', holder: 'a', token: 1, reason: 'crashed' } as const
    const reply = await store.tryRelease(ended, AbortSignal.timeout(5_000))
    assert.deepEqual(reply, { kind: 'not-held' })
    assert.equal(await harness.countHandles(), 0)
    await harness.close()
  })

  test('a record of another boot is not judged by the clock of this one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenure-boot-'))
    const path = join(folder, 'tenure.db')
    const before = new SqliteLeaseStore({ path, bootClock: { id: 'boot:1', nowMs: () => 9e9 } })
    const after = new SqliteLeaseStore({ path, bootClock: { id: 'boot:2', nowMs: () => 1_000 } })
    const signal = AbortSignal.timeout(5_000)
    const request = {
      lease: 'scheduler',
      holder: 'a',
      ttlMs: 6_000,
      application: 'test',
      label: undefined,
      observed: undefined,
    }
    await before.tryAcquire(request, signal)
    const held = await after.tryAcquire({ ...request, holder: 'b' }, signal)
    assert.equal(held.kind, 'held')
    assert.equal(held.kind === 'held' && held.record.remainingMs, undefined)
    const observed = { token: 1, renewals: 0 }
    const granted = await after.tryAcquire({ ...request, holder: 'b', observed }, signal)
    assert.deepEqual(granted, { kind: 'acquired', token: 2 })
    await before.close()
    await after.close()
    await rm(folder, { recursive: true })
  })

  test('tables of a later version are left alone, and the reason is said', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenure-later-'))
    const path = join(folder, 'tenure.db')
    const database = new DatabaseSync(path)
    database.exec(
      'CREATE TABLE tenure_schema (version INTEGER); INSERT INTO tenure_schema VALUES (99)',
    )
    database.close()
    const store = new SqliteLeaseStore({ path })
    await assert.rejects(store.read('scheduler', AbortSignal.timeout(5_000)), {
      code: 'TENURE_ERR_STORE_UNUSABLE',
      message: /version 2 at most; got version 99/,
    })
    await store.close()
    await rm(folder, { recursive: true })
  })

  test('20 processes race for a new file: one is granted the lease, with token 1', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenure-race-'))
    const path = join(folder, 'tenure.db')
    const program = new URL('../support/acquire-once.ts', import.meta.url).pathname
    const replies = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const args = [program, path, `holder-${i}`]
        return (await promisify(execFile)(process.execPath, args)).stdout
      }),
    )
    const granted = replies.filter((reply) => reply.startsWith('acquired'))
    assert.deepEqual(granted, ['acquired 1'], replies.join('\n'))
    assert.equal(replies.filter((reply) => reply.startsWith('held')).length, 19)
    await rm(folder, { recursive: true })
  })

  test('a relative path is where the store was made, whatever the working directory is later', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tenure-relative-'))
    const before = process.cwd()
    process.chdir(folder)
    const store = new SqliteLeaseStore({ path: './tenure.db' })
    const ledger = new SqliteLedgerStore({ path: './tenure.db' })
    process.chdir(before)
    await store.read('scheduler', AbortSignal.timeout(20_000))
    const request = { lease: 'scheduler', afterJobId: undefined, limit: 1 }
    assert.deepEqual(await ledger.readJobs(request, AbortSignal.timeout(20_000)), [])
    const held = { lease: 'scheduler', holder: 'a', ttlMs: 20_000, application: 'test' }
    const unseen = { label: undefined, observed: undefined }
    await store.tryAcquire({ ...held, ...unseen }, AbortSignal.timeout(20_000))
    assert.ok((await readdir(folder)).includes('tenure.db'))
    await Promise.all([store.close(), ledger.close()])
    await rm(folder, { recursive: true })
  })

  test('a folder that cannot be watched is reported, and nothing else happens', async () => {
    const store = new SqliteLeaseStore({ path: '/nowhere/at/all/tenure.db' })
    let failed: unknown
    const unwatch = store.watch('scheduler', {
      changed: () => assert.fail('nothing can have changed'),
      renewed: () => assert.fail('nothing can have been renewed'),
      works: () => assert.fail('it cannot work'),
      failed: (error) => (failed = error),
    })
    assert.equal((failed as NodeJS.ErrnoException).code, 'ENOENT')
    unwatch()
    await store.close()
  })
})
