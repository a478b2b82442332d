// What a SQLite store does when somebody changes its files, call by call. Whole processes that share
// a lease are in processes/sqlite-files.test.ts.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
} from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'

import { createSystemClock, nextTurn, type Clock } from '../../src/clock.ts'
import type { AcquireRequest, PushListener, StoreNotice } from '../../src/store/lease-store.ts'
import { Connection } from '../../src/store/sqlite/connection.ts'
import { leaseSchema } from '../../src/store/sqlite/schema.ts'
import { SqliteLedgerStore } from '../../src/store/sqlite/sqlite-ledger.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'
import { until } from '../support/until.ts'

const ttlMs = 6_000
const signal = (): AbortSignal => AbortSignal.timeout(20_000)
const acquisition = (holder: string): AcquireRequest => ({
  lease: 'scheduler',
  holder,
  ttlMs,
  application: 'test',
  label: undefined,
  observed: undefined,
})
const renewal = (holder: string, token: number) => ({ lease: 'scheduler', holder, token, ttlMs })
const refused = { kind: 'refused', cause: 'missing', by: undefined }
const changed = { code: 'TENURE_ERR_STORE_FILES_CHANGED' }

/** A clock that a test moves on, on top of the real one. */
function movableClock(): Clock & { aheadMs: number } {
  const clock = createSystemClock()
  const movable = {
    ...clock,
    aheadMs: 0,
    monotonicMs: () => clock.monotonicMs() + movable.aheadMs,
  }
  return movable
}

/** A folder of a test's own, and stores on a database in it, as a heart has them: watched. */
async function withStores(
  work: (parts: {
    path: string
    folder: string
    open: (clock?: Clock) => { store: SqliteLeaseStore; notices: StoreNotice[]; pushes: number[] }
    openLedger: () => SqliteLedgerStore
  }) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tenure-files-'))
  const data = join(folder, 'data')
  mkdirSync(data)
  const path = join(data, 'tenure.db')
  const stores: { close: () => Promise<void> }[] = []
  try {
    await work({
      path,
      folder,
      open(clock = createSystemClock()) {
        const store = new SqliteLeaseStore({ path, clock })
        stores.push(store)
        const notices: StoreNotice[] = []
        const pushes: number[] = []
        const listener: PushListener = {
          changed: () => void pushes.push(pushes.length),
          renewed: () => {},
          works: () => {},
          failed: () => {},
          noticed: (notice) => void notices.push(notice),
        }
        store.watch('scheduler', listener)
        return { store, notices, pushes }
      },
      openLedger() {
        const ledger = new SqliteLedgerStore({ path })
        stores.push(ledger)
        return ledger
      },
    })
  } finally {
    for (const store of stores) await store.close()
    await rm(folder, { recursive: true })
  }
}

const both = ['-wal', '-shm'] as const

describe('files of SQLite that somebody changes', () => {
  test('what is committed where nobody else sees it has failed', () =>
    withStores(async ({ path }) => {
      const connection = new Connection({
        path,
        clock: createSystemClock(),
        schema: leaseSchema,
        isKept: () => true,
      })
      await connection.read(() => {}, signal())
      const writing = connection.write((sql) => {
        sql("INSERT INTO tenure_token VALUES ('scheduler', 7)").run()
        for (const suffix of both) rmSync(`${path}${suffix}`)
      }, signal())
      await assert.rejects(writing, changed)
      connection.close()
    }))

  test('a term that was held in them is over, also if the new ones have its record', () =>
    withStores(async ({ path, folder, open, openLedger }) => {
      const { store, notices, pushes } = open()
      assert.deepEqual(await store.tryAcquire(acquisition('a'), signal()), {
        kind: 'acquired',
        token: 1,
      })
      const ledger = openLedger()
      const author = { lease: 'scheduler', token: 1 }
      const jobs = [{ jobId: 'j', schedule: 's', anchorMs: 0, cursorMs: 0 }]
      assert.equal((await ledger.tryRegister({ ...author, jobs }, signal())).kind, 'answered')
      const copy = join(folder, 'copy')
      const database = new DatabaseSync(path)
      database.exec(`VACUUM INTO '${copy}'`)
      database.close()
      renameSync(copy, path)
      // The ledger finds out first, and the heartbeat is told.
      const late = { kind: 'superseded', token: 0 }
      assert.deepEqual(await ledger.tryRegister({ ...author, jobs }, signal()), late)
      await until('the leader is told', () => pushes.length > 0 && notices.length > 0)
      assert.deepEqual(await ledger.tryRegister({ ...author, jobs }, signal()), late)
      assert.deepEqual(await store.tryRenew(renewal('a', 1), signal()), refused)
      assert.deepEqual(
        notices.map(({ event }) => event),
        ['store_files_changed'],
      )
      assert.match(String(notices[0]?.message), /tenure\.db is another file/)
    }))

  for (const suffix of ['', '-wal', '-shm'] as const) {
    test(`${suffix || 'the database'} in whose place there is a copy of it is another file`, () =>
      withStores(async ({ path, folder, open }) => {
        const { store, notices } = open()
        await store.tryAcquire(acquisition('a'), signal())
        const copy = join(folder, 'copy')
        // Copied by another process: to copy it here would give up the locks of this one.
        execFileSync('cp', [`${path}${suffix}`, copy])
        renameSync(copy, `${path}${suffix}`)
        assert.deepEqual(await store.tryRenew(renewal('a', 1), signal()), refused)
        await until('the leader is told', () => notices.length > 0)
        assert.match(String(notices[0]?.message), /is another file/)
      }))
  }

  test('a database that was moved is another file, also if a link leads to it', () =>
    withStores(async ({ path, folder, open }) => {
      const { store, notices } = open()
      await store.tryAcquire(acquisition('a'), signal())
      renameSync(path, join(folder, 'tenure.db'))
      symlinkSync(join(folder, 'tenure.db'), path)
      assert.deepEqual(await store.tryRenew(renewal('a', 1), signal()), refused)
      await until('the leader is told', () => notices.length > 0)
      assert.match(String(notices[0]?.message), /tenure\.db is another file/)
    }))

  test('whoever has seen them takes no lease for the longest ttl that was seen, and 1 %', () =>
    withStores(async ({ path, open }) => {
      const { store: leader } = open()
      const clock = movableClock()
      const { store } = open(clock)
      await leader.tryAcquire({ ...acquisition('a'), ttlMs: 60_000 }, signal())
      assert.equal((await store.tryAcquire(acquisition('b'), signal())).kind, 'held')
      for (const suffix of ['', ...both]) rmSync(`${path}${suffix}`)
      await assert.rejects(store.tryAcquire(acquisition('b'), signal()), changed)
      clock.aheadMs = 60_000
      await assert.rejects(store.tryAcquire(acquisition('b'), signal()), {
        ...changed,
        message: /for another \d+ms\. No lease is taken meanwhile/,
      })
      clock.aheadMs = 60_700
      assert.equal((await store.tryAcquire(acquisition('b'), signal())).kind, 'acquired')
    }))

  test('whoever comes to what is left of them waits as well', () =>
    withStores(async ({ path, open }) => {
      const { store: leader } = open()
      await leader.tryAcquire(acquisition('a'), signal())
      rmSync(path)
      const clock = movableClock()
      const { store } = open(clock)
      await assert.rejects(store.tryAcquire(acquisition('b'), signal()), changed)
      clock.aheadMs = ttlMs * 1.02
      assert.equal((await store.tryAcquire(acquisition('b'), signal())).kind, 'acquired')
    }))

  test('whoever opens them when the -wal was cut off finds it out, and is not left with what is missing', () =>
    withStores(async ({ path }) => {
      const first = new SqliteLeaseStore({ path })
      await first.tryAcquire(acquisition('first'), signal())
      await first.close()
      const elsewhere = `
        const { DatabaseSync } = require('node:sqlite')
        const database = new DatabaseSync(process.argv[1])
        database.exec('PRAGMA wal_autocheckpoint = 0')
        for (let i = 0; i < 100; i++) database.exec('UPDATE tenure_lease SET renewals = renewals + 1')
        console.log('open')
        setInterval(() => {}, 1000)`
      const child = spawn(process.execPath, ['--no-warnings', '-e', elsewhere, path])
      try {
        await once(child.stdout, 'data')
        truncateSync(`${path}-wal`, 20_000)
        const store = new SqliteLeaseStore({ path })
        store.watch('scheduler', { changed() {}, renewed() {}, works() {}, failed() {} })
        await assert.rejects(store.tryAcquire(acquisition('a'), signal()), changed)
        await store.close()
      } finally {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
    }))

  test('a release wakes others also where the file that wakes them is a link that leads nowhere', () =>
    withStores(async ({ path, open }) => {
      const { store } = open()
      const reply = await store.tryAcquire(acquisition('a'), signal())
      assert.ok(reply.kind === 'acquired')
      symlinkSync('/nowhere/wake', `${path}-wake`)
      const { store: other, pushes } = open()
      await other.tryAcquire(acquisition('b'), signal())
      const before = pushes.length
      const held = {
        lease: 'scheduler',
        holder: 'a',
        token: reply.token,
        reason: 'resigned',
      } as const
      await store.tryRelease(held, signal())
      await until('the other one is woken', () => pushes.length > before)
      const link = lstatSync(`${path}-wake`, { throwIfNoEntry: false })
      assert.equal(link, undefined, 'it is removed, which wakes')
    }))

  test('a token outlasts a -wal that is removed', () =>
    withStores(async ({ path, folder, open }) => {
      const { store } = open()
      await store.tryAcquire(acquisition('a'), signal())
      await until('the counter is in the database itself', () => {
        const copy = join(folder, 'copy')
        execFileSync('cp', [path, copy])
        const database = new DatabaseSync(copy)
        const isThere = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'tenure_token'")
        const row = isThere.get() && database.prepare('SELECT token FROM tenure_token').get()
        database.close()
        return row && row['token'] === 1
      })
    }))

  test('locks that the process has lost are noticed, and taken again', (t) => {
    if (process.platform !== 'linux') return t.skip('only Linux shows a process its locks')
    return withStores(async ({ path, folder, open }) => {
      const clock = movableClock()
      const { store } = open(clock)
      await store.tryAcquire(acquisition('a'), signal())
      cpSync(path, join(folder, 'copy'))
      assert.deepEqual(await store.tryRenew(renewal('a', 1), signal()), refused)
      clock.aheadMs = ttlMs * 1.02
      const observed = { token: 1, renewals: 0 }
      const request = { ...acquisition('b'), observed }
      assert.deepEqual(await store.tryAcquire(request, signal()), { kind: 'acquired', token: 2 })
      assert.equal((await store.tryRenew(renewal('b', 2), signal())).kind, 'renewed')
    })
  })

  for (const how of ['renamed, and made anew', 'a link that is switched'] as const) {
    test(`pushes come also after the folder was replaced: ${how}`, async () => {
      await withStores(async ({ path, folder, open }) => {
        const data = dirname(path)
        const replace = (name: string): void => {
          mkdirSync(join(folder, name))
          symlinkSync(join(folder, name), `${data}-link`)
          renameSync(`${data}-link`, data)
        }
        if (how === 'a link that is switched') {
          rmSync(data, { recursive: true })
          replace('first')
        }
        const clock = movableClock()
        const { store, pushes } = open(clock)
        await store.tryAcquire(acquisition('a'), signal())
        if (how === 'a link that is switched') replace('second')
        else {
          renameSync(data, join(folder, 'old'))
          mkdirSync(data)
          await until('the folder itself is heard of', () => pushes.length > 0)
        }
        assert.deepEqual(await store.tryRenew(renewal('a', 1), signal()), refused)
        clock.aheadMs = ttlMs * 1.02
        const reply = await store.tryAcquire(acquisition('b'), signal())
        assert.equal(reply.kind, 'acquired')
        const other = new SqliteLeaseStore({ path })
        const token = reply.kind === 'acquired' ? reply.token : 0
        // What has happened before is heard of now.
        for (let turn = 0; turn < 3; turn++) await nextTurn()
        const before = pushes.length
        const request = { token, by: 'test', coolDownMs: 0 }
        await other.tryRequestResign('scheduler', request, signal())
        await other.close()
        await until('the leader hears of the request', () => pushes.length > before)
      })
    })
  }

  test('whoever only looks keeps nothing open', () =>
    withStores(async ({ path, open }) => {
      const { store: leader } = open()
      await leader.tryAcquire(acquisition('a'), signal())
      const logs = (): number =>
        readdirSync('/proc/self/fd').filter((fd) => {
          try {
            return readlinkSync(`/proc/self/fd/${fd}`) === `${path}-wal`
          } catch {
            return false
          }
        }).length
      const before = logs()
      const reader = new SqliteLeaseStore({ path })
      assert.equal((await reader.read('scheduler', signal())).token, 1)
      assert.equal(logs(), before)
      await reader.close()
    }))
})
