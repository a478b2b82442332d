import assert from 'node:assert/strict'

import type { LeaseStoreCase } from './harness.ts'
import {
  acquire,
  acquisition,
  lead,
  patience,
  rejectionOf,
  release,
  renew,
  ttlMs,
} from './steps.ts'

/** Restarts, lost connections, aborted calls, wrong clocks. */
export const faults: readonly LeaseStoreCase[] = [
  {
    name: 'the counter survives a restart of the store',
    async run({ open, restart }) {
      const before = await open()
      await lead(before, 'a')
      await release(before, 'a', 1)
      await restart()
      assert.equal(await lead(await open(), 'b'), 2)
    },
  },
  {
    name: 'a connection dropped in mid-call rejects, and the next call connects again',
    async run({ open, dropConnections, block }) {
      const store = await open()
      const token = await lead(store, 'a')
      const unblock = await block()
      const call = renew(store, 'a', token)
      const rejection = rejectionOf(call)
      await dropConnections()
      assert.ok(await rejection)
      await unblock()
      assert.equal((await renew(store, 'a', token)).kind, 'renewed')
    },
  },
  {
    name: 'an abort signal ends a wait, with its reason',
    async run({ open, block }) {
      const store = await open()
      const token = await lead(store, 'a')
      const unblock = await block()
      const controller = new AbortController()
      const reason = new Error('enough')
      const request = { lease: 'scheduler', holder: 'a', token, ttlMs }
      const rejection = rejectionOf(store.tryRenew(request, controller.signal))
      controller.abort(reason)
      assert.equal(await rejection, reason)
      await unblock()
      assert.equal((await renew(store, 'a', token)).kind, 'renewed')
    },
  },
  {
    name: 'a signal that is aborted already does nothing',
    async run({ open }) {
      const store = await open()
      const reason = new Error('too late')
      const signal = AbortSignal.abort(reason)
      assert.equal(await rejectionOf(store.tryAcquire(acquisition('a'), signal)), reason)
      assert.equal((await store.read('scheduler', patience())).record, undefined)
    },
  },
  {
    name: 'each call closes what it opened: after success, refusal, timeout and error',
    async run({ open, block, countHandles, close }) {
      const store = await open()
      const token = await lead(store, 'a')
      const handles = await countHandles()
      for (let round = 0; round < 3; round++) {
        await renew(store, 'a', token)
        await renew(store, 'b', token)
        await acquire(store, 'b')
        const unblock = await block()
        const controller = new AbortController()
        const request = { lease: 'scheduler', holder: 'a', token, ttlMs }
        const rejection = rejectionOf(store.tryRenew(request, controller.signal))
        controller.abort(new Error('timeout'))
        await rejection
        await unblock()
        await renew(store, 'a', token)
      }
      assert.equal(await countHandles(), handles)
      await store.close()
      await close()
      assert.equal(await countHandles(), 0)
    },
  },
  {
    name: 'close is idempotent, and later calls reject',
    async run({ open }) {
      const store = await open()
      await lead(store, 'a')
      await store.close()
      await store.close()
      const error = await rejectionOf(acquire(store, 'a'))
      assert.equal((error as { code?: unknown }).code, 'TENURE_ERR_STORE_CLOSED')
    },
  },
  {
    name: 'schema creation is raced by 10 clients',
    async run({ open }) {
      const stores = await Promise.all(Array.from({ length: 10 }, open))
      const replies = await Promise.all(stores.map((store, i) => acquire(store, `holder-${i}`)))
      assert.equal(replies.filter((reply) => reply.kind === 'acquired').length, 1)
    },
  },
  {
    name: "the caller's clock set wrong changes nothing",
    async run({ open, openWithWallClock, expire }) {
      const store = await open()
      const token = await lead(store, 'a')
      for (const offsetMs of [3_600_000, -3_600_000]) {
        const wrong = await openWithWallClock(offsetMs)
        const reply = await acquire(wrong, 'b')
        assert.equal(reply.kind, 'held')
        if (reply.kind !== 'held') return
        const { remainingMs } = reply.record
        assert.ok(remainingMs !== undefined && remainingMs > 0 && remainingMs <= ttlMs)
        assert.equal((await renew(wrong, 'a', token)).kind, 'renewed')
      }
      await expire('scheduler')
      assert.equal(await lead(await openWithWallClock(-3_600_000), 'c'), token + 1)
    },
  },
]
