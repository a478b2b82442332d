import assert from 'node:assert/strict'

import { ledgerBatchMax } from '../../../store/ledger-store.ts'
import type { LedgerCase } from '../harness.ts'
import { lead, patience, rejectionOf } from '../steps.ts'
import { begin, claim, claimKinds, job, lease, readHistory, readJob, takeOver } from './steps.ts'

/** Restarts, lost connections, aborted calls. */
export const ledgerFaults: readonly LedgerCase[] = [
  {
    name: 'whoever looks into a ledger where nothing is finds nothing',
    async run({ openLedger }) {
      const ledger = await openLedger()
      const jobs = await ledger.readJobs({ lease, afterJobId: undefined, limit: 10 }, patience())
      assert.deepEqual(jobs, [])
      assert.deepEqual(await readHistory(ledger), { runs: [], skips: [] })
      const reply = await ledger.tryAbandon({ lease, token: 1, atMs: 1 }, patience())
      assert.deepEqual(reply, { kind: 'superseded', token: 0 })
      const paused = { lease, jobIds: ['a'], paused: true, registers: false, nowMs: 1 }
      assert.deepEqual(await ledger.trySetPaused(paused, patience()), [])
    },
  },
  {
    name: 'the creation of a ledger is raced by 10 clients',
    async run({ open, openLedger }) {
      const token = await lead(await open(), 'a', { lease })
      const ledgers = await Promise.all(Array.from({ length: 10 }, openLedger))
      const replies = await Promise.all(
        ledgers.map((ledger, i) =>
          ledger.tryRegister({ lease, token, jobs: [job({ jobId: `job ${i}` })] }, patience()),
        ),
      )
      assert.ok(replies.every(({ kind }) => kind === 'answered'))
      const first = ledgers[0] ?? assert.fail('there are ten')
      const jobs = await first.readJobs({ lease, afterJobId: undefined, limit: 20 }, patience())
      assert.equal(jobs.length, 10)
    },
  },
  {
    name: 'an aborted claim is done as a whole or not at all, and can be repeated',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const unblock = await harness.block()
      const controller = new AbortController()
      const reason = new Error('enough')
      const claims = Array.from({ length: ledgerBatchMax }, (_, i) => claim(i + 1))
      const call = ledger.tryClaim({ lease, token, claims }, controller.signal)
      const rejection = rejectionOf(call)
      controller.abort(reason)
      assert.equal(await rejection, reason)
      await unblock()
      const { runs } = await readJob(ledger)
      assert.ok(runs === 0 || runs === ledgerBatchMax, `${runs} of a batch were claimed`)
      const kinds = await claimKinds(ledger, token, ...claims)
      assert.deepEqual(
        kinds,
        claims.map(() => 'claimed'),
      )
      assert.equal((await readJob(ledger)).runs, ledgerBatchMax)
    },
  },
  {
    name: 'a call with a signal that is aborted already writes nothing',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const reason = new Error('too late')
      const call = ledger.tryClaim({ lease, token, claims: [claim(10)] }, AbortSignal.abort(reason))
      assert.equal(await rejectionOf(call), reason)
      assert.deepEqual((await readHistory(ledger)).runs, [])
    },
  },
  {
    name: 'a claim whose connection is dropped rejects, and its repetition finds out',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const unblock = await harness.block()
      const rejection = rejectionOf(claimKinds(ledger, token, claim(10)))
      await harness.dropConnections()
      assert.ok(await rejection)
      await unblock()
      assert.deepEqual(await claimKinds(ledger, token, claim(10)), ['claimed'])
      assert.equal((await readJob(ledger)).runs, 1)
    },
  },
  {
    name: 'the ledger survives a restart of the store',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10))
      await ledger.close()
      await harness.restart()
      const after = await harness.openLedger()
      const again = [claim(10, { runId: 'another' }), claim(10, { attempt: 2 })]
      assert.deepEqual(await claimKinds(after, token, ...again), ['taken', 'claimed'])
      assert.deepEqual((await readJob(after)).cursorMs, 10)
    },
  },
  {
    name: 'a call of a ledger closes what it opened, whatever came of it',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      const counts: number[] = []
      for (let round = 1; round <= 4; round++) {
        await claimKinds(ledger, token, claim(round))
        await claimKinds(ledger, token + 1, claim(round))
        const unblock = await harness.block()
        const controller = new AbortController()
        const request = { lease, token, claims: [claim(round)] }
        const rejection = rejectionOf(ledger.tryClaim(request, controller.signal))
        controller.abort(new Error('timeout'))
        await rejection
        await unblock()
        await readJob(ledger)
        counts.push(await harness.countHandles())
      }
      assert.deepEqual(new Set(counts), new Set(counts.slice(0, 1)), 'they must not add up')
      await ledger.close()
      await harness.close()
      assert.equal(await harness.countHandles(), 0)
    },
  },
  {
    name: 'a ledger is closed as often as anybody likes, and later calls reject',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await ledger.close()
      await ledger.close()
      const errors = [
        await rejectionOf(claimKinds(ledger, token, claim(10))),
        await rejectionOf(readHistory(ledger)),
      ]
      for (const error of errors) {
        assert.equal((error as { code?: unknown }).code, 'TENURE_ERR_STORE_CLOSED')
      }
    },
  },
  {
    name: 'an operator who deletes the lease deletes neither the ledger nor its guard',
    async run(harness) {
      const { ledger, token } = await begin(harness)
      await claimKinds(ledger, token, claim(10))
      await harness.deleteRecord(lease)
      assert.deepEqual(await claimKinds(ledger, token, claim(20)), ['claimed'])
      const next = await lead(await harness.open(), 'b', { lease })
      assert.equal(await claimKinds(ledger, token, claim(30)), 'superseded')
      assert.deepEqual(await claimKinds(ledger, next, claim(30)), ['claimed'])
      assert.equal(await takeOver(harness), next + 1)
    },
  },
]
