import { TenureError } from '../errors.ts'
import type { LedgerAnswer } from '../heart/ledger-desk.ts'
import { errorOfRecord } from '../heart/error-record.ts'
import type { Command } from '../heart/messages.ts'
import {
  ledgerPort,
  type LedgerCall,
  type LedgerPort,
  type LedgerReply,
  type NoLedger,
} from '../store/ledger/verbs.ts'

interface Caller {
  readonly resolve: (reply: LedgerReply | NoLedger) => void
  readonly reject: (error: unknown) => void
}

/** The main thread's side of the ledger: hands calls to the heart, and hears its answers. */
export class LedgerClient {
  /** The calls of the scheduler. */
  readonly port: LedgerPort = ledgerPort((call) => this.#call(call))
  readonly #send: (command: Command) => boolean
  readonly #callers = new Map<number, Caller>()
  #calls = 0
  #closed = false

  /** @param send hands a command to the heart that runs now; `false` if none does */
  constructor(send: (command: Command) => boolean) {
    this.#send = send
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
