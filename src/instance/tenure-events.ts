import { checkFunction } from '../options/check.ts'
import { describeValue, TenureError } from '../errors.ts'
import { detachResult } from '../events.ts'
import type { JobsDifference } from '../heart/jobs-comparison.ts'
import type { Term } from './live-term.ts'
import type { RunRecord } from '../schedule/run.ts'
import type { EndReason } from '../store/lease-store.ts'

/** What `tenure.on` can listen to, and what a listener is given. */
export interface TenureEvents {
  /** This instance leads from now on. */
  'term:acquired': { readonly term: Term }
  /** The lease was renewed. */
  'term:renewed': { readonly term: Term }
  /** The term is over, for this reason; its token is `term.fencingToken`. */
  'term:lost': { readonly term: Term; readonly reason: EndReason }
  'run:started': { readonly run: RunRecord }
  /** The run ignores its signal, and goes on `timeoutGrace` after its `timeout`. */
  'run:lost': { readonly run: RunRecord }
  /** The run has ended, as `run.outcome` says. */
  'run:finished': { readonly run: RunRecord }
  /** An earlier leader was lost before the run had ended; told by the next one. */
  'run:abandoned': { readonly run: RunRecord }
  /** The leader has other jobs than this instance; told once for each two sets of jobs. */
  'jobs:differ': { readonly difference: JobsDifference }
}

/** The name of an event. */
export type TenureEventName = keyof TenureEvents

/** The compiler misses a row here as soon as there is one more event. */
const eventTable: Readonly<Record<TenureEventName, true>> = {
  'term:acquired': true,
  'term:renewed': true,
  'term:lost': true,
  'run:started': true,
  'run:lost': true,
  'run:finished': true,
  'run:abandoned': true,
  'jobs:differ': true,
}

/** The names of all events. */
export const tenureEventNames: readonly string[] = Object.keys(eventTable)

/** What is called with an event. */
export type TenureListener<Name extends TenureEventName> = (payload: TenureEvents[Name]) => void

/** @throws TenureError `TENURE_ERR_OPTION_TYPE` */
function checkListener(event: unknown, listener: unknown): void {
  if (typeof event !== 'string' || !Object.hasOwn(eventTable, event)) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      `Expected \`event\` to be one of [${tenureEventNames.join(', ')}]; got ` +
        `${describeValue(event)}.`,
    )
  }
  checkFunction(listener, 'listener')
}

/**
 * Calls listeners in the order of their registration, and events in the order of their emission. A
 * listener that throws disturbs neither the others nor the caller: the error goes to `onError`.
 */
export class TenureEmitter {
  /** The listeners of each event, and whether each is called once only. */
  readonly #listeners = new Map<TenureEventName, Map<(payload: never) => void, boolean>>()
  readonly #onError: (event: TenureEventName, error: unknown) => void

  constructor(onError: (event: TenureEventName, error: unknown) => void) {
    this.#onError = onError
  }

  /**
   * Adds a listener, and returns the function that removes it.
   *
   * @param once whether it is removed before it is called
   * @throws TenureError `TENURE_ERR_OPTION_TYPE` if there is no such event
   */
  add<Name extends TenureEventName>(
    event: Name,
    listener: TenureListener<Name>,
    once: boolean,
  ): () => void {
    checkListener(event, listener)
    let listeners = this.#listeners.get(event)
    if (listeners === undefined) this.#listeners.set(event, (listeners = new Map()))
    listeners.set(listener, once)
    return () => void listeners.delete(listener)
  }

  /** Removes a listener, however it was added. @throws TenureError as {@link TenureEmitter.add} */
  remove<Name extends TenureEventName>(event: Name, listener: TenureListener<Name>): void {
    checkListener(event, listener)
    this.#listeners.get(event)?.delete(listener)
  }

  emit<Name extends TenureEventName>(event: Name, payload: TenureEvents[Name]): void {
    const listeners = this.#listeners.get(event)
    if (listeners === undefined) return
    for (const [listener, once] of Array.from(listeners)) {
      if (once) listeners.delete(listener)
      try {
        const result: unknown = (listener as (payload: TenureEvents[Name]) => unknown)(payload)
        // An `async` listener that rejects would otherwise end the process.
        detachResult(result, (error) => this.#onError(event, error))
      } catch (error) {
        this.#onError(event, error)
      }
    }
  }
}
