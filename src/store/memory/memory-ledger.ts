import { carryOut, type Call, type LedgerEngine } from '../ledger/engine.ts'
import { Ledger } from '../ledger/ledger.ts'
import type { Superseded } from '../ledger-store.ts'
import type { Memory } from './memory-store.ts'

/** The ledger in the memory of one thread: for tests, and for a service of one instance. */
export class MemoryLedgerStore extends Ledger {
  constructor(memory: Memory) {
    super(new MemoryLedgerEngine(memory))
  }
}

/** Each call is one synchronous step. */
class MemoryLedgerEngine implements LedgerEngine {
  readonly #memory: Memory
  #closed = false

  constructor(memory: Memory) {
    this.#memory = memory
  }

  async run<Reply>(call: Call<Reply>, signal: AbortSignal): Promise<Reply | Superseded> {
    this.#memory.check(signal, this.#closed)
    return carryOut(this.#memory.ledgers.of(call.lease), call)
  }

  async close(): Promise<void> {
    this.#closed = true
  }
}
