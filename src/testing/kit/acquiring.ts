import assert from 'node:assert/strict'

import type { LeaseStoreCase } from './harness.ts'
import { acquire, lead, nextPush, patience, rejectionOf, release, renew, ttlMs } from './steps.ts'

/** The highest token that is ever granted. */
const tokenMax = 2 ** 52

/** Who is granted the lease, and with which token. */
export const acquiring: readonly LeaseStoreCase[] = [
  {
    name: 'the first acquisition gives token 1',
    async run({ open }) {
      const store = await open()
      assert.equal((await store.read('scheduler', patience())).token, 0)
      assert.equal(await lead(store, 'a'), 1)
    },
  },
  {
    name: 'a second holder is refused, and told by whom and for how long',
    async run({ open }) {
      const store = await open()
      await lead(store, 'a', { application: 'billing', label: 'blue' })
      const reply = await acquire(await open(), 'b')
      assert.equal(reply.kind, 'held')
      if (reply.kind !== 'held') return
      const { record } = reply
      assert.equal(record.holder, 'a')
      assert.equal(record.token, 1)
      assert.equal(record.application, 'billing')
      assert.equal(record.label, 'blue')
      assert.equal(record.ttlMs, ttlMs)
      assert.ok(record.remainingMs !== undefined && record.remainingMs > 0)
      assert.ok(record.remainingMs <= ttlMs)
    },
  },
  {
    name: 'a retry by the same holder yields the same token, a new acquisition a higher one',
    async run({ open, expire }) {
      const store = await open()
      assert.equal(await lead(store, 'a:1'), 1)
      assert.equal(await lead(store, 'a:1'), 1)
      await expire('scheduler')
      assert.equal(await lead(store, 'a:2'), 2)
    },
  },
  {
    name: 'a retry by the same holder makes the lease as long as a first acquisition does',
    async run({ open }) {
      const store = await open()
      await lead(store, 'a', { ttlMs: 4_000 })
      await lead(store, 'a', { ttlMs: 40_000 })
      const { record } = await store.read('scheduler', patience())
      assert.ok((record?.remainingMs ?? 0) > 4_000)
    },
  },
  {
    name: 'a takeover after expiry raises the token',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      await expire('scheduler')
      assert.equal(await lead(await open(), 'b'), 2)
    },
  },
  {
    name: 'release, then acquire: the token still rises',
    async run({ open }) {
      const store = await open()
      assert.equal(await release(store, 'a', await lead(store, 'a')), 'released')
      assert.equal((await store.read('scheduler', patience())).record, undefined)
      assert.equal(await lead(store, 'b'), 2)
    },
  },
  {
    name: 'a record that was watched, unchanged, is handed over, and a changed one is not',
    async run({ open }) {
      const store = await open()
      const other = await open()
      const token = await lead(store, 'a')
      const seen = await acquire(other, 'b')
      assert.equal(seen.kind, 'held')
      if (seen.kind !== 'held') return
      const { renewals } = seen.record
      await renew(store, 'a', token)
      const changed = await acquire(other, 'b', { observed: { token, renewals } })
      assert.equal(changed.kind, 'held')
      if (changed.kind !== 'held') return
      const observed = { token, renewals: changed.record.renewals }
      assert.equal(await lead(other, 'b', { observed }), 2)
      assert.equal((await renew(store, 'a', token)).kind, 'refused')
    },
  },
  {
    name: '20 concurrent acquisitions have one winner',
    async run({ open }) {
      const stores = await Promise.all(Array.from({ length: 20 }, open))
      const replies = await Promise.all(stores.map((store, i) => acquire(store, `holder-${i}`)))
      assert.equal(replies.filter((reply) => reply.kind === 'acquired').length, 1)
    },
  },
  {
    name: 'a lost-update counter guarded by the token loses nothing, and does lose without',
    async run({ open, expire }) {
      const guarded = { value: 0, token: 0 }
      const bare = { value: 0 }
      let guardedWrites = 0
      let bareWrites = 0
      const stores = await Promise.all(Array.from({ length: 3 }, open))
      // Each has read the counter when the next takes over, and writes when all have read.
      const readers: { token: number; guarded: number; bare: number }[] = []
      for (const [i, store] of stores.entries()) {
        const token = await lead(store, `holder-${i}`)
        guarded.token = token
        readers.push({ token, guarded: guarded.value, bare: bare.value })
        await expire('scheduler')
      }
      for (const reader of readers) {
        bare.value = reader.bare + 1
        bareWrites++
        if (reader.token < guarded.token) continue
        guarded.value = reader.guarded + 1
        guardedWrites++
      }
      assert.equal(guarded.value, guardedWrites)
      assert.equal(guardedWrites, 1)
      assert.notEqual(bare.value, bareWrites, 'the control has to lose updates')
    },
  },
]

/** The tokens of a lease whose counter was lost, or set back or ahead; and late copies. */
export const outrunning: readonly LeaseStoreCase[] = [
  {
    name: "a counter that was lost is restored from the record's token, or from the history's",
    async run({ open, expire, setCounter, deleteHistory }) {
      const store = await open()
      for (const holder of ['a', 'b', 'c']) {
        await lead(store, holder)
        await expire('scheduler')
      }
      await setCounter('scheduler', undefined)
      await deleteHistory('scheduler')
      assert.equal((await store.read('scheduler', patience())).token, 3)
      assert.equal(await lead(store, 'd'), 4)
      assert.equal(await release(store, 'd', 4), 'released')
      await setCounter('scheduler', undefined)
      assert.equal((await store.read('scheduler', patience())).token, 4)
      assert.equal(await lead(store, 'e'), 5)
    },
  },
  {
    name: 'a counter that was set back gives no token again',
    async run({ open, setCounter }) {
      const store = await open()
      await lead(store, 'a')
      await release(store, 'a', 1)
      await lead(store, 'b')
      await setCounter('scheduler', 0)
      assert.equal(await lead(store, 'b'), 2, 'a retry')
      await release(store, 'b', 2)
      assert.equal(await lead(store, 'c'), 3)
    },
  },
  {
    name: 'what is granted is above the token that the caller knows, and so is all that follows',
    async run({ open, expire }) {
      const store = await open()
      assert.equal(await lead(store, 'a', { knownToken: 20_000 }), 20_001)
      assert.equal(await lead(store, 'a', { knownToken: 20_000 }), 20_001, 'a retry')
      await expire('scheduler')
      assert.equal(await lead(await open(), 'b'), 20_002)
      const { terms } = await store.read('scheduler', patience())
      assert.deepEqual(
        terms.map(({ token }) => token),
        [20_002, 20_001],
      )
    },
  },
  {
    name: 'whoever is refused raises nothing, whatever it knows',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      assert.equal((await acquire(store, 'b', { knownToken: 1_000_000 })).kind, 'held')
      await expire('scheduler')
      assert.equal(await lead(store, 'c'), 2)
    },
  },
  {
    name: 'no token above 2 ** 52 is granted, nor one that is no whole number',
    async run({ open, setCounter }) {
      const store = await open()
      for (const knownToken of [tokenMax, tokenMax + 1, 2 ** 53, Infinity, Number.NaN, 1.5]) {
        const error = await rejectionOf(acquire(store, 'a', { knownToken }))
        assert.equal((error as { code?: unknown }).code, 'TENURE_ERR_TOKEN_LIMIT', `${knownToken}`)
      }
      assert.equal((await store.read('scheduler', patience())).record, undefined)
      await lead(store, 'a')
      await release(store, 'a', 1)
      // Somebody may have written anything that the column can hold.
      for (const counter of [tokenMax, tokenMax + 1, 2 ** 53 + 2, 2 ** 62]) {
        await setCounter('scheduler', counter)
        const error = await rejectionOf(acquire(store, 'b'))
        assert.equal((error as { code?: unknown }).code, 'TENURE_ERR_TOKEN_LIMIT', `${counter}`)
        assert.ok((await store.read('scheduler', patience())).token >= tokenMax)
      }
      await setCounter('scheduler', tokenMax - 1)
      assert.equal(await lead(store, 'c'), tokenMax)
    },
  },
  {
    name: 'a counter that is raised by hand supersedes nobody but counts for the next, and is only raised',
    async run({ open, expire }) {
      const store = await open()
      const raise = async (token: number): Promise<object> =>
        store.tryRaiseToken('scheduler', token, patience())
      assert.deepEqual(await raise(7), { kind: 'raised', token: 7 }, 'where nothing is yet')
      const token = await lead(store, 'a')
      assert.equal(token, 8)
      const { pushed, end } = await nextPush(await open())
      assert.deepEqual(await raise(20), { kind: 'raised', token: 20 })
      await pushed
      end()
      assert.equal((await renew(store, 'a', token)).kind, 'renewed')
      assert.deepEqual(await raise(19), { kind: 'high-enough', token: 20 })
      assert.equal((await store.read('scheduler', patience())).token, 20)
      for (const wrong of [tokenMax, 2 ** 53, 1.5, Number.NaN]) {
        const error = await rejectionOf(raise(wrong))
        assert.equal((error as { code?: unknown }).code, 'TENURE_ERR_TOKEN_LIMIT')
      }
      await expire('scheduler')
      assert.equal(await lead(store, 'b'), 21)
    },
  },
  {
    name: 'a holder whose term has ended is granted no other one',
    async run({ open, expire }) {
      const store = await open()
      await lead(store, 'a')
      await release(store, 'a', 1)
      assert.deepEqual(await acquire(store, 'a'), { kind: 'over' })
      assert.equal((await store.read('scheduler', patience())).record, undefined)
      await lead(store, 'b')
      await expire('scheduler')
      await lead(store, 'c')
      await release(store, 'c', 3)
      assert.deepEqual(await acquire(store, 'b'), { kind: 'over' })
    },
  },
  {
    name: 'an acquisition that comes after its time is not granted, nor is its retry',
    async run({ open }) {
      const store = await open()
      // A client that has never heard of the store knows nothing of its clock.
      await lead(store, 'a', { lease: 'another' })
      const late = { grantWithinMs: -5_000 }
      assert.deepEqual(await acquire(store, 'a', late), { kind: 'over' })
      assert.equal((await store.read('scheduler', patience())).record, undefined)
      assert.equal(await lead(store, 'a', { grantWithinMs: 60_000 }), 1)
      assert.deepEqual(await acquire(store, 'a', late), { kind: 'over' })
      const reply = await acquire(store, 'b', late)
      assert.equal(reply.kind, 'held')
    },
  },
  {
    name: 'the history keeps its terms where tokens are left out',
    async run({ open, setCounter }) {
      const store = await open()
      await lead(store, 'a', { lease: 'another' })
      for (let n = 1; n <= 3; n++) {
        await setCounter('scheduler', 1_000 * n)
        await release(store, `holder-${n}`, await lead(store, `holder-${n}`))
      }
      const { terms } = await store.read('scheduler', patience())
      assert.deepEqual(
        terms.map(({ token }) => token),
        [3_001, 2_001, 1_001],
      )
    },
  },
]

/** The names of leases. */
export const names: readonly LeaseStoreCase[] = [
  {
    name: 'two names are independent',
    async run({ open }) {
      const store = await open()
      assert.equal(await lead(store, 'a', { lease: 'one' }), 1)
      assert.equal(await lead(store, 'b', { lease: 'two' }), 1)
      const one = await store.read('one', patience())
      assert.equal(one.record?.holder, 'a')
    },
  },
  {
    name: 'odd names: quotes, Unicode, 255 bytes, prefixes of each other',
    async run({ open }) {
      const store = await open()
      const odd = [
        `it's "quoted" \`and\` \\escaped; --`,
        '%_*?[a]',
        'a',
        'aa',
        'a/b',
        'a:b',
        'a b',
        ' a',
        'Zeitplan-Schlüssel',
        '调度锁',
        '🔒',
        'x'.repeat(255),
        'null',
        '__proto__',
      ]
      for (const lease of odd) {
        assert.equal(await lead(store, `holder of ${lease}`.slice(0, 255), { lease }), 1, lease)
      }
      for (const lease of odd) {
        const { record } = await store.read(lease, patience())
        assert.equal(record?.holder, `holder of ${lease}`.slice(0, 255), lease)
      }
    },
  },
]
