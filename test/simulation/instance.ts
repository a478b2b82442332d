import type { Application } from './application.ts'
import type { Fault } from './faults.ts'
import type { Standing } from './history.ts'
import type { Machine } from './machine.ts'
import type { Link } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Times } from './scenario.ts'

/** One place where processes of the application run, one after the other. */
export interface Instance {
  readonly letter: string
  readonly machine: Machine
  readonly link: Link
  readonly random: Random
  process: SimProcess | undefined
  application: Application | undefined
  lives: number
  /** What begins as it has sent its next renewal. */
  readonly inRenewal: Fault[]
  /** How the term of its process stood when it was looked at last. */
  seen: { token: number; standing: Standing }
  times: Times
}
