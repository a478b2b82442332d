import type { Clock } from '../clock.ts'
import { shielded } from '../invariant.ts'
import type { Cell } from './cell.ts'

/** How long an exit of the process may be held up until all leases are released. */
export const exitWaitMs = 1_000

/** The process, as far as its end is heard of. */
export interface ExitingProcess {
  on(event: 'exit', listener: (code: number) => void): unknown
  off(event: 'exit', listener: (code: number) => void): unknown
}

/** Tells a heart of the exit; returns the cell that says when it has released, if it has to. */
export type OnExit = (code: number) => Cell | undefined

/**
 * Those that want to know of the exit of a process. There is one listener for all of them, however
 * many Tenures it has, and one time that it may be held up.
 */
class Exits {
  readonly #process: ExitingProcess
  readonly #clock: Clock
  readonly #all = new Set<OnExit>()
  readonly #listener = shielded(
    (code: number) => this.#exit(code),
    () => {},
  )

  constructor(process: ExitingProcess, clock: Clock) {
    this.#process = process
    this.#clock = clock
  }

  add(onExit: OnExit): void {
    if (this.#all.size === 0) this.#process.on('exit', this.#listener)
    this.#all.add(onExit)
  }

  remove(onExit: OnExit): void {
    if (this.#all.delete(onExit) && this.#all.size === 0) this.#process.off('exit', this.#listener)
  }

  /** All release at the same time, so that none waits for another. */
  #exit(code: number): void {
    const waits = [...this.#all].flatMap((onExit) => cellOf(onExit, code))
    const endMs = this.#clock.monotonicMs() + exitWaitMs
    for (const cell of waits) cell.waitForExited(Math.max(0, endMs - this.#clock.monotonicMs()))
  }
}

function cellOf(onExit: OnExit, code: number): Cell[] {
  try {
    const cell = onExit(code)
    return cell === undefined ? [] : [cell]
  } catch {
    // The others are told all the same.
    return []
  }
}

const exits = new WeakMap<ExitingProcess, Exits>()

/** Those that want to know of the exit of this process. */
export function exitsOf(process: ExitingProcess, clock: Clock): Exits {
  let known = exits.get(process)
  if (known === undefined) exits.set(process, (known = new Exits(process, clock)))
  return known
}
