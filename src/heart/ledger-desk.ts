import { type Clock, limitTime } from '../clock.ts'
import { formatDuration } from '../duration.ts'
import { describeValue, TenureError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type {
  AbandonReply,
  AbandonRequest,
  ClaimReply,
  ClaimRequest,
  LedgerStore,
  PruneReply,
  PruneRequest,
  RecordReply,
  RecordRequest,
  RegisterReply,
  RegisterRequest,
} from '../store/ledger-store.ts'
import type { ReadSchedulesReply, ReadSchedulesRequest } from '../store/stored-schedule.ts'
import { recordOfError, type ErrorRecord } from './messages.ts'

/** One attempt at the ledger, as it crosses to the heart's thread. */
export type LedgerCall =
  | { readonly verb: 'register'; readonly request: RegisterRequest }
  | { readonly verb: 'abandon'; readonly request: AbandonRequest }
  | { readonly verb: 'claim'; readonly request: ClaimRequest }
  | { readonly verb: 'record'; readonly request: RecordRequest }
  | { readonly verb: 'prune'; readonly request: PruneRequest }
  | { readonly verb: 'read schedules'; readonly request: ReadSchedulesRequest }

/** What comes back. */
export type LedgerReply =
  | RegisterReply
  | AbandonReply
  | ClaimReply
  | RecordReply
  | PruneReply
  | ReadSchedulesReply

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

  async #make(
    { verb, request }: LedgerCall,
    signal: AbortSignal,
  ): Promise<LedgerReply | undefined> {
    const ledger = await this.#opened()
    if (ledger === undefined) return undefined
    switch (verb) {
      case 'register':
        return ledger.tryRegister(request, signal)
      case 'abandon':
        return ledger.tryAbandon(request, signal)
      case 'claim':
        return ledger.tryClaim(request, signal)
      case 'record':
        return ledger.tryRecord(request, signal)
      case 'prune':
        return ledger.tryPrune(request, signal)
      case 'read schedules':
        return ledger.readSchedules(request, signal)
    }
  }

  #opened(): Promise<LedgerStore | undefined> {
    this.#ledger ??= this.#parts.open().catch((error: unknown) => {
      this.#ledger = undefined
      throw error
    })
    return this.#ledger
  }
}

/** The lists that an answer has. */
const lists: Readonly<Record<LedgerCall['verb'], readonly string[]>> = {
  register: ['jobs'],
  abandon: ['abandoned', 'owed'],
  claim: ['outcomes'],
  record: ['ends', 'skips'],
  prune: [],
  'read schedules': ['changes'],
}

/** Throws if that is no reply: a store of somebody's own may give anything. */
function checkReply({ verb, request }: LedgerCall, reply: LedgerReply): void {
  const { kind, ...fields } = reply as { kind: unknown } & Readonly<Record<string, unknown>>
  if (kind === 'superseded' && Number.isSafeInteger(fields['token'])) return
  const areLists = lists[verb].every((name) => {
    const list = fields[name]
    return Array.isArray(list) && list.every((item) => typeof item === 'object' && item !== null)
  })
  const { outcomes } = fields
  const answersAll = verb !== 'claim' || Object(outcomes).length === request.claims.length
  invariant(
    kind === 'answered' && areLists && answersAll,
    `a ledger answers a call to ${verb} with what its types say; got ${describeValue(reply)}`,
  )
}

function timeoutError(verb: LedgerCall['verb'], afterMs: number): TenureError {
  return new TenureError(
    'TENURE_ERR_ATTEMPT_TIMEOUT',
    `Expected the ledger to answer within ${formatDuration(afterMs)}, to ${verb}; it did not, and ` +
      'the call was cancelled. The store may be slow or unreachable.',
  )
}

function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open ledger; it was closed.')
}
