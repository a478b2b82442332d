import { checkFunction } from '../options/check.ts'
import { describeValue, TenureError } from '../errors.ts'
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

/** The compiler misses a row here as soon as there is one more event. */
const eventTable: Readonly<Record<keyof TenureEvents, true>> = {
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
export type TenureListener<Name extends keyof TenureEvents> = (payload: TenureEvents[Name]) => void

/** Checks what `on`, `once` and `off` are given. @throws TenureError `TENURE_ERR_OPTION_TYPE` */
export function checkListener(event: unknown, listener: unknown): void {
  if (typeof event !== 'string' || !Object.hasOwn(eventTable, event)) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      `Expected \`event\` to be one of [${tenureEventNames.join(', ')}]; got ` +
        `${describeValue(event)}.`,
    )
  }
  checkFunction(listener, 'listener')
}
