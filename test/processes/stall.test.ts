// Blocked for too long; the campaigns have what else there is to be said of it.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { threeSeconds, withCluster } from '../support/cluster.ts'
import { onEachStore } from '../support/test-store.ts'
import { nowMs, until } from '../support/until.ts'

const stallLimit = 3_000

onEachStore((on) => {
  const options = { ...threeSeconds, stallLimit, on }

  describe('hung is not alive', () => {
    test('a leader blocked past stallLimit is replaced, and knows it in the first statement after', () =>
      withCluster(options, async (cluster) => {
        const [leader, candidate] = await cluster.start(2)
        assert.ok(leader && candidate)
        const blockedAtMs = nowMs()
        const awake = join(cluster.folder, 'awake')
        leader.send({ do: 'block until', path: awake })
        const acquired = await candidate.next('acquired')
        assert.equal(acquired.token, 2)
        assert.ok(acquired.atMs - blockedAtMs > stallLimit, 'and not before')
        writeFileSync(awake, '')

        const seen = await leader.next('looked')
        assert.equal(seen.isLeader, false, 'the first statement after the block')
        assert.equal(seen.isTrusted, false)
        const aborted = await leader.next('aborted')
        assert.ok(aborted.turns <= 1, `the signal fired after ${aborted.turns} turns of the loop`)
        assert.equal((await leader.next('lost')).reason, 'stalled')
        const stalled = await leader.nextLine('main_thread_stalled')
        assert.equal(stalled.level, 'error')
        await leader.nextLine('main_thread_revived')

        const term = await until('the reason stands in the history', async () => {
          const { terms } = await cluster.read()
          return terms.find(({ token, reason }) => token === 1 && reason === 'stalled')
        })
        assert.equal(term.label, 'A')
      }))
  })
})
