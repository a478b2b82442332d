// Deliberately broken stores: for each there is a case of the kit that must catch it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { createSystemClock } from '../../src/clock.ts'
import type { LeaseStore } from '../../src/index.ts'
import { LeaseTable } from '../../src/store/memory/lease-table.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import { leaseStoreCases } from '../../src/testing/lease-store-kit.ts'

interface Broken {
  readonly what: string
  /** The cases that have to fail. */
  readonly caughtBy: readonly string[]
  /** Breaks the table of a fresh memory. */
  readonly breakTable: (table: LeaseTable) => void
}

/** The holder and the token as the record has them, whatever the caller says. */
function asRecorded(table: LeaseTable, lease: string): { holder: string; token: number } {
  const { record } = table.read(lease)
  return { holder: record?.holder ?? '', token: record?.token ?? 0 }
}

const brokenStores: readonly Broken[] = [
  {
    what: 'renews by name only',
    caughtBy: ['a renewal with an old token is refused'],
    breakTable(table) {
      const renew = table.renew.bind(table)
      table.renew = (request) =>
        renew({ ...request, token: asRecorded(table, request.lease).token })
    },
  },
  {
    what: 'renews by token only',
    caughtBy: ["a renewal with the right token and another's name is refused"],
    breakTable(table) {
      const renew = table.renew.bind(table)
      table.renew = (request) =>
        renew({ ...request, holder: asRecorded(table, request.lease).holder })
    },
  },
  {
    what: 'forgets to change the holder at a takeover',
    caughtBy: [
      'after a takeover the old holder can neither renew nor release',
      'a late release of an older term does nothing',
    ],
    breakTable(table) {
      const first = new Map<string, string>()
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        const reply = acquire(request)
        if (reply.kind === 'acquired' && !first.has(request.lease))
          first.set(request.lease, request.holder)
        return reply
      }
      const rename = <Request extends { lease: string; holder: string; token: number }>(
        request: Request,
      ): Request =>
        request.holder === first.get(request.lease)
          ? { ...request, ...asRecorded(table, request.lease) }
          : request
      const renew = table.renew.bind(table)
      table.renew = (request) => renew(rename(request))
      const release = table.release.bind(table)
      table.release = (request) => release(rename(request))
    },
  },
  {
    what: 'deletes the counter with the record',
    caughtBy: ['release, then acquire: the token still rises'],
    breakTable(table) {
      let taken = 0
      let base = 0
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        const reply = acquire(request)
        if (reply.kind !== 'acquired') return reply
        taken = reply.token
        return { ...reply, token: reply.token - base }
      }
      const release = table.release.bind(table)
      table.release = (request) => {
        const reply = release({ ...request, token: request.token + base })
        if (reply.kind === 'released') base = taken
        return reply
      }
    },
  },
  {
    what: 'gives the retry of an acquisition a new token',
    caughtBy: ['a retry by the same holder yields the same token, a new acquisition a higher one'],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        if (asRecorded(table, request.lease).holder === request.holder) table.expire(request.lease)
        return acquire({ ...request, holder: `${request.holder}:${Math.random()}` })
      }
    },
  },
  {
    what: 'renews a lease that has expired',
    caughtBy: ['a renewal after expiry is refused even if nobody took over'],
    breakTable(table) {
      const renew = table.renew.bind(table)
      table.renew = (request) => {
        const reply = renew(request)
        if (reply.kind !== 'refused' || reply.cause !== 'expired') return reply
        return { kind: 'renewed', resignRequest: undefined }
      }
    },
  },
  {
    what: 'hands the lease over while it is held',
    caughtBy: [
      'a second holder is refused, and told by whom and for how long',
      '20 concurrent acquisitions have one winner',
    ],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        table.expire(request.lease)
        return acquire(request)
      }
    },
  },
  {
    what: 'believes an observation of a record that has changed since',
    caughtBy: ['a record that was watched, unchanged, is handed over, and a changed one is not'],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        if (request.observed) table.expire(request.lease)
        return acquire(request)
      }
    },
  },
  {
    what: 'keeps a wish to resign for the next leader',
    caughtBy: ['a resign request reaches the leader, bound to its token'],
    breakTable(table) {
      const ask = table.requestResign.bind(table)
      table.requestResign = (lease, request) =>
        ask(lease, { ...request, token: asRecorded(table, lease).token })
    },
  },
  {
    what: 'takes all names for one',
    caughtBy: ['two names are independent'],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => acquire({ ...request, lease: 'scheduler' })
    },
  },
  {
    what: 'shortens a lease that it has acknowledged',
    caughtBy: ['what was acknowledged is kept: no renewal and no retry brings the expiry forward'],
    breakTable(table) {
      const renew = table.renew.bind(table)
      table.renew = (request) => {
        const reply = renew(request)
        const { record } = table.read(request.lease)
        if (request.ttlMs < (record?.remainingMs ?? 0) / 2) table.expire(request.lease)
        return reply
      }
    },
  },
  {
    what: "keeps the hash over its holder's jobs from the acquisition",
    caughtBy: [
      "the record tells the hash over its holder's jobs as that said it last, or none at all",
    ],
    breakTable(table) {
      const renew = table.renew.bind(table)
      table.renew = (request) =>
        renew({ ...request, jobsHash: table.read(request.lease).record?.jobsHash })
    },
  },
  {
    what: 'tells the hash over the jobs of whoever asks',
    caughtBy: [
      "the record tells the hash over its holder's jobs as that said it last, or none at all",
    ],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        const reply = acquire(request)
        if (reply.kind !== 'held') return reply
        return { kind: 'held', record: { ...reply.record, jobsHash: request.jobsHash } }
      }
    },
  },
  {
    what: 'forgets its tokens with the counter',
    caughtBy: [
      "a counter that was lost is restored from the record's token, or from the history's",
    ],
    breakTable(table) {
      // What the counter says, and nothing else.
      let counter = 0
      const setCounter = table.setCounter.bind(table)
      table.setCounter = (lease, token) => {
        counter = token ?? 0
        setCounter(lease, token)
      }
      table.tokenOf = () => counter
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        const reply = acquire(request)
        if (reply.kind === 'acquired') counter = reply.token
        return reply
      }
    },
  },
  {
    what: 'does not heed the token that its caller knows',
    caughtBy: [
      'what is granted is above the token that the caller knows, and so is all that follows',
    ],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = ({ knownToken: _, ...request }) => acquire(request)
    },
  },
  {
    what: 'raises its counter for whoever is refused',
    caughtBy: ['whoever is refused raises nothing, whatever it knows'],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        if (request.knownToken !== undefined) table.setCounter(request.lease, request.knownToken)
        return acquire(request)
      }
    },
  },
  {
    what: 'grants a late copy of an acquisition whose term has ended',
    caughtBy: ['a holder whose term has ended is granted no other one'],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        const reply = acquire(request)
        if (reply.kind !== 'over') return reply
        return acquire({ ...request, holder: `${request.holder} again` })
      }
    },
  },
  {
    what: 'grants an acquisition that comes after its time',
    caughtBy: ['an acquisition that comes after its time is not granted, nor is its retry'],
    breakTable(table) {
      const acquire = table.acquire.bind(table)
      table.acquire = ({ grantWithinMs: _, ...request }) => acquire(request)
    },
  },
  {
    what: 'lowers its counter when it is told to raise it',
    caughtBy: [
      'a counter that is raised by hand supersedes nobody but counts for the next, and is only raised',
    ],
    breakTable(table) {
      const raise = table.raiseToken.bind(table)
      table.raiseToken = (lease, token) => {
        raise(lease, token)
        return { kind: 'raised', token }
      }
    },
  },
  {
    what: 'keeps from the acquisition when its holder renews',
    caughtBy: ['the record tells within what time its holder renews again, as that said it last'],
    breakTable(table) {
      const renew = table.renew.bind(table)
      table.renew = (request) => {
        const { renewsWithinMs } = table.read(request.lease).record ?? {}
        return renew({ ...request, renewsWithinMs })
      }
    },
  },
  {
    what: 'does not extend the lease when it is renewed',
    caughtBy: ["a renewal extends by the store's clock"],
    breakTable(table) {
      table.renew = () => ({ kind: 'renewed', resignRequest: undefined })
    },
  },
]

async function runCase(name: string, breakTable: (table: LeaseTable) => void): Promise<void> {
  const testCase = leaseStoreCases.find((candidate) => candidate.name === name)
  assert.ok(testCase, `the kit has no case "${name}"`)
  const memory = new Memory(createSystemClock())
  breakTable(memory.table)
  const open = async (): Promise<LeaseStore> => new MemoryLeaseStore(memory)
  const nothing = async (): Promise<never> => assert.fail('not needed')
  await testCase.run({
    open,
    expire: async (lease) => memory.table.expire(lease),
    deleteRecord: async (lease) => memory.table.deleteRecord(lease),
    setCounter: async (lease, token) => memory.table.setCounter(lease, token),
    deleteHistory: async (lease) => memory.table.deleteHistory(lease),
    restart: nothing,
    block: nothing,
    dropConnections: nothing,
    openWithWallClock: nothing,
    countHandles: nothing,
    close: async () => {},
  })
}

describe('a store that', () => {
  for (const { what, caughtBy, breakTable } of brokenStores) {
    for (const name of caughtBy) {
      test(`${what} is caught by "${name}"`, async () => {
        await runCase(name, () => {})
        await assert.rejects(runCase(name, breakTable), { code: 'ERR_ASSERTION' })
      })
    }
  }
})
