import assert from 'node:assert/strict'

import type { Cluster, Instance } from './cluster.ts'
import { until } from './until.ts'
import { isRunning } from './witness.ts'

/** With a ttl of a minute, whoever leads sooner than this does so after a release. */
export const beforeExpiryMs = 45_000
export const longSet = { ttl: 60_000, heartbeat: 5_000, attemptTimeout: 5_000 } as const

/** The candidate leads, and the history says that the witness has released. */
export async function assertReleased(
  cluster: Cluster,
  candidate: Instance,
  witness?: number,
): Promise<void> {
  if (witness !== undefined) {
    // What it has not released when it ends, nobody releases: that need not be waited for.
    await until('the witness has ended', () => !isRunning(witness))
    const { terms } = await cluster.read()
    assert.equal(terms.find((term) => term.token === 1)?.reason, 'crashed')
  }
  const { token } = await candidate.next('acquired', { withinMs: beforeExpiryMs })
  assert.equal(token, 2)
  const { terms } = await cluster.read()
  assert.equal(terms.find((term) => term.token === 1)?.reason, 'crashed')
}

/** Starts a leader and a candidate, and gives their witnesses. */
export async function startTwo(cluster: Cluster): Promise<[Instance, Instance, number]> {
  const [leader, candidate] = await cluster.start(2)
  assert.ok(leader?.witness && candidate)
  return [leader, candidate, leader.witness]
}
