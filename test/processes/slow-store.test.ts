import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { describe, test } from 'node:test'
import { DatabaseSync } from 'node:sqlite'

import { withCluster, type Instance } from '../support/cluster.ts'
import { nowMs, until } from '../support/until.ts'

/** Holds the write lock of the lease's file, as another process may. */
function holdWriteLock(path: string): () => void {
  const database = new DatabaseSync(path, { timeout: 5_000 })
  database.exec('BEGIN IMMEDIATE')
  return () => database.close()
}

/** How many files of the store a process has open. */
function openHandles(instance: Instance, path: string): number {
  const folder = `/proc/${instance.pid}/fd`
  const links = readdirSync(folder).map((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`)
    } catch {
      return ''
    }
  })
  return links.filter((link) => link.startsWith(path) && !link.endsWith('-wake')).length
}

/** A connection and its guard in WAL mode: the database and its log twice, and their one index. */
const handlesOfOneConnection = 5

describe('a slow store', { concurrency: 3 }, () => {
  test("another process holds SQLite's write lock for 3 s: no loss, and jobs without the ledger start on time", (t) =>
    withCluster({ ttl: 12_000, tick: 100 }, async (cluster) => {
      const [leader, candidate] = await cluster.start(2)
      assert.ok(leader && candidate)
      await leader.nextLine('scheduler_lock_heartbeat_updated')
      const runsBefore = leader.said('ran').length
      const unlock = holdWriteLock(cluster.path)
      const lockedAtMs = nowMs()
      await until('3 s have passed', () => nowMs() - lockedAtMs > 3_000)
      // A heartbeat that is due at the end of its interval is cancelled a second later.
      const timeout = await leader.nextLine('scheduler_lock_heartbeat_timeout')
      const runs = leader.said('ran').slice(runsBefore)
      unlock()

      assert.equal(timeout.level, 'error')
      assert.equal(timeout.fields['timeoutSeconds'], 1)
      assert.match(String(timeout.fields['message']), /cancelled at its timeout/)
      // The same heartbeat is tried again, under the same correlation id.
      const retried = await until('the same heartbeat succeeds', () =>
        leader
          .lines('scheduler_lock_heartbeat_updated')
          .find((line) => line.fields['correlationId'] === timeout.fields['correlationId']),
      )
      assert.equal(retried.fields['token'], 1)
      const next = await leader.nextLine('scheduler_lock_heartbeat_updated', {
        after: leader.lines('scheduler_lock_heartbeat_updated').length,
      })
      assert.notEqual(next.fields['correlationId'], timeout.fields['correlationId'])

      assert.deepEqual(leader.said('lost'), [])
      assert.deepEqual(candidate.said('acquired'), [])
      // 30 ticks were due; a scheduler that waits for its store would have run none.
      assert.ok(runs.length > 0, 'ticks were run')
      const latest = Math.max(...runs.map(({ lateMs }) => lateMs))
      t.diagnostic(`${runs.length} runs while the store was locked, late by ${latest} ms at most`)
    }))

  test('a store that is locked for ever ends the term before its hard fence, and is found again', () =>
    withCluster({ tick: 100 }, async (cluster) => {
      const [leader] = await cluster.start(1)
      assert.ok(leader)
      await leader.nextLine('scheduler_lock_heartbeat_updated')
      const unlock = holdWriteLock(cluster.path)
      assert.equal((await leader.next('lost')).reason, 'store-unreachable')
      const lostAtMs = nowMs()
      const ran = leader.said('ran').length
      await leader.nextLine('lease_acquire_failed', { after: 1 })
      assert.equal(leader.said('ran').length, ran, 'nothing runs without a term')
      assert.equal(leader.hasExited, false)
      unlock()
      const again = await leader.next('acquired', { after: 1 })
      assert.equal(again.token, 2)
      const { terms } = await cluster.read()
      assert.equal(terms.find(({ token }) => token === 1)?.reason, 'store-unreachable')

      // It was tried at intervals that grow, and never in a spin.
      const seconds = (nowMs() - lostAtMs) / 1_000
      assert.ok(leader.lines('lease_acquire_failed').length <= 2 + seconds)
    }))

  test('each heartbeat closes its unit of work: after success, refusal, timeout and error', () =>
    withCluster({}, async (cluster) => {
      const [leader] = await cluster.start(1)
      assert.ok(leader)
      const handles = (): number => openHandles(leader, cluster.path)

      await leader.nextLine('scheduler_lock_heartbeat_updated')
      assert.equal(handles(), handlesOfOneConnection, 'after a success')

      const unlock = holdWriteLock(cluster.path)
      await leader.nextLine('scheduler_lock_heartbeat_timeout')
      assert.ok(handles() <= handlesOfOneConnection, 'after a timeout')
      unlock()
      await leader.nextLine('scheduler_lock_heartbeat_updated', {
        after: leader.lines('scheduler_lock_heartbeat_updated').length,
      })
      assert.equal(handles(), handlesOfOneConnection)

      const operator = new DatabaseSync(cluster.path, { timeout: 5_000 })
      operator.exec('DELETE FROM tenure_lease')
      const refused = await leader.nextLine('scheduler_lock_heartbeat_failed')
      assert.equal(refused.level, 'warn')
      assert.equal(refused.fields['reason'], 'stolen')
      assert.equal((await leader.next('lost')).reason, 'stolen')
      await leader.next('acquired', { after: 1 })
      assert.equal(handles(), handlesOfOneConnection, 'after a refusal')

      operator.exec('ALTER TABLE tenure_lease RENAME TO elsewhere')
      const failed = await leader.nextLine('scheduler_lock_heartbeat_error')
      assert.equal(failed.level, 'error')
      assert.match(String(failed.fields['message']), /no such table/)
      assert.ok(handles() <= handlesOfOneConnection, 'after an error')
      operator.exec('ALTER TABLE elsewhere RENAME TO tenure_lease')
      operator.close()
      await leader.nextLine('scheduler_lock_heartbeat_updated', {
        after: leader.lines('scheduler_lock_heartbeat_updated').length,
      })
      assert.equal(handles(), handlesOfOneConnection)
      assert.equal(leader.said('lost').length, 1, 'one failed attempt ends nothing')
    }))

  test('a heartbeat fired by hand carries the correlation id of who fires it', () =>
    withCluster({}, async (cluster) => {
      const [leader] = await cluster.start(1)
      assert.ok(leader)
      leader.send({ do: 'beat', correlationId: 'request-7' })
      const ids = (): unknown[] =>
        leader
          .lines('scheduler_lock_heartbeat_updated')
          .map(({ fields }) => fields['correlationId'])
      await until('it is renewed by hand', () => ids().includes('request-7'))
      await until('it is renewed by itself', () => ids().at(-1) !== 'request-7')
      assert.match(String(ids().at(-1)), /^[0-9a-f-]{36}$/)
    }))
})
