import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { threeSeconds, withCluster, type Cluster, type Instance } from './cluster.ts'
import { processState } from './launcher.ts'
import { MountNamespace } from './mount-namespace.ts'
import type { Deed, Scene } from './sqlite-deeds.ts'
import { until } from './until.ts'

const renewed = 'scheduler_lock_heartbeat_updated'

/**
 * A renewal that is under way when the deed is done, and one whose line is, do not count against a
 * leader; the next one does.
 */
const renewalsUnderWay = 2

/** The stage of a test: a leader, a candidate, and how others join. */
interface Stage {
  readonly cluster: Cluster
  readonly scene: Scene
  readonly candidate: Instance
  readonly add: () => Promise<Instance>
}

async function onStage(deed: Deed, play: (stage: Stage) => Promise<void>): Promise<void> {
  const namespace = await namespaceFor(deed)
  try {
    await withCluster(threeSeconds, async (cluster) => {
      const folder = join(cluster.folder, 'data')
      const aside = join(cluster.folder, 'aside')
      for (const each of [folder, aside]) mkdirSync(each)
      if (deed.onTmpfs) namespace?.run('mount', '-t', 'tmpfs', 'tmpfs', folder)
      const path = join(folder, 'tenure.db')
      const add = (): Promise<Instance> =>
        cluster.add({ store: `sqlite:${path}` }, { through: namespace?.through })
      const leader = await add()
      await leader.next('acquired')
      const candidate = await add()
      await candidate.nextLine('lease_held')
      const scene = { path, folder, aside, leader, namespace: namespace as MountNamespace }
      await play({ cluster, scene, candidate, add })
      assert.ok(
        cluster.instances.every(({ hasExited }) => !hasExited),
        'nothing of it ends a process',
      )
    })
  } finally {
    namespace?.end()
  }
}

async function namespaceFor({ mounts }: Deed): Promise<MountNamespace | undefined> {
  return mounts ? MountNamespace.create() : undefined
}

/** After the deed the term ends, with a reason, and no two lead at a time from then on. */
export function endsTheTerm(deed: Deed): Promise<void> {
  return onStage(deed, async ({ cluster, scene, add }) => {
    const { leader } = scene
    const before = leader.lines(renewed).length
    deed.do(scene)
    const fresh = deed.isMendedByOpening ? undefined : add()
    const lost = await leader.next('lost')
    assert.equal(lost.reason, 'stolen')
    await leader.nextLine('store_files_changed')
    const renewals = leader.lines(renewed).length - before
    assert.ok(renewals <= renewalsUnderWay, `${renewals} renewals after it`)
    await (fresh ?? add())
    const next = await until('somebody else leads, or the same one again', () => leaderOf(cluster))
    // What it holds it can renew: the files that are there now are whole.
    await next.nextLine(renewed, { after: next.lines(renewed).length + 1 })
    await leadsAlone(cluster, next)
    if (!deed.losesCounter) assertTokensRise(cluster)
    assertTokensRiseFor(leader)
  })
}

/** After the deed all goes on: the term, and who waits for its end. */
export function endsNothing(
  deed: Deed,
  also: (leader: Instance) => Promise<void> = async () => {},
): Promise<void> {
  return onStage(deed, async ({ cluster, scene, candidate }) => {
    const { leader } = scene
    if (deed.unseen) await whileFrozen([leader, candidate], () => deed.do(scene))
    else deed.do(scene)
    await also(leader)
    await leader.nextLine(renewed, { after: leader.lines(renewed).length + 3 })
    await leadsAlone(cluster, leader)
    for (const instance of [leader, candidate]) {
      assert.deepEqual(instance.said('lost'), [])
      assert.deepEqual(instance.lines('store_files_changed'), [])
    }
    // And all of them still meet: the next one is woken, and gets the next token.
    leader.send({ do: 'resign', coolDown: 60_000 })
    assert.equal((await candidate.next('acquired')).token, 2)
  })
}

/** Does something while none of them runs. */
async function whileFrozen(instances: readonly Instance[], act: () => void): Promise<void> {
  for (const { pid } of instances) process.kill(pid, 'SIGSTOP')
  try {
    await until('all are frozen', () =>
      instances.every(({ pid }) => processState(pid)?.state === 'T'),
    )
    act()
  } finally {
    for (const { pid } of instances) process.kill(pid, 'SIGCONT')
  }
}

/** Who holds a term that it has not lost, if anybody has acquired one after the first. */
function leaderOf(cluster: Cluster): Instance | undefined {
  const [first] = cluster.instances
  return cluster.instances.find((instance) => {
    const terms = instance.said('acquired').length
    const isFirstTerm = instance === first && terms === 1
    return terms > instance.said('lost').length && !isFirstTerm
  })
}

/** Asks everybody: one leads. */
async function leadsAlone(cluster: Cluster, leader: Instance): Promise<void> {
  const leading = await Promise.all(
    cluster.instances.map(async (instance) => {
      const after = instance.said('looked').length
      instance.send({ do: 'look' })
      return (await instance.next('looked', { after })).isLeader ? [instance.label] : []
    }),
  )
  assert.deepEqual(leading.flat(), [leader.label])
}

/** No token is given twice, by whatever is there now. */
function assertTokensRise(cluster: Cluster): void {
  const tokens = cluster.instances
    .flatMap((instance) => instance.said('acquired'))
    .toSorted((a, b) => a.atMs - b.atMs)
    .map(({ token }) => token)
  assert.deepEqual(
    tokens,
    [...new Set(tokens)].toSorted((a, b) => a - b),
  )
}

function assertTokensRiseFor(instance: Instance): void {
  const tokens = instance.said('acquired').map(({ token }) => token)
  assert.deepEqual(
    tokens,
    [...new Set(tokens)].toSorted((a, b) => a - b),
  )
}
