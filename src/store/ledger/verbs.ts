import type { LedgerStore } from '../ledger-store.ts'

/** The calls of a ledger. */
export type LedgerMethod = Exclude<keyof LedgerStore, 'close'>
/** What a call is given. */
export type RequestTo<Method extends LedgerMethod> = Parameters<LedgerStore[Method]>[0]
/** What a call answers. */
export type ReplyTo<Method extends LedgerMethod> = Awaited<ReturnType<LedgerStore[Method]>>

/**
 * What a leader asks of the ledger, through the heart's thread: the method of the store that answers,
 * and the lists that its answer has. This is the only list of these calls: the port of the scheduler,
 * the messages between the threads and their checks derive from it.
 */
export const leaderVerbs: {
  readonly register: Verb<'tryRegister'>
  readonly abandon: Verb<'tryAbandon'>
  readonly claim: Verb<'tryClaim'>
  readonly record: Verb<'tryRecord'>
  readonly prune: Verb<'tryPrune'>
  readonly readSchedules: Verb<'readSchedules'>
} = {
  register: { method: 'tryRegister', lists: ['jobs'] },
  abandon: { method: 'tryAbandon', lists: ['abandoned', 'owed'] },
  claim: { method: 'tryClaim', lists: ['outcomes'] },
  record: { method: 'tryRecord', lists: ['ends', 'skips'] },
  prune: { method: 'tryPrune', lists: [] },
  readSchedules: { method: 'readSchedules', lists: ['changes'] },
}

interface Verb<Method extends LedgerMethod> {
  readonly method: Method
  readonly lists: readonly string[]
}

type Verbs = typeof leaderVerbs
/** The name of a call that a leader makes. */
export type LeaderVerb = keyof Verbs
type RequestOf<Verb extends LeaderVerb> = RequestTo<Verbs[Verb]['method']>
type ReplyOf<Verb extends LeaderVerb> = ReplyTo<Verbs[Verb]['method']>

/** One attempt at the ledger, as it crosses to the heart's thread. */
export type LedgerCall = {
  readonly [Name in LeaderVerb]: { readonly verb: Name; readonly request: RequestOf<Name> }
}[LeaderVerb]

/** What comes back. */
export type LedgerReply = ReplyOf<LeaderVerb>

/** There is no ledger to write to: a store of somebody's own has none, or the heart has ended. */
export interface NoLedger {
  readonly kind: 'absent'
}

/**
 * The ledger as the scheduler reaches it: each call is one attempt, bounded in time, that answers or
 * rejects. Made by the heart's thread, so that the application's loop does no I/O for it.
 */
export type LedgerPort = {
  readonly [Name in LeaderVerb]: (request: RequestOf<Name>) => Promise<ReplyOf<Name> | NoLedger>
}

/** Makes a call of a store. */
export function callLedger(
  ledger: LedgerStore,
  { verb, request }: LedgerCall,
  signal: AbortSignal,
): Promise<LedgerReply> {
  const { method } = leaderVerbs[verb]
  return ledger[method](request as never, signal)
}

/** A port whose calls are made by a function. */
export function ledgerPort(
  make: (call: LedgerCall) => Promise<LedgerReply | NoLedger>,
): LedgerPort {
  const verbs = Object.keys(leaderVerbs) as LeaderVerb[]
  const entries = verbs.map((verb) => [
    verb,
    (request: unknown) => make({ verb, request } as LedgerCall),
  ])
  return Object.fromEntries(entries) as LedgerPort
}
