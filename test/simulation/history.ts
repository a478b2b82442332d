import type { LedgerCall } from '../../src/store/ledger/verbs.ts'
import type {
  LedgerJob,
  LedgerRun,
  LedgerSkip,
  RunTrigger,
  TickSkip,
} from '../../src/store/ledger-store.ts'
import type { EndReason, LeaseReading } from '../../src/store/lease-store.ts'

/** How much of the main thread's leadership a look at the clock would find. */
export type Standing = 'none' | 'trusted' | 'leader'

/** One call of the store by a heart, from its sending to what came of it. */
export interface Call {
  readonly kind: 'call'
  readonly verb: 'acquire' | 'renew' | 'release' | 'note'
  readonly heart: string
  readonly holder: string
  /** Of an acquisition: once it is granted. */
  token: number | undefined
  readonly ttlMs: number | undefined
  /** What the sender's machine showed as it was sent: its own time, suspended time included. */
  readonly sentBootMs: number
  settledAtMs: number | undefined
  how: 'replied' | 'failed' | 'aborted' | undefined
  reply: string | undefined
  /** What the store did of a renewal, whether or not anybody heard of it: twice of a duplicate. */
  carriedOut: readonly CarriedOut[]
}

/** One call of the ledger by a heart, from its sending to what came of it. */
export interface LedgerCallMade {
  readonly kind: 'ledger-call'
  readonly verb: LedgerCall['verb']
  readonly heart: string
  readonly token: number
  settledAtMs: number | undefined
  how: 'replied' | 'failed' | 'aborted' | undefined
}

/** What a run of a job is by which the ledger knows it; its id is {@link History.nameOf} one. */
export interface ClaimedRun {
  readonly tickMs: number
  readonly attempt: number
  readonly id: string
}

/** What the store answered to a renewal, and who held the lease then, and for how long yet. */
export interface CarriedOut {
  readonly answer: string
  readonly found: { holder: string; token: number; remainingMs: number } | 'nobody'
}

/** What can happen, apart from when and to whom. */
export type What =
  | Call
  | LedgerCallMade
  /** Somebody has set the wall clock of its machine. */
  | { readonly kind: 'wall-set' }
  /** Something was broken, or mended, on purpose. */
  | { readonly kind: 'fault'; readonly what: string }
  | { readonly kind: 'process'; readonly what: 'starts' | 'runs' | 'exits' | 'stops' | 'is gone' }
  // What the application asked for.
  /** By itself, where it tells for how long it is no candidate then. */
  | {
      readonly kind: 'resign'
      readonly token: number | undefined
      readonly coolDownMs?: number
    }
  | { readonly kind: 'reconfigured'; readonly ttlMs: number }
  // What the store has done.
  | { readonly kind: 'granted'; readonly token: number; readonly holder: string; again: boolean }
  | { readonly kind: 'released'; readonly token: number; readonly working: readonly string[] }
  | { readonly kind: 'wish'; readonly token: number }
  | { readonly kind: 'read'; readonly reading: LeaseReading }
  // What the ledger has done.
  | { readonly kind: 'entered'; readonly job: string; anchorMs: number; cursorMs: number }
  | ({
      readonly kind: 'claimed'
      readonly job: string
      readonly trigger: RunTrigger
      readonly token: number
    } & ClaimedRun)
  | ({ readonly kind: 'skipped'; readonly token: number } & TickSkip)
  | { readonly kind: 'abandoned'; readonly id: string; readonly token: number; by: number }
  /** All that ever stood in it, also what was pruned. */
  | {
      readonly kind: 'ledger'
      readonly jobs: readonly LedgerJob[]
      readonly runs: readonly LedgerRun[]
      readonly skips: readonly LedgerSkip[]
    }
  // What a heart reported.
  | { readonly kind: 'led'; readonly token: number; readonly holder: string; heart: string }
  | { readonly kind: 'ending'; readonly token: number; readonly reason: EndReason; heart: string }
  | {
      readonly kind: 'ended'
      readonly token: number
      readonly reason: EndReason
      readonly released: boolean
      readonly heart: string
    }
  | { readonly kind: 'heart-died'; readonly heart: string; readonly onPurpose: boolean }
  | { readonly kind: 'token-went-back'; readonly token: number }
  /** A line that is logged only if something is wrong with the code or the application. */
  | { readonly kind: 'alarming-line'; readonly line: string }
  // What the main thread knows.
  | { readonly kind: 'lost'; readonly token: number; readonly reason: EndReason }
  | { readonly kind: 'standing'; readonly token: number; readonly standing: Standing }
  /** Two instances at the same instant. */
  | { readonly kind: 'both'; readonly standing: Standing; readonly others: string }
  /** The application was told that a run has lost its leader. */
  | { readonly kind: 'told-abandoned'; readonly id: string }
  // What the application did.
  | {
      readonly kind: 'run-started'
      /** Of a job that stands in the ledger. */
      readonly claim: ClaimedRun | undefined
      readonly run: string
      readonly job: string
      readonly token: number
      readonly obeys: boolean
      readonly standing: Standing
      readonly bootMs: number
    }
  | {
      readonly kind: 'run-ended'
      readonly claim: ClaimedRun | undefined
      readonly run: string
      readonly job: string
      readonly token: number
      readonly obeys: boolean
      readonly bootMs: number
    }
  | { readonly kind: 'work'; readonly run: string; readonly token: number; obeys: boolean }
  | {
      readonly kind: 'write'
      readonly token: number
      readonly accepted: boolean
      readonly highest: number
    }
  // Known when it is over.
  | {
      readonly kind: 'hindered'
      readonly thread: string
      readonly why: string
      readonly toMs: number
    }

/** Something that happened, at an instant of true time, to one process, or to the store. */
export type Fact = What & {
  readonly atMs: number
  /** The process: the letter of its instance and the number of its life, such as `b2`. */
  readonly who: string
}

/** All that happened, in the order of time, but for what is only known later. */
export class History {
  readonly facts: Fact[] = []
  readonly #nowMs: () => number
  readonly #names = new Map<string, string>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  get nowMs(): number {
    return this.#nowMs()
  }

  /** What a random id is called here: a seed draws it anew each time. */
  nameOf(id: string): string {
    const name = this.#names.get(id) ?? `run ${this.#names.size + 1}`
    this.#names.set(id, name)
    return name
  }

  add<Kind extends What>(who: string, what: Kind): Kind & Fact {
    const fact = Object.assign(what, { atMs: this.#nowMs(), who }) as Kind & Fact
    this.facts.push(fact)
    return fact
  }

  /** Something that began earlier and is over now, or at the end of the simulation. */
  addPast(who: string, atMs: number, what: What): void {
    this.facts.push({ ...what, atMs, who })
  }
}

/** All facts of one kind, in the order in which they were noted. */
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
