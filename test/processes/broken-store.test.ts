import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'

import { withCluster, type Cluster, type Instance } from '../support/cluster.ts'
import { nowMs, until } from '../support/until.ts'

/** The instance logs why it cannot acquire, goes on trying at growing intervals, and lives. */
async function failsClearly(instance: Instance, message: RegExp): Promise<void> {
  const startedAtMs = nowMs()
  const line = await instance.nextLine('lease_acquire_failed')
  assert.equal(line.fields['error'], 'TENURE_ERR_STORE_UNUSABLE')
  assert.match(String(line.fields['message']), message)
  await instance.nextLine('lease_acquire_failed', { after: 3 })
  const delays = instance
    .lines('lease_acquire_failed')
    .map(({ fields }) => Number(fields['retryMs']))
  const seconds = (nowMs() - startedAtMs) / 1_000
  assert.ok((delays[3] ?? 0) > 2 * (delays[0] ?? 0), `delays of ${delays.join(', ')} ms`)
  assert.ok(delays.length <= 5 + seconds, 'it does not spin')
  assert.equal(instance.hasExited, false)
}

/** Adds an instance whose store is a path of the test's choice. */
function addOn(cluster: Cluster, path: string, unprivileged = false): Promise<Instance> {
  return cluster.add({ store: `sqlite:${path}` }, { unprivileged })
}

describe(
  'a store that cannot be used is named, and never ends the application',
  { concurrency: 4 },
  () => {
    test('a file that is no database', () =>
      withCluster({}, async (cluster) => {
        const path = join(cluster.folder, 'notes.txt')
        writeFileSync(path, 'This is a text of more than a hundred bytes. '.repeat(10))
        const instance = await addOn(cluster, path)
        await failsClearly(instance, /file is not a database.*something else than a database/)
        assert.match(String(statSync(path).size), /^450$/, 'and the file is not touched')
      }))

    test('a folder that does not exist', () =>
      withCluster({}, async (cluster) => {
        const instance = await addOn(cluster, join(cluster.folder, 'missing', 'tenure.db'))
        await failsClearly(instance, /unable to open database file.*folder does not exist/)
      }))

    test('a folder without permission', () =>
      withCluster({}, async (cluster) => {
        const folder = join(cluster.folder, 'closed')
        mkdirSync(folder)
        chmodSync(folder, 0o000)
        const instance = await addOn(cluster, join(folder, 'tenure.db'), true)
        await failsClearly(instance, /unable to open database file.*may not access it/)
        // When somebody mends it, the instance leads without a restart.
        chmodSync(folder, 0o700)
        await instance.next('acquired')
      }))

    test('a read-only file', () =>
      withCluster({}, async (cluster) => {
        const folder = join(cluster.folder, 'read-only')
        mkdirSync(folder)
        const path = join(folder, 'tenure.db')
        const database = new DatabaseSync(path)
        database.exec('PRAGMA journal_mode = WAL; CREATE TABLE other (x)')
        database.close()
        chmodSync(path, 0o444)
        chmodSync(folder, 0o555)
        const instance = await addOn(cluster, path, true)
        await failsClearly(instance, /read-?only|unable to open/)
        chmodSync(folder, 0o755)
      }))

    test('a file that is locked for ever', () =>
      withCluster({}, async (cluster) => {
        const path = join(cluster.folder, 'locked.db')
        const database = new DatabaseSync(path)
        database.exec('CREATE TABLE other (x); BEGIN EXCLUSIVE')
        const instance = await addOn(cluster, path)
        const line = await instance.nextLine('lease_acquire_failed')
        assert.equal(line.fields['error'], 'TENURE_ERR_ATTEMPT_TIMEOUT')
        await instance.nextLine('lease_acquire_failed', { after: 2 })
        database.close()
        await instance.next('acquired')
      }))

    test('a full disk: the failing heartbeat is logged, and works again when there is room', (t) =>
      withCluster({}, async (cluster) => {
        const folder = join(cluster.folder, 'small')
        mkdirSync(folder)
        try {
          execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', folder], {
            stdio: 'pipe',
          })
        } catch (error) {
          if (process.env['CI'] === 'true') throw error
          return t.skip('mounting a small file system needs root')
        }
        try {
          const instance = await addOn(cluster, join(folder, 'tenure.db'))
          await instance.next('acquired')
          const filler = join(folder, 'filler')
          fill(filler)
          const line = await instance.nextLine('scheduler_lock_heartbeat_error')
          assert.equal(line.fields['error'], 'TENURE_ERR_STORE_UNUSABLE')
          assert.match(String(line.fields['message']), /disk/)
          rmSync(filler)
          await instance.nextLine('scheduler_lock_heartbeat_updated', {
            after: instance.lines('scheduler_lock_heartbeat_updated').length,
          })
          assert.equal(instance.hasExited, false)
          await instance.end()
        } finally {
          execFileSync('umount', ['-l', folder])
        }
      }))

    test('a file that is replaced while in use is noticed at the next heartbeat', () =>
      withCluster({}, async (cluster) => {
        const [leader] = await cluster.start(1)
        assert.ok(leader)
        for (const suffix of ['', '-wal', '-shm'])
          rmSync(`${cluster.path}${suffix}`, { force: true })
        const line = await leader.nextLine('scheduler_lock_heartbeat_failed')
        assert.equal(line.fields['reason'], 'stolen')
        await leader.next('acquired', { after: 1 })
      }))
  },
)

/** Writes until the disk is full. */
function fill(path: string): void {
  const file = openSync(path, 'w')
  const chunk = Buffer.alloc(1_024)
  try {
    for (;;) writeSync(file, chunk)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  } finally {
    closeSync(file)
  }
}

test('the helper that waits says what it has waited for', async () => {
  await assert.rejects(
    until('what never happens', () => false, 20),
    /waited 20 ms in vain for: what never happens/,
  )
})
