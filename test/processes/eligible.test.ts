// Which instance may lead, shown on real processes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { withCluster, type InstanceOptions } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'

const jobsOf = (every: string): Pick<InstanceOptions, 'jobs'> => ({
  jobs: [{ id: 'purge', schedule: { every: every as '1h' }, lastsMs: 0, options: {} }],
})

onEachStore((on) => {
  describe(`which instance may lead, on ${on}`, () => {
    test('one that is not eligible never leads, also when the leader is killed', () =>
      withCluster({ on }, async (cluster) => {
        const [leader] = await cluster.start(1)
        assert.ok(leader)
        const observer = await cluster.add({ eligible: false })
        leader.signal('SIGKILL')
        await leader.exited
        await until('the lease is free', async () => {
          const { record } = await cluster.read()
          return record === undefined || record.remainingMs === 0
        })
        const next = await cluster.add()
        const { token } = await next.next('acquired')
        assert.equal(token, 2, 'nobody led in between')
        assert.deepEqual(observer.said('acquired'), [])
        assert.deepEqual(observer.lines('lease_held'), [], 'it does not even ask')
        assert.equal(observer.hasExited, false)
      }))

    test('a candidate with other jobs than the leader says so once, one with the same does not', () =>
      withCluster({ on }, async (cluster) => {
        const leader = await cluster.add(jobsOf('1h'))
        await leader.next('acquired')
        const same = await cluster.add(jobsOf('1h'))
        const other = await cluster.add(jobsOf('2h'))
        const { fields, level } = await other.nextLine('jobs_differ')
        assert.equal(level, 'warn')
        const { record } = await cluster.read()
        assert.equal(fields['leaderJobsHash'], record?.jobsHash)
        assert.equal(fields['holder'], record?.holder)
        assert.notEqual(fields['jobsHash'], fields['leaderJobsHash'])
        assert.equal(other.lines('jobs_differ').length, 1)
        assert.deepEqual([...same.lines('jobs_differ'), ...leader.lines('jobs_differ')], [])
      }))
  })
})
