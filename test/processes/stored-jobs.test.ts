// Jobs that are stored while the application runs, on real processes and stores.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { withCluster, type Instance } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

/** The ids of the jobs that an instance runs, its own ones left out. */
async function jobsOf(instance: Instance): Promise<readonly string[]> {
  const after = instance.said('jobs').length
  instance.send({ do: 'jobs' })
  return (await instance.next('jobs', { after })).ids
}

async function store(instance: Instance, id: string, every: number): Promise<void> {
  const after = instance.said('stored').length
  instance.send({ do: 'store', id, every, handler: 'note' })
  await instance.next('stored', { after })
}

onEachStore((on) => {
  describe(`jobs that are stored while the application runs, on ${on}`, () => {
    test('a candidate stores one, the leader runs it, the next leader goes on; then it is removed', () =>
      withCluster({ on, handlers: ['note'] }, async (cluster) => {
        const [leader] = await cluster.start(1)
        assert.ok(leader)
        const candidate = await cluster.add()
        const observer = await cluster.add({ eligible: false })
        await store(candidate, 'report', 500)
        await until('the leader runs it', () => leader.said('ran').length >= 2)
        assert.deepEqual(candidate.said('ran'), [])
        leader.signal('SIGKILL')
        await candidate.next('acquired')
        await until('the next leader runs it', () => candidate.said('ran').length >= 2)

        await store(observer, 'report', 3_600_000)
        await store(observer, 'second', 3_600_000)
        await until('the leader has followed', async () =>
          (await jobsOf(candidate)).includes('second'),
        )
        const before = candidate.said('ran').length
        observer.send({ do: 'unstore', id: 'report' })
        await observer.next('unstored')
        await until('the leader has followed', async () => {
          const jobs = await jobsOf(candidate)
          return jobs.length === 1 && jobs[0] === 'second'
        })
        assert.equal(candidate.said('ran').length, before)
        assert.deepEqual(observer.said('ran'), [])
        assert.deepEqual(candidate.lines('stored_job_not_run'), [])
      }))
  })
})
