import type { LogLine } from '../events.ts'
import type { FixedSettings, ReconfigurableOptions, ResolvedStore } from '../options.ts'
import type { EndReason } from '../store/lease-store.ts'
import type { ErrorRecord } from './error-record.ts'
import type { JobsDifference } from './jobs-comparison.ts'
import type { LedgerCall } from '../store/ledger/verbs.ts'
import type { LedgerAnswer } from './ledger-desk.ts'

/** What a heart is started with: plain data, which crosses to another thread. */
export interface HeartConfig {
  readonly store: ResolvedStore
  readonly fixed: FixedSettings
  /** What `createTenure` was given, with what `reconfigure` has changed since. */
  readonly options: ReconfigurableOptions
  /** The hash over the jobs of this instance; `undefined` while it has none. */
  readonly jobsHash?: string | undefined
  /** The highest fencing token of the lease that this process was told before. */
  readonly knownToken?: number | undefined
  /** The pipe to the witness, if there is one. */
  readonly witnessFd?: number | undefined
  /** Whether a heart has run before with these settings: what it began with may have changed since. */
  readonly isRestart?: boolean
}

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What the main thread tells the heart. */
export type Command =
  | { readonly kind: 'reconfigure'; readonly options: ReconfigurableOptions }
  | { readonly kind: 'resign'; readonly coolDownMs: number }
  /** The hash over the jobs of this instance from now on. */
  | { readonly kind: 'jobs'; readonly hash: string | undefined }
  /** The main thread has seen the soft stop in the cell before the heart did. */
  | { readonly kind: 'soft-stop-seen' }
  | { readonly kind: 'drained'; readonly token: number; readonly complete: boolean }
  | { readonly kind: 'beat'; readonly correlationId: string }
  | { readonly kind: 'stop' }
  /** The process ends in this very moment, and waits for the cell to say `exited`. */
  | { readonly kind: 'exit'; readonly reason: EndReason }
  /** The pipe to the witness from now on; `undefined`: there is none, and the last one is let go. */
  | { readonly kind: 'witness'; readonly fd: number | undefined }
  /** A call of the ledger, answered by a report with the same id. */
  | { readonly kind: 'ledger'; readonly id: number; readonly call: LedgerCall }
  /** The lines of the last `lines` report are logged: more may be sent. */
  | { readonly kind: 'lines-logged' }
  /** The environment of the process from now on, of which a thread has a copy. */
  | { readonly kind: 'environment'; readonly variables: Environment }

/** What the heart tells the main thread. */
export type Report =
  | { readonly kind: 'ready'; readonly ttlMsMin: number }
  | { readonly kind: 'acquired'; readonly token: number; readonly holder: string }
  /** A reply of the store has told a fencing token of the lease that is higher than all before. */
  | { readonly kind: 'token-known'; readonly token: number }
  /** A heartbeat is over, or one of its attempts failed; times on the wall clock. */
  | {
      readonly kind: 'heartbeat'
      readonly outcome: 'renewed' | 'refused' | 'timeout' | 'error'
      readonly correlationId: string
      readonly token: number
      readonly atMs: number
      readonly latencyMs: number
    }
  /** The store answers again, or does not any more: why its last attempt failed. */
  | { readonly kind: 'store'; readonly atMs: number; readonly fault: Fault | undefined }
  | { readonly kind: 'ending'; readonly token: number; readonly reason: EndReason }
  | {
      readonly kind: 'ended'
      readonly token: number
      readonly reason: EndReason
      readonly released: boolean
    }
  /** The leader has other jobs than this instance. */
  | ({ readonly kind: 'jobs-differ' } & JobsDifference)
  | { readonly kind: 'lines'; readonly lines: readonly LogLine[] }
  | { readonly kind: 'ledger'; readonly id: number; readonly answer: LedgerAnswer }
  /** The heart does not write to the last pipe any more: its number may mean another file. */
  | { readonly kind: 'witness-let-go' }
  /** `mayHold`: a lease may be held all the same, because nobody knows what came of its release. */
  | { readonly kind: 'stopped'; readonly mayHold: boolean }
  /** The heart cannot go on. */
  | { readonly kind: 'died'; readonly error: ErrorRecord }

/** An error in two texts: its code, or else its name, and its sentence. */
export interface Fault {
  readonly error: string
  readonly message: string
}

/**
 * Marks what the two threads tell each other. Others post to the same port: Node.js with `--watch`,
 * and what an application has loaded before.
 */
export interface Marked<Message> {
  readonly tenure: Message
}

/** A message with its mark. */
export function marked<Message>(message: Message): Marked<Message> {
  return { tenure: message }
}

/** Calls `hear` with each marked message; others are not for us. */
export function hearMarked(hear: (message: unknown) => void): (posted: unknown) => void {
  return (posted) => {
    if (typeof posted !== 'object' || posted === null || !Object.hasOwn(posted, 'tenure')) return
    hear((posted as Marked<unknown>).tenure)
  }
}

/** Gives an environment these variables, and no others. */
export function setEnvironment(
  environment: Record<string, string | undefined>,
  by: Environment,
): void {
  for (const name of Object.keys(environment)) if (!(name in by)) delete environment[name]
  for (const [name, value] of Object.entries(by)) {
    if (environment[name] !== value) environment[name] = value
  }
}
