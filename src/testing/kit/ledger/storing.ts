import assert from 'node:assert/strict'

import type { LedgerStore } from '../../../store/ledger-store.ts'
import {
  changesMax,
  storedTextLengthMax,
  type ScheduleChange,
  type StoredSchedule,
  type StoreScheduleRequest,
} from '../../../store/stored-schedule.ts'
import type { LedgerCase } from '../harness.ts'
import { patience } from '../steps.ts'
import { begin, jobId, lease, prune } from './steps.ts'

/** A job as it is stored. */
function stored(options: Partial<StoredSchedule> = {}): StoredSchedule {
  return { jobId, handler: 'report', words: 'every 1m', text: '{}', storedAtMs: 5, ...options }
}

async function store(
  ledger: LedgerStore,
  schedule: StoredSchedule,
  onConflict: StoreScheduleRequest['onConflict'] = 'replace',
): Promise<string> {
  const request = { lease, schedule, onConflict }
  return (await ledger.tryStoreSchedule(request, patience())).kind
}

async function remove(ledger: LedgerStore, id: string = jobId): Promise<string> {
  return (await ledger.tryRemoveSchedule({ lease, jobId: id }, patience())).kind
}

async function changesOf(
  ledger: LedgerStore,
  afterRevision = 0,
  limit = changesMax,
): Promise<readonly ScheduleChange[]> {
  return (await ledger.readSchedules({ lease, afterRevision, limit }, patience())).changes
}

/** The jobs that have changed since a revision, in the order of their changes. */
async function namesOf(ledger: LedgerStore, afterRevision = 0): Promise<string[]> {
  const changes = await changesOf(ledger, afterRevision)
  return changes.map((change) => `${change.jobId}${change.schedule ? '' : ' removed'}`)
}

async function lastRevision(ledger: LedgerStore): Promise<number> {
  return (await changesOf(ledger)).at(-1)?.revision ?? 0
}

/** Jobs that are stored while the application runs. */
export const storing: readonly LedgerCase[] = [
  {
    name: 'a stored job is read as it was stored, without any term, and by its lease only',
    async run({ openLedger }) {
      const ledger = await openLedger()
      assert.deepEqual(await changesOf(ledger), [])
      assert.equal(await remove(ledger), 'unknown')
      assert.equal(await store(ledger, stored()), 'stored')
      const [change] = await changesOf(await openLedger())
      assert.deepEqual([change?.jobId, change?.schedule], [jobId, stored()])
      const other = { lease: 'other', afterRevision: 0, limit: 10 }
      assert.deepEqual((await ledger.readSchedules(other, patience())).changes, [])
      const { kind } = await ledger.tryRemoveSchedule({ lease: 'other', jobId }, patience())
      assert.equal(kind, 'unknown')
    },
  },
  {
    name: 'each change of a stored job is told after the ones before, also its removal',
    async run({ openLedger }) {
      const ledger = await openLedger()
      for (const id of ['a', 'b', 'c']) await store(ledger, stored({ jobId: id }))
      assert.deepEqual(await namesOf(ledger), ['a', 'b', 'c'])
      const known = await lastRevision(ledger)
      await store(ledger, stored({ jobId: 'b', text: '{"data":1}' }))
      assert.equal(await remove(ledger, 'a'), 'removed')
      assert.equal(await remove(ledger, 'a'), 'unknown')
      assert.deepEqual(await namesOf(ledger, known), ['b', 'a removed'])
      assert.deepEqual(await namesOf(ledger), ['c', 'b', 'a removed'])
      const [first] = await changesOf(ledger, 0, 1)
      assert.equal(first?.jobId, 'c')
      await store(ledger, stored({ jobId: 'a' }))
      assert.deepEqual(await namesOf(ledger, known), ['b', 'a'])
    },
  },
  {
    name: 'a stored job keeps since when it is stored, unless it has another schedule or was removed',
    async run({ openLedger }) {
      const ledger = await openLedger()
      const sinceMs = async (): Promise<number | undefined> =>
        (await changesOf(ledger))[0]?.schedule?.storedAtMs
      await store(ledger, stored())
      await store(ledger, stored({ storedAtMs: 7, text: '{"data":1}' }))
      assert.equal(await sinceMs(), 5)
      assert.equal((await changesOf(ledger))[0]?.schedule?.text, '{"data":1}')
      await store(ledger, stored({ storedAtMs: 8, words: 'every 2m' }))
      assert.equal(await sinceMs(), 8)
      await remove(ledger)
      await store(ledger, stored({ storedAtMs: 9, words: 'every 2m' }))
      assert.equal(await sinceMs(), 9)
    },
  },
  {
    name: 'what is stored is left alone where it is not to be replaced; what was removed is not',
    async run({ openLedger }) {
      const ledger = await openLedger()
      assert.equal(await store(ledger, stored(), 'error'), 'stored')
      const before = await changesOf(ledger)
      for (const onConflict of ['keep', 'error'] as const) {
        assert.equal(await store(ledger, stored({ handler: 'other' }), onConflict), 'exists')
      }
      assert.deepEqual(await changesOf(ledger), before)
      await remove(ledger)
      assert.equal(await store(ledger, stored({ handler: 'other' }), 'keep'), 'stored')
      assert.equal((await changesOf(ledger))[0]?.schedule?.handler, 'other')
    },
  },
  {
    name: 'a removed job is forgotten once it is followed, and no revision is used again',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await store(ledger, stored({ jobId: 'a' }))
      await store(ledger, stored({ jobId: 'b' }))
      await remove(ledger, 'b')
      const followed = await lastRevision(ledger)
      await prune(ledger, token, { followedRevision: followed - 1 })
      assert.deepEqual(await namesOf(ledger), ['a', 'b removed'])
      await prune(ledger, token, { followedRevision: followed })
      assert.deepEqual(await namesOf(ledger), ['a'])
      await store(ledger, stored({ jobId: 'c' }))
      assert.deepEqual(await namesOf(ledger, followed), ['c'])
    },
  },
  {
    name: 'a stored job may have any name, and texts as long as they may be',
    async run({ openLedger }) {
      const ledger = await openLedger()
      const names = [`it's "a" \\; --`, '%_*', '调度', '🔒', 'x'.repeat(255), '$1', '__proto__']
      const text = JSON.stringify({ data: '\0\u{1F512}'.repeat(100) })
      const long = '"'.padEnd(storedTextLengthMax - 1, '\u00E4') + '"'
      for (const name of names) {
        await store(ledger, stored({ jobId: name, handler: name, words: name, text }))
      }
      await store(ledger, stored({ jobId: 'long', text: long }))
      const read = (await changesOf(ledger)).map(({ schedule }) => schedule)
      assert.deepEqual(
        read.map((schedule) => [schedule?.jobId, schedule?.handler, schedule?.words]),
        [...names.map((name) => [name, name, name]), ['long', 'report', 'every 1m']],
      )
      assert.deepEqual(
        read.map((schedule) => schedule?.text),
        [...names.map(() => text), long],
      )
    },
  },
  {
    name: 'stored jobs outlive a restart of the store',
    async run({ openLedger, restart }) {
      await store(await openLedger(), stored())
      await restart()
      assert.deepEqual(await namesOf(await openLedger()), [jobId])
    },
  },
  {
    name: '10 clients store jobs at once: whoever follows misses none',
    async run({ openLedger }) {
      const reader = await openLedger()
      const clients = await Promise.all(Array.from({ length: 10 }, openLedger))
      const seen = new Set<string>()
      let revision = 0
      const busy = new Set(clients)
      const follow = async (): Promise<void> => {
        for (const change of await changesOf(reader, revision)) {
          assert.ok(change.revision > revision)
          revision = change.revision
          seen.add(change.jobId)
        }
      }
      const storeAll = async (client: LedgerStore, index: number): Promise<void> => {
        for (let i = 0; i < 8; i++) await store(client, stored({ jobId: `${index}/${i}` }))
        busy.delete(client)
      }
      const all = Promise.all(clients.map(storeAll))
      while (busy.size > 0) await follow()
      await all
      await follow()
      assert.equal(seen.size, 80)
    },
  },
]
