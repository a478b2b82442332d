// Deliberately broken ledgers: for each there is a case of the kit that must catch it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { createSystemClock } from '../../src/clock.ts'
import type { LedgerRun } from '../../src/index.ts'
import type { LedgerTable } from '../../src/store/memory/ledger-table.ts'
import { MemoryLedgerStore } from '../../src/store/memory/memory-ledger.ts'
import { Memory, MemoryLeaseStore } from '../../src/store/memory/memory-store.ts'
import { ledgerCases } from '../../src/testing/ledger-kit.ts'

interface Broken {
  readonly what: string
  /** The cases that have to fail. */
  readonly caughtBy: readonly string[]
  /** Breaks the ledger of a fresh memory. */
  readonly breakTable: (table: LedgerTable) => void
}

const once = 'a tick is claimed once: a second run of it is told whose it is'
const repeated = 'a claim that is repeated after a lost reply is claimed, and counted once'
const asWhole = 'a lower token is refused as a whole, though its lease has not expired'
const twoTerms =
  'two terms that both believe to lead: each tick has one run, the lower one is refused'
const neverGranted = 'a token that was never granted is refused'
const atOnce = '10 clients claim the same ticks at once: each has one run'
const cursor = 'a tick at or before the cursor is taken; further attempts and runs by hand are not'
const lostLeader = 'a lost leader is found out once: its runs are told again to the same term only'
const afterAbandoned = 'the end of a run that was found abandoned is refused, by whomever it comes'
const owed = 'an attempt is owed over takeovers until it is claimed'
const skipped = 'skipped ticks are one record, move the cursor, and are skipped once'
const sameSchedule = 'the same schedule keeps all, another one begins anew, and paused stays paused'
const nextTerm = 'the next term finds the jobs as they stand, also where it registers them anew'
const byCount = 'of each job the newest runs and skips are kept, and whatever is not over'
const byAge = 'nothing is kept for longer than its age but what runs, or was just found abandoned'
const ended = 'an end is recorded once, also when it is repeated, and what stands is told'

const told = 'each change of a stored job is told after the ones before, also its removal'
const since =
  'a stored job keeps since when it is stored, unless it has another schedule or was removed'
const leftAlone =
  'what is stored is left alone where it is not to be replaced; what was removed is not'
const forgotten = 'a removed job is forgotten once it is followed, and no revision is used again'
const oneLease = 'a stored job is read as it was stored, without any term, and by its lease only'

const brokenLedgers: readonly Broken[] = [
  {
    what: 'tells of no stored job that was replaced',
    caughtBy: [told],
    breakTable({ schedules }) {
      const read = schedules.read.bind(schedules)
      const first = new Map<string, number>()
      schedules.read = (request) =>
        read({ ...request, afterRevision: 0 })
          .map((change) => {
            const { jobId, revision } = change
            if (!first.has(jobId)) first.set(jobId, revision)
            return { ...change, revision: first.get(jobId) ?? revision }
          })
          .filter(({ revision }) => revision > request.afterRevision)
    },
  },
  {
    what: 'forgets a stored job as soon as it is removed',
    caughtBy: [told, forgotten],
    breakTable({ schedules }) {
      const remove = schedules.remove.bind(schedules)
      schedules.remove = (request) => {
        const reply = remove(request)
        schedules.forget(request.lease, Infinity)
        return reply
      }
    },
  },
  {
    what: 'never forgets a stored job that was removed',
    caughtBy: [forgotten],
    breakTable({ schedules }) {
      schedules.forget = () => {}
    },
  },
  {
    what: 'takes each storing for the first one',
    caughtBy: [since],
    breakTable({ schedules }) {
      const store = schedules.store.bind(schedules)
      schedules.store = (request) => {
        if (request.onConflict === 'replace') schedules.remove({ ...request, ...request.schedule })
        return store(request)
      }
    },
  },
  {
    what: 'replaces a stored job that is to be left alone',
    caughtBy: [leftAlone],
    breakTable({ schedules }) {
      const store = schedules.store.bind(schedules)
      schedules.store = (request) => store({ ...request, onConflict: 'replace' })
    },
  },
  {
    what: 'keeps the stored jobs of all leases together',
    caughtBy: [oneLease],
    breakTable({ schedules }) {
      const read = schedules.read.bind(schedules)
      schedules.read = (request) => read({ ...request, lease: 'scheduler' })
    },
  },
  {
    what: 'does not look at the token',
    caughtBy: [asWhole, twoTerms, neverGranted],
    breakTable(table) {
      table.supersededBy = () => undefined
    },
  },
  {
    what: 'believes a token that is higher than any',
    caughtBy: [neverGranted],
    breakTable(table) {
      const supersededBy = table.supersededBy.bind(table)
      table.supersededBy = (author) => {
        const superseded = supersededBy(author)
        return superseded && superseded.token < author.token ? undefined : superseded
      }
    },
  },
  {
    what: 'refuses the claims of a lower token, but records what it says',
    caughtBy: [asWhole, afterAbandoned],
    breakTable(table) {
      const record = table.record.bind(table)
      table.record = (request) => {
        const reply = record(request)
        return reply.kind === 'superseded' ? { kind: 'answered', ends: [], skips: [] } : reply
      }
    },
  },
  {
    what: 'starts a tick once more for another run',
    caughtBy: [once, atOnce, twoTerms],
    breakTable(table) {
      const claimRun = table.claimRun.bind(table)
      table.claimRun = (author, claim) => claimRun(author, { ...claim, trigger: 'manual' })
    },
  },
  {
    what: 'takes the retry of a claim for another one',
    caughtBy: [repeated],
    breakTable(table) {
      const seen = new Set<string>()
      const claimRun = table.claimRun.bind(table)
      table.claimRun = (author, claim) => {
        const outcome = claimRun(author, claim)
        if (outcome.kind !== 'claimed' || !seen.has(claim.runId)) {
          seen.add(claim.runId)
          return outcome
        }
        return { kind: 'taken', by: claim.runId }
      }
    },
  },
  {
    what: 'starts what is pruned or skipped',
    caughtBy: [cursor, skipped, byCount],
    breakTable(table) {
      const claimRun = table.claimRun.bind(table)
      table.claimRun = (author, claim) => {
        const outcome = claimRun(author, claim)
        const isForgotten = outcome.kind === 'taken' && outcome.by === undefined
        return isForgotten ? { kind: 'claimed' } : outcome
      }
    },
  },
  {
    what: 'moves the cursor by runs by hand',
    caughtBy: [cursor],
    breakTable(table) {
      const claimRun = table.claimRun.bind(table)
      table.claimRun = (author, claim) => {
        const { jobId, tickMs, trigger } = claim
        const ticks = { jobId, tickMs, untilTickMs: tickMs, count: 1, reason: 'overlap' } as const
        if (trigger === 'manual') table.skipTicks(author, ticks)
        return claimRun(author, claim)
      }
    },
  },
  {
    what: 'claims half of a large batch',
    caughtBy: ['a batch of the largest size is answered in order, and a larger one is refused'],
    breakTable(table) {
      const claim = table.claim.bind(table)
      table.claim = (request) => claim({ ...request, claims: request.claims.slice(0, 250) })
    },
  },
  {
    what: 'tells of abandoned runs once, and not again after a lost reply',
    caughtBy: [lostLeader],
    breakTable(table) {
      const told = new Set<number>()
      const abandon = table.abandon.bind(table)
      table.abandon = (request) => {
        const reply = abandon(request)
        if (reply.kind !== 'answered' || !told.has(request.token)) {
          told.add(request.token)
          return reply
        }
        return { ...reply, abandoned: [] }
      }
    },
  },
  {
    what: 'has each term find the same runs abandoned',
    caughtBy: [lostLeader],
    breakTable(table) {
      const all: LedgerRun[] = []
      const abandon = table.abandon.bind(table)
      table.abandon = (request) => {
        const reply = abandon(request)
        if (reply.kind !== 'answered') return reply
        for (const run of reply.abandoned) {
          if (!all.some(({ runId }) => runId === run.runId)) all.push(run)
        }
        return { ...reply, abandoned: all }
      }
    },
  },
  {
    what: 'takes the runs of its own term for abandoned',
    caughtBy: [lostLeader],
    breakTable(table) {
      const abandon = table.abandon.bind(table)
      table.abandon = (request) => {
        const reply = abandon(request)
        if (reply.kind !== 'answered') return reply
        const { runs } = table.readRuns({ lease: request.lease, jobId: undefined, limit: 500 })
        const running = runs.filter(({ outcome }) => outcome === 'running')
        return { ...reply, abandoned: [...reply.abandoned, ...running] }
      }
    },
  },
  {
    what: 'has the end of an abandoned run recorded',
    caughtBy: [afterAbandoned],
    breakTable(table) {
      const endRun = table.endRun.bind(table)
      table.endRun = (author, end) => {
        const outcome = endRun(author, end)
        return outcome.kind === 'stands' ? { kind: 'recorded' } : outcome
      }
    },
  },
  {
    what: 'refuses the end that it has recorded, when it comes again',
    caughtBy: [ended],
    breakTable(table) {
      const seen = new Set<string>()
      const endRun = table.endRun.bind(table)
      table.endRun = (author, end) => {
        const outcome = endRun(author, end)
        const isAgain = outcome.kind === 'recorded' && seen.has(end.runId)
        seen.add(end.runId)
        return isAgain ? { kind: 'stands', outcome: end.outcome } : outcome
      }
    },
  },
  {
    what: 'forgets what an earlier term owed',
    caughtBy: [owed],
    breakTable(table) {
      const abandon = table.abandon.bind(table)
      table.abandon = (request) => {
        const reply = abandon(request)
        if (reply.kind !== 'answered') return reply
        const isOurs = (run: LedgerRun): boolean => run.abandonedBy === request.token
        return { ...reply, owed: reply.owed.filter(isOurs) }
      }
    },
  },
  {
    what: 'skips what was claimed',
    caughtBy: [skipped],
    breakTable(table) {
      const skipTicks = table.skipTicks.bind(table)
      table.skipTicks = (author, skip) => {
        const { kind } = skipTicks(author, skip)
        return { kind: kind === 'taken' ? 'recorded' : kind }
      }
    },
  },
  {
    what: 'begins anew at each registration',
    caughtBy: [sameSchedule, nextTerm],
    breakTable(table) {
      const registerJob = table.registerJob.bind(table)
      table.registerJob = (_row, registration) => registerJob(undefined, registration)
    },
  },
  {
    what: 'keeps the cursor of another schedule',
    caughtBy: [sameSchedule],
    breakTable(table) {
      const registerJob = table.registerJob.bind(table)
      table.registerJob = (row, registration) =>
        row === undefined
          ? registerJob(row, registration)
          : { ...row, schedule: registration.schedule }
    },
  },
  {
    what: 'prunes what runs, and what was just found abandoned',
    caughtBy: [byCount, byAge],
    breakTable(table) {
      table.isPrunable = () => true
    },
  },
]

async function runCase(name: string, breakTable: (table: LedgerTable) => void): Promise<void> {
  const testCase = ledgerCases.find((candidate) => candidate.name === name)
  assert.ok(testCase, `the kit has no case "${name}"`)
  const memory = new Memory(createSystemClock())
  breakTable(memory.ledger)
  const nothing = async (): Promise<never> => assert.fail('not needed')
  await testCase.run({
    open: async () => new MemoryLeaseStore(memory),
    openLedger: async () => new MemoryLedgerStore(memory),
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

describe('a ledger that', () => {
  for (const { what, caughtBy, breakTable } of brokenLedgers) {
    for (const name of caughtBy) {
      test(`${what} is caught by "${name}"`, async () => {
        await runCase(name, () => {})
        await assert.rejects(runCase(name, breakTable), { code: 'ERR_ASSERTION' })
      })
    }
  }
})
