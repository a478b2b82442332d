import type { Cluster, Instance } from './cluster.ts'
import { nowMs, until } from './until.ts'

/** How a leader ends: it resigns, or it is killed, and its witness releases. */
export type Way = 'resign' | 'kill'

/** One takeover: how long nobody led, what woke the next leader, and why the term before ended. */
export interface Takeover {
  readonly ms: number
  readonly wokenBy: string
  readonly reason: string | undefined
}

/** What shows that a leader has waited for a time to pass, and not for the end of the term before. */
export const waits: ReadonlySet<string> = new Set(['expiry', 'silence', 'interval'])

/** For how long whoever has resigned lets the others go first. */
const coolDownMs = 250

/**
 * Ends one leader after the other, with two candidates beside it: each second one as soon as it
 * leads, while the candidates still find out about it, and the others when both of them wait.
 *
 * @param cluster without instances yet
 */
export async function measureTakeovers(
  cluster: Cluster,
  way: Way,
  count: number,
): Promise<Takeover[]> {
  let made = 0
  const add = (): Promise<Instance> => cluster.add({ label: `instance ${++made}` })
  const alive = new Set(await Promise.all([add(), add(), add()]))
  const leaderOf = (token: number): { instance: Instance; atMs: number } | undefined => {
    for (const instance of alive) {
      const acquired = instance.said('acquired').find((said) => said.token >= token)
      if (acquired !== undefined) return { instance, atMs: acquired.atMs }
    }
    return undefined
  }
  const takeovers: Takeover[] = []
  let leader = await until('the first one leads', () => leaderOf(1))
  for (let token = 1; token <= count; token++) {
    const { instance } = leader
    if (token % 2 === 0) await refused(alive, instance, token)
    const fromMs = nowMs()
    if (way === 'resign') {
      instance.send({ do: 'resign', coolDown: coolDownMs })
    } else {
      instance.signal('SIGKILL')
      alive.delete(instance)
    }
    const what = `somebody leads with the token ${token + 1}`
    leader = await until(what, () => leaderOf(token + 1), 120_000)
    const line = await leader.instance.nextLine('lease_acquired', {
      after: leader.instance.said('acquired').length - 1,
    })
    const { terms } = await cluster.read()
    takeovers.push({
      ms: leader.atMs - fromMs,
      wokenBy: String(line.fields['wokenBy']),
      reason: terms.find((term) => term.token === token)?.reason,
    })
    if (way === 'resign') continue
    alive.add(await add())
    // What the dead have said fills the memory for nothing.
    instance.messages.length = 0
  }
  return takeovers
}

/** Waits until all but the leader have been refused because of its term. */
async function refused(alive: ReadonlySet<Instance>, leader: Instance, token: number) {
  for (const instance of alive) {
    if (instance === leader) continue
    await until(`${instance.label} waits for the end of the term ${token}`, () =>
      instance.lines('lease_held').some(({ fields }) => fields['token'] === token),
    )
  }
}

/** How often each word occurs, the most frequent first: `push 48, start 2`. */
export function tally(words: readonly (string | undefined)[]): string {
  const counts = Map.groupBy(words, (word) => word ?? 'unknown')
  return [...counts]
    .map(([word, all]) => [word, all.length] as const)
    .toSorted(([, a], [, b]) => b - a)
    .map(([word, number]) => `${word} ${number}`)
    .join(', ')
}

/** The percentiles of times, in whole milliseconds. */
export function percentiles(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0).toFixed(0)
  return `p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`
}
