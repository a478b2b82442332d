// What happened in a run of chaos: lines of JSON, one file for each life of an instance and one for
// the harness. The words are those of the simulation's history, where both know the same thing.
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

import type { EndReason } from '../../src/store/lease-store.ts'
import { nowMs } from '../support/until.ts'
import type { FaultName } from './faults.ts'

/** How much of its leadership an instance shows: `leader` may begin work, `trusted` may go on. */
export type Standing = 'none' | 'trusted' | 'leader'

/** What can happen, apart from when and to whom. */
export type What =
  /** A fault begins to be done: it is in force until its `fault-over`, if there is one. */
  | {
      readonly kind: 'fault'
      readonly id: number
      readonly fault: FaultName
      readonly how: string
      readonly ms: number
      /** The instance that it is done to, if it is done to one. */
      readonly on: string
    }
  | { readonly kind: 'fault-over'; readonly id: number; readonly missed: boolean }
  /** A process is started, its Tenure runs, or its end was seen. */
  | { readonly kind: 'process'; readonly what: 'starts' | 'runs' }
  | {
      readonly kind: 'process'
      readonly what: 'is gone'
      readonly how: string
      /** How a fault, or the harness, has asked it to end. */
      readonly asked?: string | undefined
    }
  /** Something that the harness has seen, and that is wrong by itself. */
  | { readonly kind: 'wrong'; readonly what: string }
  /** From before (`atMs`) to after (`toMs`) one look at `isLeader` and `isTrusted`. */
  | {
      readonly kind: 'look'
      readonly toMs: number
      readonly token: number
      readonly standing: Standing
    }
  /** The event loop did not turn, and one turn more: what fires with it may have come no earlier. */
  | {
      readonly kind: 'hindered'
      readonly thread: string
      readonly why: string
      readonly toMs: number
    }
  /** How many looks were taken since the last such line. */
  | { readonly kind: 'counted'; readonly looks: number }
  | { readonly kind: 'led'; readonly token: number; readonly holder: string }
  | { readonly kind: 'lost'; readonly token: number; readonly reason: EndReason }
  | {
      readonly kind: 'run-started'
      readonly run: string
      readonly job: string
      readonly token: number
      readonly obeys: boolean
      readonly standing: Standing
    }
  | { readonly kind: 'run-ended'; readonly run: string; readonly token: number }
  /** What the fenced resource has decided, in its own order. */
  | {
      readonly kind: 'write'
      readonly sequence: number
      readonly token: number
      readonly accepted: boolean
    }
  /** A log line of the level `warn` or `error`; `fault` says what is wrong with its shape. */
  | {
      readonly kind: 'line'
      readonly event: string
      readonly level: string
      readonly message: string
      readonly fault: string | undefined
    }
  /** Written to stderr, where nothing is expected but what a fault throws. */
  | { readonly kind: 'stderr'; readonly text: string }
  /** The operator has taken the lease for himself. */
  | { readonly kind: 'granted'; readonly token: number; readonly holder: string }
  /** A term as the store's own history has it, each time that it changes. */
  | {
      readonly kind: 'term'
      readonly token: number
      readonly holder: string
      readonly label: string | undefined
      readonly reason: EndReason | undefined
    }
  /** No fault is in force any more, and none will come. */
  | { readonly kind: 'calm' }
  /** Everything has been ended. */
  | { readonly kind: 'over' }

/**
 * Something that happened, in milliseconds of the clock that all processes share, to one life of an
 * instance, such as `b2`, or to the harness or the store.
 */
export type Fact = What & { readonly atMs: number; readonly who: string }

/** Appends facts to a file of its own, one system call each, so that no end of a process loses one. */
export class Recorder {
  readonly #file: number
  readonly #who: string

  constructor(folder: string, who: string) {
    this.#file = openSync(join(folder, `${who}.jsonl`), 'a')
    this.#who = who
  }

  add(what: What, { atMs = nowMs(), who = this.#who }: { atMs?: number; who?: string } = {}): void {
    writeSync(this.#file, `${JSON.stringify({ atMs, who, ...what })}\n`)
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** All facts of a folder, in the order of time; those of one process stay in their own order. */
export function readHistory(folder: string): Fact[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .flatMap((name) => factsOf(readFileSync(join(folder, name), 'utf8')))
    .toSorted((one, other) => one.atMs - other.atMs)
}

/** A line without its end was being written as its process was killed. */
function factsOf(text: string): Fact[] {
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Fact)
}

/** All facts of one kind, in the order of time. */
export function ofKind<Kind extends What['kind']>(
  facts: readonly Fact[],
  kind: Kind,
): Extract<Fact, { kind: Kind }>[] {
  return facts.filter((fact): fact is Extract<Fact, { kind: Kind }> => fact.kind === kind)
}

/** A rule that was broken. */
export interface Violation {
  readonly rule: string
  readonly atMs: number
  readonly who: string
  readonly what: string
}
