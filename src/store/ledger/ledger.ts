import type { LedgerStore } from '../ledger-store.ts'
import { calls } from './calls.ts'
import { check } from './checks.ts'
import type { Call, LedgerEngine, Steps } from './engine.ts'
import type { LedgerMethod, RequestTo } from './verbs.ts'

/** The ledger over an engine: what is asked is checked, and carried out by the rules. */
export class Ledger implements LedgerStore {
  readonly #engine: LedgerEngine
  readonly tryRegister: LedgerStore['tryRegister'] = this.#calling('tryRegister')
  readonly tryClaim: LedgerStore['tryClaim'] = this.#calling('tryClaim')
  readonly tryRecord: LedgerStore['tryRecord'] = this.#calling('tryRecord')
  readonly tryAbandon: LedgerStore['tryAbandon'] = this.#calling('tryAbandon')
  readonly tryPrune: LedgerStore['tryPrune'] = this.#calling('tryPrune')
  readonly trySetPaused: LedgerStore['trySetPaused'] = this.#calling('trySetPaused')
  readonly tryStoreSchedule: LedgerStore['tryStoreSchedule'] = this.#calling('tryStoreSchedule')
  readonly tryRemoveSchedule: LedgerStore['tryRemoveSchedule'] = this.#calling('tryRemoveSchedule')
  readonly readSchedules: LedgerStore['readSchedules'] = this.#calling('readSchedules')
  readonly readJobs: LedgerStore['readJobs'] = this.#calling('readJobs')
  readonly readRuns: LedgerStore['readRuns'] = this.#calling('readRuns')

  constructor(engine: LedgerEngine) {
    this.#engine = engine
  }

  close(): Promise<void> {
    return this.#engine.close()
  }

  #calling<Name extends LedgerMethod>(name: Name): LedgerStore[Name] {
    const call = async (request: RequestTo<Name>, signal: AbortSignal): Promise<unknown> => {
      check(name, request)
      const steps = (): Steps<unknown> => calls[name](request)
      const token = 'token' in request ? request.token : undefined
      const { lease } = request
      return this.#engine.run({ lease, token, kind: kindOf(name, request), steps }, signal)
    }
    return call as LedgerStore[Name]
  }
}

function kindOf(name: LedgerMethod, request: object): Call<unknown>['kind'] {
  if (name.startsWith('read')) return 'look'
  const registers = 'registers' in request && request.registers === true
  return registers || name === 'tryStoreSchedule' ? 'create' : 'change'
}
