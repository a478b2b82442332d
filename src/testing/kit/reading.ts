import assert from 'node:assert/strict'

import type { LeaseStoreCase } from './harness.ts'
import { acquire, countPushes, lead, nextPush, patience, release, withoutAge } from './steps.ts'

/** Reading, the history, and pushes. */
export const reading: readonly LeaseStoreCase[] = [
  {
    name: 'read changes nothing',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      await expire('scheduler')
      const first = await store.read('scheduler', patience())
      const second = await store.read('scheduler', patience())
      assert.deepEqual(withoutAge(second.record), withoutAge(first.record))
      assert.equal(first.record?.remainingMs, 0)
      assert.deepEqual(await store.read('nothing', patience()), {
        record: undefined,
        token: 0,
        terms: [],
      })
      assert.equal(await lead(store, 'b', { lease: 'nothing' }), 1)
    },
  },
  {
    name: 'the history tells who led, with which token, and why it ended',
    async run({ open, expire }) {
      const store = await open()
      await release(store, 'a', await lead(store, 'a', { label: 'blue' }))
      await lead(store, 'b')
      await expire('scheduler')
      await lead(store, 'c')
      const ended = { holder: 'b', token: 2, reason: 'stalled' } as const
      await store.tryNoteEnd('scheduler', ended, patience())
      await store.tryNoteEnd('scheduler', { ...ended, reason: 'expired' }, patience())
      await store.tryNoteEnd('scheduler', { ...ended, holder: 'somebody' }, patience())
      await store.tryNoteEnd('nothing', ended, patience())
      const { terms } = await store.read('scheduler', patience())
      assert.deepEqual(
        terms.map(({ holder, token, label, reason }) => ({ holder, token, label, reason })),
        [
          { holder: 'c', token: 3, label: undefined, reason: undefined },
          { holder: 'b', token: 2, label: undefined, reason: 'stalled' },
          { holder: 'a', token: 1, label: 'blue', reason: 'resigned' },
        ],
      )
      assert.equal(terms[0]?.endedAtMs, undefined)
      for (const term of terms.slice(1)) assert.ok((term.endedAtMs ?? 0) >= term.startedAtMs)
    },
  },
  {
    name: 'a term that ended without a word is closed by its successor as crashed',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      await expire('scheduler')
      await lead(store, 'b')
      const { terms } = await store.read('scheduler', patience())
      assert.equal(terms[1]?.reason, 'crashed')
    },
  },
  {
    name: 'a push wakes a waiter when the lease is released',
    async run({ open }) {
      const store = await open()
      const token = await lead(store, 'a')
      const { pushed, end } = await nextPush(await open())
      await release(store, 'a', token)
      await pushed
      end()
    },
  },
  {
    name: 'a waiter that hears no push is granted the lease all the same',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      const deaf = await open()
      const reply = await acquire(deaf, 'b')
      assert.ok(reply.kind === 'held' && (reply.record.remainingMs ?? 0) > 0)
      await expire('scheduler')
      assert.equal(await lead(deaf, 'b'), 2)
    },
  },
  {
    name: 'after the watch is ended no push comes',
    async run({ open }) {
      const store = await open()
      const waiter = await open()
      const token = await lead(store, 'a')
      const { push, count } = countPushes()
      waiter.watch('scheduler', push)()
      const { pushed, end } = await nextPush(await open())
      await release(store, 'a', token)
      await pushed
      end()
      assert.equal(count(), 0)
    },
  },
]
