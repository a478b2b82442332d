// What others may do to the files of a SQLite database while it is in use: one of each kind. All of
// them are in sqlite-files.campaign.test.ts.
import assert from 'node:assert/strict'
import { existsSync, linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'

import {
  Instance,
  threeSeconds,
  withCluster,
  type Cluster,
  type SpawnOptions,
} from '../support/cluster.ts'
import { locksOf } from '../support/locks.ts'
import { cannotMount, MountNamespace } from '../support/mount-namespace.ts'
import { harmlessDeeds, takingDeeds } from '../support/sqlite-deeds.ts'
import { endsNothing, endsTheTerm } from '../support/sqlite-scene.ts'
import { until } from '../support/until.ts'

const { removeIndex, copyInside, mountOver } = takingDeeds

describe('the files of a SQLite database', { concurrency: 2 }, () => {
  describe(
    'what takes files or locks away ends the term, with a reason',
    { concurrency: 3 },
    () => {
      for (const deed of [removeIndex, copyInside]) {
        test(deed.what, () => endsTheTerm(deed))
      }

      test(mountOver.what, { skip: cannotMount() }, () => endsTheTerm(mountOver))
    },
  )

  describe('what only reads, or takes nothing away, ends nothing', { concurrency: 3 }, () => {
    test(harmlessDeeds.backup.what, () => endsNothing(harmlessDeeds.backup))

    test('a second name that the file gets while it is in use is told', () =>
      endsNothing(harmlessDeeds.linkFiles, async (leader) => {
        const line = await leader.nextLine('store_file_linked')
        assert.match(String(line.fields['message']), /has 2 names \(hard links\)/)
      }))

    // A long ttl: the lock is held until the leader has told of it, however long that takes.
    test('one failed attempt of our own: the locks of the file stay', () =>
      withCluster({ ...threeSeconds, ttl: 30_000 }, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        const other = new DatabaseSync(cluster.path, { timeout: 5_000 })
        other.exec('BEGIN IMMEDIATE')
        await leader.nextLine('scheduler_lock_heartbeat_timeout')
        assert.deepEqual(locksOf(leader.pid, cluster.path), ['database', 'index'])
        other.close()
        const after = leader.lines('scheduler_lock_heartbeat_updated').length + 1
        await leader.nextLine('scheduler_lock_heartbeat_updated', { after })
        assert.deepEqual(leader.said('lost'), [])
        assert.deepEqual(leader.lines('store_files_changed'), [])
      }))
  })

  describe('a file with two names is refused at the start', () => {
    /** Starts an instance that ends at once, and returns what it says of it. */
    const refusalOf = async (
      cluster: Cluster,
      path: string,
      spawn: SpawnOptions = {},
    ): Promise<string> => {
      const store = `sqlite:${encodeURIComponent(path)}`
      const instance = new Instance('A', { store, ...threeSeconds }, spawn)
      cluster.instances.push(instance)
      await until('the instance ends with an error', () => instance.stderr.includes('TENURE_ERR'))
      return instance.stderr
    }

    test('a hard link', () =>
      withCluster(threeSeconds, async (cluster) => {
        writeFileSync(cluster.path, '')
        linkSync(cluster.path, join(cluster.folder, 'other.db'))
        const refusal = await refusalOf(cluster, cluster.path)
        assert.match(refusal, /got a file with 2 names \(hard links\)/)
        assert.match(refusal, /TENURE_ERR_STORE_UNUSABLE/)
        assert.equal(existsSync(`${cluster.path}-wal`), false, 'and nothing is made')
      }))

    test('a file that is mounted by itself', { skip: cannotMount() }, () =>
      withCluster(threeSeconds, async (cluster) => {
        const namespace = await MountNamespace.create()
        try {
          const path = join(cluster.folder, 'a mounted one.db')
          for (const each of [path, cluster.path]) writeFileSync(each, '')
          namespace.run('mount', '--bind', cluster.path, path)
          const { through } = namespace
          const refusal = await refusalOf(cluster, path, { through })
          assert.match(refusal, /mounted by itself.*mount the folder/s)
        } finally {
          namespace.end()
        }
      }),
    )
  })

  describe('the files themselves', () => {
    test('are for their owner only, and the rights of one that is there are left alone', () =>
      withCluster(threeSeconds, async (cluster) => {
        const rightsOf = (path: string): string[] =>
          ['', '-wal', '-shm', '-wake'].map((suffix) => {
            const stats = statSync(`${path}${suffix}`, { throwIfNoEntry: false })
            return stats === undefined ? 'missing' : (stats.mode & 0o777).toString(8)
          })
        const shared = join(cluster.folder, 'shared.db')
        writeFileSync(shared, '', { mode: 0o666 })
        const mode = (statSync(shared).mode & 0o777).toString(8)
        const own = await cluster.add()
        const others = await cluster.add({ store: `sqlite:${shared}` })
        for (const instance of [own, others]) {
          await instance.next('acquired')
          instance.send({ do: 'resign', coolDown: 60_000 })
          await instance.next('resigned')
        }
        assert.deepEqual(rightsOf(cluster.path), ['600', '600', '600', '600'])
        assert.deepEqual(rightsOf(shared), [mode, mode, mode, mode])
      }))

    test('stay where they are when instances stop, end or are killed', () =>
      withCluster(threeSeconds, async (cluster) => {
        const inodes = (): unknown[] =>
          ['', '-wal', '-shm'].map((suffix) => statSync(`${cluster.path}${suffix}`).ino)
        const [first, second, third] = await cluster.start(3)
        assert.ok(first && second && third)
        const before = inodes()
        third.send({ do: 'exit' })
        await third.exited
        second.signal('SIGKILL')
        await second.exited
        first.send({ do: 'stop' })
        await first.exited
        assert.deepEqual(inodes(), before)
        assert.equal(statSync(`${cluster.path}-wal`).size, 0, 'all is in the database')
      }))

    test('a -wal that a long reader made grow is cut when it has gone', () =>
      withCluster({ ...threeSeconds, tick: 50 }, async (cluster) => {
        const [leader] = await cluster.start(1)
        assert.ok(leader)
        const size = (): number => statSync(`${cluster.path}-wal`).size
        const reader = new DatabaseSync(cluster.path)
        reader.exec('BEGIN; SELECT * FROM tenure_lease')
        const writer = new DatabaseSync(cluster.path, { timeout: 5_000 })
        writer.exec('CREATE TABLE other (x)')
        const bytes = 12_000_000
        for (let i = 0; size() < bytes; i++) {
          writer.prepare('INSERT INTO other VALUES (?)').run('x'.repeat(1_000_000))
        }
        writer.exec('DELETE FROM other')
        reader.exec('COMMIT')
        reader.close()
        writer.close()
        await until('the -wal is cut', () => size() < bytes / 2)
      }))
  })

  describe('links that lead to one file', { concurrency: 3 }, () => {
    for (const kind of ['file', 'folder'] as const) {
      test(`a ${kind} that is linked in two releases: a resignation wakes the other at once`, () =>
        withCluster({ ttl: 60_000, heartbeat: 15_000, attemptTimeout: 5_000 }, async (cluster) => {
          const shared = join(cluster.folder, 'shared')
          mkdirSync(shared)
          const paths = ['r1', 'r2'].map((release) => {
            const folder = join(cluster.folder, release)
            if (kind === 'folder') symlinkSync(shared, folder)
            else {
              mkdirSync(folder)
              symlinkSync(join(shared, 'tenure.db'), join(folder, 'tenure.db'))
            }
            return join(folder, 'tenure.db')
          })
          const leader = await cluster.add({ store: `sqlite:${paths[0]}` })
          await leader.next('acquired')
          const candidate = await cluster.add({ store: `sqlite:${paths[1]}` })
          const held = await candidate.nextLine('lease_held')
          assert.ok(Number(held.fields['remainingMs']) > 30_000, 'it would wait for long')
          leader.send({ do: 'resign', coolDown: 120_000 })
          // Within far less than the ttl: nothing but the push wakes it.
          await candidate.next('acquired', { withinMs: 30_000 })
        }))
    }
  })
})
