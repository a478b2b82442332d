import { TenureError } from '../errors.ts'
import type { Fence } from '../fencing/fence-client.ts'
import { createFence } from '../fencing/fence.ts'
import { Work } from '../schedule/work.ts'
import type { EndReason } from '../store/lease-store.ts'
import type { Cell } from '../heart/cell.ts'

/**
 * One unbroken holding of the lease by this instance.
 *
 * @example
 * ```ts
 * await tenure.whileLeader(async (term) => {
 *   while (!term.signal.aborted) {
 *     const message = await queue.take({ signal: term.signal })
 *     term.assertTrusted()
 *     await save(message, { fencingToken: term.fencingToken })
 *   }
 * })
 * ```
 */
export interface Term {
  /** Rises with each term of the lease, for ever; a safe integer. */
  readonly fencingToken: number
  /** The identity of this holding: host, process and a random part. */
  readonly holder: string
  /** Aborted when the work of the term must come to its end: at the soft stop, or on purpose. */
  readonly signal: AbortSignal
  /** May work go on? False from the hard fence on; asks the clock each time. */
  readonly isTrusted: boolean
  /** Milliseconds until the hard fence, if the lease is not renewed; 0 once it has passed. */
  readonly remainingMs: number
  /** Throws a `TenureError` with the code `TENURE_ERR_NOT_TRUSTED` unless the term is trusted. */
  assertTrusted(): void
  /**
   * Fences a transaction of the application's own: see {@link Fence}.
   *
   * @example
   * ```ts
   * await tenure.whileLeader(async (term) => {
   *   for await (const event of events.listen({ signal: term.signal })) {
   *     database.exec('BEGIN IMMEDIATE')
   *     try {
   *       term.fence(database)
   *       save(database, event)
   *       database.exec('COMMIT')
   *     } catch (error) {
   *       database.exec('ROLLBACK')
   *       throw error
   *     }
   *   }
   * })
   * ```
   */
  readonly fence: Fence
}

/** A term as it is lived in the main thread: its trust stands in the cell of its heart. */
export class LiveTerm implements Term {
  readonly fencingToken: number
  readonly holder: string
  /** What is being done in this term. */
  readonly work: Work = new Work()
  readonly fence: Fence
  readonly #cell: Cell
  readonly #controller = new AbortController()

  constructor(cell: Cell, lease: string, token: number, holder: string) {
    this.#cell = cell
    this.fencingToken = token
    this.holder = holder
    const assertTrusted = (): void => this.assertTrusted()
    this.fence = createFence({ lease, fencingToken: token, assertTrusted })
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** May new work start? */
  get leads(): boolean {
    return this.#cell.leads(this.fencingToken)
  }

  get isTrusted(): boolean {
    return this.#cell.trusts(this.fencingToken)
  }

  get remainingMs(): number {
    return this.#cell.remainingMs(this.fencingToken)
  }

  get untilSoftStopMs(): number {
    return this.#cell.untilSoftStopMs(this.fencingToken)
  }

  assertTrusted(): void {
    if (this.isTrusted) return
    throw new TenureError(
      'TENURE_ERR_NOT_TRUSTED',
      `Expected the term with the fencing token ${this.fencingToken} to be trusted; it is over. ` +
        'Stop what it was doing: another instance may lead.',
    )
  }

  abort(reason: TenureError): void {
    this.#controller.abort(reason)
  }
}

/** What the signals of a term are aborted with. */
export function termEndedError(token: number, reason: EndReason | undefined): TenureError {
  return new TenureError(
    'TENURE_ERR_TERM_ENDED',
    `The term with the fencing token ${token} has ended: ${reason ?? 'its trust has run out'}.`,
  )
}
