import assert from 'node:assert/strict'

import { withCluster, type Cluster, type ClusterOptions, type Instance } from './cluster.ts'
import { PostgresServer, type PostgresServerOptions } from './postgres-server.ts'
import { nowMs, until } from './until.ts'

export const longSet = { ttl: 20_000, heartbeat: 5_000, attemptTimeout: 5_000 } as const

/** Gives a test a server of its own, which it may treat badly, and instances on it. */
export async function withServer(
  options: ClusterOptions & PostgresServerOptions,
  work: (cluster: Cluster, server: PostgresServer) => Promise<void>,
): Promise<void> {
  const { settings, env, ...clusterOptions } = options
  const server = await PostgresServer.start({ ...(settings && { settings }), ...(env && { env }) })
  try {
    await withCluster({ on: 'PostgreSQL', server, ...clusterOptions }, (cluster) =>
      work(cluster, server),
    )
  } finally {
    await server.end()
  }
}

export async function passes(ms: number): Promise<void> {
  const sinceMs = nowMs()
  await until(`${ms} ms have passed`, () => nowMs() - sinceMs > ms, ms + 10_000)
}

/** Waits for one more successful heartbeat of a leader. */
export async function beats(leader: Instance): Promise<void> {
  const event = 'scheduler_lock_heartbeat_updated'
  const before = leader.lines(event).length
  await until('one more heartbeat succeeds', () => {
    const [lost] = leader.said('lost')
    if (lost !== undefined) throw new Error(`it has lost its term: ${lost.reason}`)
    return leader.lines(event).length > before
  })
}

/** The first term still goes on, and nobody else has led. */
export async function assertUndisturbed(cluster: Cluster): Promise<void> {
  const [leader, ...candidates] = cluster.instances
  assert.ok(leader)
  await beats(leader)
  assert.deepEqual(leader.said('lost'), [])
  assert.equal((await cluster.read()).token, 1)
  for (const candidate of candidates) assert.deepEqual(candidate.said('acquired'), [])
}
