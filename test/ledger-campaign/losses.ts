import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import type { Random } from '../chaos/random.ts'
import type { Contender } from './contender.ts'

/** What a loss is done with. */
export interface LossParts {
  readonly leader: Contender
  readonly random: Random
  /** A folder for what has to be told to a process that is blocked. */
  readonly folder: string
  /** Waits until a newer term was granted; false if none was within that time. */
  readonly replaced: (withinMs: number) => Promise<boolean>
}

/** A frozen process is thawed after so long: it may hold the write lock of a SQLite file. */
const frozenMsMax = 12_000
const patienceMs = 120_000
/** So long does one that lost its term stay frozen or blocked, while its successor works. */
const awayMsMax = 3_000

/** How a leader is lost. Each is over when another term was granted and the old leader goes on. */
const losses = {
  async 'killed at random'({ leader, replaced }: LossParts) {
    await leader.kill()
    await replaced(patienceMs)
  },
  async 'killed in mid-run'({ leader, replaced }: LossParts) {
    const inRun = leader.says('in a run').catch(() => {})
    leader.send({ do: 'tell of a run' })
    // It may lose its term before it has another run.
    await Promise.race([inRun, replaced(patienceMs)])
    await leader.kill()
    await replaced(patienceMs)
  },
  async 'killed with its witness'({ leader, replaced }: LossParts) {
    leader.endWitness()
    await leader.kill()
    await replaced(patienceMs)
  },
  async resigned({ leader, random, replaced }: LossParts) {
    leader.send({ do: 'resign', coolDown: random.whole(500, 3_000) })
    await replaced(patienceMs)
  },
  async frozen({ leader, random, replaced }: LossParts) {
    const awayMs = random.whole(0, awayMsMax)
    leader.signal('SIGSTOP')
    if (await replaced(frozenMsMax)) await sleep(awayMs)
    leader.signal('SIGCONT')
    await replaced(patienceMs)
  },
  async stalled({ leader, random, folder, replaced }: LossParts) {
    const awayMs = random.whole(0, awayMsMax)
    const until = join(folder, `unblock-${leader.who}-${leader.token}`)
    leader.send({ do: 'block', until })
    await replaced(patienceMs)
    await sleep(awayMs)
    const unblocked = leader.says('unblocked')
    writeFileSync(until, '')
    await unblocked
  },
} satisfies Record<string, (parts: LossParts) => Promise<void>>

/** A way in which a leader is lost. */
export type LossKind = keyof typeof losses

/** All of them. */
export const lossKinds: readonly LossKind[] = Object.keys(losses) as LossKind[]

/** So many losses, of each kind as many as of the others, in an order that is drawn. */
export function drawLosses(
  count: number,
  random: Random,
  kinds: readonly LossKind[] = lossKinds,
): LossKind[] {
  const drawn: LossKind[] = []
  let deck: LossKind[] = []
  while (drawn.length < count) {
    if (deck.length === 0) deck = [...kinds]
    drawn.push(...deck.splice(random.whole(0, deck.length - 1), 1))
  }
  return drawn
}

/** Has the leader lost, and waits until another term was granted. */
export function lose(kind: LossKind, parts: LossParts): Promise<void> {
  return losses[kind](parts)
}
