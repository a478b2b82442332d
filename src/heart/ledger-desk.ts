import { type Clock, limitTime } from '../clock.ts'
import { formatDuration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { LedgerStore } from '../store/ledger-store.ts'
import {
  callLedger,
  leaderVerbs,
  type LeaderVerb,
  type LedgerCall,
  type LedgerReply,
} from '../store/ledger/verbs.ts'
import { recordOfError, type ErrorRecord } from './error-record.ts'

/**
 * A reply; or why there is none, and then the outcome of the call is unknown; or that there is no
 * ledger at all.
 */
export type LedgerAnswer =
  | { readonly kind: 'replied'; readonly reply: LedgerReply }
  | { readonly kind: 'failed'; readonly error: ErrorRecord }
  | { readonly kind: 'absent' }

/** What a desk is made of. */
export interface LedgerDeskParts {
  readonly open: () => Promise<LedgerStore | undefined>
  readonly clock: Clock
  /** How long a call may take before it is cancelled. */
  readonly timeoutMs: () => number
  /** The ledger takes the token `by` for the last that was granted, and not that of the call. */
  readonly superseded: (token: number, by: number) => void
  readonly answer: (id: number, answer: LedgerAnswer) => void
}

/**
 * Makes the calls of the ledger in the heart's thread, on a connection of their own: the
 * application's loop does no I/O for them, and no heartbeat waits behind them.
 */
export class LedgerDesk {
  readonly #parts: LedgerDeskParts
  readonly #controllers = new Set<AbortController>()
  #ledger: Promise<LedgerStore | undefined> | undefined
  #closed = false

  constructor(parts: LedgerDeskParts) {
    this.#parts = parts
  }

  /** Loads what the calls need; what fails is tried again with the first of them. */
  async open(): Promise<void> {
    await this.#opened().catch(() => {})
  }

  /** Makes a call, and answers it; connects if that is necessary. */
  call(id: number, call: LedgerCall): void {
    void this.#answer(call).then((answer) => {
      if (this.#closed) return
      try {
        this.#parts.answer(id, answer)
      } catch (error) {
        // What a store of somebody's own has replied cannot cross to another thread.
        this.#parts.answer(id, { kind: 'failed', error: recordOfError(error) })
      }
    })
  }

  /** Ends everything; what is under way is not answered. Never rejects. */
  async close(): Promise<void> {
    this.#closed = true
    for (const controller of this.#controllers) controller.abort(closedError())
    await this.#ledger?.then((ledger) => ledger?.close()).catch(() => {})
  }

  async #answer(call: LedgerCall): Promise<LedgerAnswer> {
    const { clock, timeoutMs } = this.#parts
    const controller = new AbortController()
    this.#controllers.add(controller)
    const patienceMs = timeoutMs()
    limitTime(controller.signal, clock, patienceMs)
    const timer = clock.setTimer(patienceMs, () =>
      controller.abort(timeoutError(call.verb, patienceMs)),
    )
    try {
      const reply = await this.#make(call, controller.signal)
      if (reply !== undefined) checkReply(call, reply)
      if (reply?.kind === 'superseded' && 'token' in call.request && !this.#closed) {
        this.#parts.superseded(call.request.token, reply.token)
      }
      return reply === undefined ? { kind: 'absent' } : { kind: 'replied', reply }
    } catch (error) {
      return { kind: 'failed', error: recordOfError(error) }
    } finally {
      timer.cancel()
      this.#controllers.delete(controller)
    }
  }

  async #make(call: LedgerCall, signal: AbortSignal): Promise<LedgerReply | undefined> {
    const ledger = await this.#opened()
    return ledger === undefined ? undefined : callLedger(ledger, call, signal)
  }

  #opened(): Promise<LedgerStore | undefined> {
    this.#ledger ??= this.#parts.open().catch((error: unknown) => {
      this.#ledger = undefined
      throw error
    })
    return this.#ledger
  }
}

/** Throws if that is no reply: a store of somebody's own may give anything. */
function checkReply({ verb, request }: LedgerCall, reply: LedgerReply): void {
  const { kind, ...fields } = reply as { kind: unknown } & Readonly<Record<string, unknown>>
  if (kind === 'superseded' && Number.isSafeInteger(fields['token'])) return
  const areLists = leaderVerbs[verb].lists.every((name) => {
    const list = fields[name]
    return Array.isArray(list) && list.every((item) => typeof item === 'object' && item !== null)
  })
  const { outcomes } = fields
  const answersAll = verb !== 'claim' || Object(outcomes).length === request.claims.length
  invariant(
    kind === 'answered' && areLists && answersAll,
    `a ledger answers a call to ${wordsOf(verb)} with what its types say; got ${describeValue(reply)}`,
  )
}

/** A verb as it is written in a sentence. */
function wordsOf(verb: LeaderVerb): string {
  return verb.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}

function timeoutError(verb: LeaderVerb, afterMs: number): TenureError {
  return new TenureError(
    'TENURE_ERR_ATTEMPT_TIMEOUT',
    `Expected the ledger to answer within ${formatDuration(afterMs)}, to ${wordsOf(verb)}; it did not, and ` +
      'the call was cancelled. The store may be slow or unreachable.',
  )
}

function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open ledger; it was closed.')
}
