import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { threeSeconds, withCluster, type Instance } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'
import { nowMs, until } from '../support/until.ts'
import { missing, pathOf } from '../support/programs.ts'

const hour = 3_600

onEachStore((on) => {
  describe('the wall clock of one process set an hour forward and back', { concurrency: 2 }, () => {
    for (const moved of ['leader', 'candidate'] as const) {
      test(`${moved}: no second leader, and no loss`, { skip: missing('libfaketime') }, () =>
        withCluster({ ...threeSeconds, on, tick: 100 }, async (cluster) => {
          const setting = join(cluster.folder, 'faketime')
          writeFileSync(setting, '+0')
          const env = {
            LD_PRELOAD: pathOf('libfaketime'),
            FAKETIME_TIMESTAMP_FILE: setting,
            FAKETIME_NO_CACHE: '1',
            // Without this, libfaketime moves the monotonic clock as well.
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
          }
          const leader = await cluster.add({}, moved === 'leader' ? { env } : {})
          await leader.next('acquired')
          const candidate = await cluster.add({}, moved === 'candidate' ? { env } : {})
          const movedInstance = moved === 'leader' ? leader : candidate

          for (const offset of [hour, -hour, 0]) {
            writeFileSync(setting, `${offset >= 0 ? '+' : ''}${offset}`)
            await seesWallClock(movedInstance, offset)
            const sinceMs = nowMs()
            const runs = leader.said('ran').length
            await until('more than a ttl passes', () => nowMs() - sinceMs > threeSeconds.ttl + 500)
            assert.ok(leader.said('ran').length > runs, 'and jobs with an interval go on')
          }
          leader.send({ do: 'look' })
          assert.equal((await leader.next('looked')).isLeader, true)
          assert.deepEqual(leader.said('lost'), [])
          assert.deepEqual(candidate.said('acquired'), [])
          assert.equal((await cluster.read()).token, 1)
        }),
      )
    }
  })
})

/** The times that the instance's own log lines carry show that its clock has been moved. */
async function seesWallClock(instance: Instance, offset: number): Promise<void> {
  instance.send({ do: 'wall clock' })
  const after = instance.said('wall clock').length
  const { wallMs } = await instance.next('wall clock', { after })
  assert.ok(Math.abs(wallMs - Date.now() - offset * 1_000) < 60_000, `${wallMs - Date.now()}`)
}
