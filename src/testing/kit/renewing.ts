import assert from 'node:assert/strict'

import type { LeaseStoreCase } from './harness.ts'
import {
  acquire,
  countPushes,
  lead,
  nextPush,
  patience,
  release,
  renew,
  ttlMs,
  withoutAge,
} from './steps.ts'

/** Renewals, releases and requests to resign. */
export const renewing: readonly LeaseStoreCase[] = [
  {
    name: "a renewal extends by the store's clock",
    async run({ open, expire }) {
      const store = await open()
      const token = await lead(store, 'a', { ttlMs: 4_000 })
      assert.equal((await renew(store, 'a', token)).kind, 'renewed')
      const { record } = await store.read('scheduler', patience())
      assert.equal(record?.ttlMs, ttlMs)
      assert.equal(record.renewals, 1)
      assert.ok((record.remainingMs ?? 0) > 4_000 && (record.remainingMs ?? 0) <= ttlMs)
      await expire('scheduler')
      assert.equal((await store.read('scheduler', patience())).record?.remainingMs, 0)
    },
  },
  {
    name: 'what was acknowledged is kept: no renewal and no retry brings the expiry forward',
    async run({ open }) {
      const store = await open()
      const token = await lead(store, 'a')
      const short = { ttlMs: 4_000 }
      const remainingMs = async (): Promise<number> =>
        (await store.read('scheduler', patience())).record?.remainingMs ?? 0
      const renewal = { lease: 'scheduler', holder: 'a', token, ...short }
      assert.equal((await store.tryRenew(renewal, patience())).kind, 'renewed')
      assert.ok((await remainingMs()) > ttlMs / 2)
      assert.equal(await lead(store, 'a', short), token)
      assert.ok((await remainingMs()) > ttlMs / 2)
      assert.equal((await renew(store, 'a', token)).kind, 'renewed')
      assert.ok((await remainingMs()) <= ttlMs)
    },
  },
  {
    name: 'a renewal with an old token is refused',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      await expire('scheduler')
      const token = await lead(store, 'b')
      const reply = await renew(store, 'b', token - 1)
      assert.equal(reply.kind, 'refused')
      assert.equal(reply.kind === 'refused' && reply.cause, 'taken')
    },
  },
  {
    name: "a renewal with the right token and another's name is refused",
    async run({ open }) {
      const store = await open()
      const token = await lead(store, 'a')
      assert.equal((await renew(store, 'b', token)).kind, 'refused')
    },
  },
  {
    name: 'a renewal after expiry is refused even if nobody took over',
    async run({ open, expire }) {
      const store = await open()
      const token = await lead(store, 'a')
      await expire('scheduler')
      const reply = await renew(store, 'a', token)
      assert.deepEqual(reply, { kind: 'refused', cause: 'expired', by: undefined })
    },
  },
  {
    name: 'after a takeover the old holder can neither renew nor release',
    async run({ open, expire }) {
      const store = await open()
      const token = await lead(store, 'a')
      await expire('scheduler')
      await lead(store, 'b')
      const reply = await renew(store, 'a', token)
      assert.equal(reply.kind, 'refused')
      assert.equal(reply.kind === 'refused' && reply.by?.holder, 'b')
      assert.equal(await release(store, 'a', token), 'not-held')
      const { record } = await store.read('scheduler', patience())
      assert.equal(record?.holder, 'b')
    },
  },
  {
    name: 'a late release of an older term does nothing',
    async run({ open, expire }) {
      const store = await open()
      const token = await lead(store, 'a')
      await expire('scheduler')
      await lead(store, 'b')
      const { push, count } = countPushes()
      const unwatch = store.watch('scheduler', push)
      const before = await store.read('scheduler', patience())
      assert.equal(await release(store, 'a', token), 'not-held')
      const after = await store.read('scheduler', patience())
      unwatch()
      assert.deepEqual(withoutAge(after.record), withoutAge(before.record))
      assert.deepEqual(after.terms, before.terms)
      assert.equal(count(), 0)
    },
  },
  {
    name: 'a lease row deleted by an operator is noticed at the next renewal; the token still rises',
    async run({ open, deleteRecord }) {
      const store = await open()
      const token = await lead(store, 'a')
      await deleteRecord('scheduler')
      const reply = await renew(store, 'a', token)
      assert.equal(reply.kind === 'refused' && reply.cause, 'missing')
      assert.equal(await lead(store, 'b'), token + 1)
    },
  },
  {
    name: "the record tells the hash over its holder's jobs as that said it last, or none at all",
    async run({ open, expire }) {
      const store = await open()
      const other = await open()
      const token = await lead(store, 'a', { jobsHash: 'one' })
      const shown = async (): Promise<string | undefined> => {
        const reply = await acquire(other, 'b', { jobsHash: 'not of the holder' })
        return reply.kind === 'held' ? reply.record.jobsHash : reply.kind
      }
      assert.equal(await shown(), 'one')
      for (const jobsHash of ['two', undefined, 'three']) {
        assert.equal((await renew(store, 'a', token, { jobsHash })).kind, 'renewed')
        assert.equal(await shown(), jobsHash)
        assert.equal((await other.read('scheduler', patience())).record?.jobsHash, jobsHash)
      }
      await lead(store, 'a', { jobsHash: 'four' })
      assert.equal(await shown(), 'four')
      await expire('scheduler')
      await lead(store, 'c')
      assert.equal(await shown(), undefined)
    },
  },
  {
    name: 'the record tells within what time its holder renews again, as that said it last',
    async run({ open }) {
      const store = await open()
      const shown = async (): Promise<number | undefined> =>
        (await store.read('scheduler', patience())).record?.renewsWithinMs
      const token = await lead(store, 'a', { renewsWithinMs: 11_000 })
      assert.equal(await shown(), 11_000)
      const reply = await acquire(await open(), 'b')
      assert.equal(reply.kind === 'held' && reply.record.renewsWithinMs, 11_000)
      await renew(store, 'a', token, { renewsWithinMs: 4_000 })
      assert.equal(await shown(), 4_000)
      await lead(store, 'a', { renewsWithinMs: 5_000 })
      assert.equal(await shown(), 5_000)
      await renew(store, 'a', token)
      assert.equal(await shown(), undefined)
    },
  },
  {
    name: 'a resign request reaches the leader, bound to its token',
    async run({ open, expire }) {
      const store = await open()
      const other = await open()
      const token = await lead(store, 'a')
      const request = { token, by: 'ops', coolDownMs: 30_000 }
      const ask = async (forToken: number): Promise<string> => {
        const asked = { ...request, token: forToken }
        return (await other.tryRequestResign('scheduler', asked, patience())).kind
      }
      assert.equal(await ask(token + 1), 'not-held')
      const { pushed, end } = await nextPush(store)
      assert.equal(await ask(token), 'requested')
      await pushed
      end()
      assert.deepEqual(await renew(store, 'a', token), { kind: 'renewed', resignRequest: request })
      await expire('scheduler')
      const next = await lead(store, 'b')
      const reply = await renew(store, 'b', next)
      assert.deepEqual(reply, { kind: 'renewed', resignRequest: undefined })
    },
  },
]
