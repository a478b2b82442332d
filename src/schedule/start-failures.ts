import { TenureError } from '../errors.ts'

/** How often one write that jobs wait for has to fail, in a row, before the leader resigns. */
export const startFailuresMax = 3

/** For how long a leader whose jobs cannot start is no candidate afterwards. */
export const startCoolDownMs = 60_000

/** What a leader says when it resigns for that. */
export const cannotStart: string =
  'Jobs cannot start here: what has to be written before failed each time, though the lease is ' +
  'renewed. This instance resigns, and is no candidate for a while.'

/** One write to the ledger that jobs wait for, from its first attempt to the one that succeeds. */
export interface StartTrial {
  /** An attempt is made. */
  sent(): void
  /** It has failed with this error. */
  failed(error: unknown): void
}

/** What the judge of failures depends on. */
export interface StartFailuresDeps {
  /** Gives the term of this token up, after so many failures. */
  readonly resign: (token: number, failures: number) => void
}

/**
 * Judges whether jobs fail to start on this instance, and on this one only, as far as it can see: the
 * ledger fails, though the lease is renewed. One write has failed three times in a row, and the last
 * of the attempts was made after a renewal that came after the first failure. So a store that is
 * away for a while, and answers neither, ends no term. Nor does one that answers that it cannot be
 * used as it is: if the role lacks a right, or the disk is full, all instances hear the same.
 *
 * If no other instance has led since it resigned for this reason, it stays leader, and keeps trying:
 * none could do better, and work that needs no ledger has a leader.
 */
export class StartFailures {
  readonly #deps: StartFailuresDeps
  #renewals = 0
  #resignedToken: number | undefined

  constructor(deps: StartFailuresDeps) {
    this.#deps = deps
  }

  /** The lease was renewed. */
  renewed(): void {
    this.#renewals++
  }

  /** A write of this term begins; while it does not lead any more, nothing is judged. */
  trialOf(token: number, leads: () => boolean): StartTrial {
    let failures = 0
    let renewalsAtSend = 0
    let renewalsAtFailure: number | undefined
    return {
      sent: () => void (renewalsAtSend = this.#renewals),
      failed: (error) => {
        if (error instanceof TenureError && error.code === 'TENURE_ERR_STORE_UNUSABLE') return
        failures++
        renewalsAtFailure ??= this.#renewals
        if (failures < startFailuresMax || renewalsAtSend <= renewalsAtFailure || !leads()) return
        this.#judge(token, failures)
      },
    }
  }

  #judge(token: number, failures: number): void {
    const last = this.#resignedToken
    if (token === last || (last !== undefined && token === last + 1)) return
    this.#resignedToken = token
    this.#deps.resign(token, failures)
  }
}
