import { TenureError } from '../errors.ts'
import type { LedgerAnswer, LedgerCall, LedgerReply } from '../heart/ledger-desk.ts'
import { errorOfRecord, type Command } from '../heart/messages.ts'
import type { LedgerPort, NoLedger } from '../schedule/bookkeeper.ts'
import type {
  AbandonReply,
  AbandonRequest,
  ClaimReply,
  ClaimRequest,
  PruneReply,
  PruneRequest,
  RecordReply,
  RecordRequest,
  RegisterReply,
  RegisterRequest,
} from '../store/ledger-store.ts'
import type { ReadSchedulesReply, ReadSchedulesRequest } from '../store/stored-schedule.ts'

interface Caller {
  readonly resolve: (reply: LedgerReply | NoLedger) => void
  readonly reject: (error: unknown) => void
}

/** The main thread's side of the ledger: hands calls to the heart, and hears its answers. */
export class LedgerClient implements LedgerPort {
  readonly #send: (command: Command) => boolean
  readonly #callers = new Map<number, Caller>()
  #calls = 0
  #closed = false

  /** @param send hands a command to the heart that runs now; `false` if none does */
  constructor(send: (command: Command) => boolean) {
    this.#send = send
  }

  register(request: RegisterRequest): Promise<RegisterReply | NoLedger> {
    return this.#call({ verb: 'register', request }) as Promise<RegisterReply | NoLedger>
  }

  abandon(request: AbandonRequest): Promise<AbandonReply | NoLedger> {
    return this.#call({ verb: 'abandon', request }) as Promise<AbandonReply | NoLedger>
  }

  claim(request: ClaimRequest): Promise<ClaimReply | NoLedger> {
    return this.#call({ verb: 'claim', request }) as Promise<ClaimReply | NoLedger>
  }

  record(request: RecordRequest): Promise<RecordReply | NoLedger> {
    return this.#call({ verb: 'record', request }) as Promise<RecordReply | NoLedger>
  }

  prune(request: PruneRequest): Promise<PruneReply | NoLedger> {
    return this.#call({ verb: 'prune', request }) as Promise<PruneReply | NoLedger>
  }

  readSchedules(request: ReadSchedulesRequest): Promise<ReadSchedulesReply | NoLedger> {
    return this.#call({ verb: 'read schedules', request }) as Promise<ReadSchedulesReply | NoLedger>
  }

  /** The heart has answered. */
  hear(id: number, answer: LedgerAnswer): void {
    const caller = this.#callers.get(id)
    this.#callers.delete(id)
    switch (answer.kind) {
      case 'replied':
        return caller?.resolve(answer.reply)
      case 'failed':
        return caller?.reject(errorOfRecord(answer.error))
      case 'absent':
        return caller?.resolve(answer)
    }
  }

  /** The heart has died: what it was asked is not answered any more. The next one may be asked. */
  heartDied(): void {
    for (const { reject } of this.#takeCallers()) reject(diedError())
  }

  /** There is no heart any more, and will not be another. */
  close(): void {
    this.#closed = true
    for (const { resolve } of this.#takeCallers()) resolve({ kind: 'absent' })
  }

  #takeCallers(): Caller[] {
    const callers = [...this.#callers.values()]
    this.#callers.clear()
    return callers
  }

  #call(call: LedgerCall): Promise<LedgerReply | NoLedger> {
    if (this.#closed) return Promise.resolve({ kind: 'absent' })
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#callers.set(id, { resolve, reject })
      if (this.#send({ kind: 'ledger', id, call })) return
      // Between two hearts nobody would ever answer.
      this.#callers.delete(id)
      reject(diedError())
    })
  }
}

function diedError(): TenureError {
  const message = 'Expected an answer of the ledger; the heart has died before.'
  return new TenureError('TENURE_ERR_HEART_DIED', message)
}
