import type { Clock } from './clock.ts'
import { codeOf, messageOf, TenureError } from './errors.ts'
import type { LogEventName } from './events.ts'

/**
 * Throws if a fact that the code relies on does not hold.
 *
 * Invariants stay on in production: going on with a broken one could give two instances the same
 * lease, while the throw ends at worst one worker thread, which is restarted as a candidate.
 */
export function invariant(holds: boolean, why: string): asserts holds {
  if (!holds) {
    throw new TenureError(
      'TENURE_ERR_INVARIANT',
      `Expected that ${why}. This is a defect of Tenure or of the store; please report it.`,
    )
  }
}

/**
 * Is told of a defect: an error that code of ours threw where nobody could catch it. It must not
 * throw.
 */
export type TellDefect = (error: unknown) => void

/** Tells the log of defects. */
export function defectsTo(
  log: (event: LogEventName, fields: Readonly<Record<string, unknown>>) => void,
): TellDefect {
  return (error) => {
    log('internal_error', { error: codeOf(error), message: messageOf(error), err: error })
  }
}

/**
 * A callback that cannot throw. What runs from a timer or an event has no caller but the event loop:
 * what it throws would end the application.
 */
export function shielded<Args extends readonly unknown[]>(
  callback: (...args: Args) => void,
  tell: TellDefect,
): (...args: Args) => void {
  return (...args) => {
    try {
      callback(...args)
    } catch (error) {
      tell(error)
    }
  }
}

/** Lets a promise go on that nobody awaits: if it rejects, that is a defect. */
export function detached(promise: PromiseLike<unknown> | undefined, tell: TellDefect): void {
  promise?.then(undefined, tell)
}

/** A clock whose timers cannot throw. */
export function shieldedClock(clock: Clock, tell: TellDefect): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    uptimeMs: () => clock.uptimeMs(),
    setTimer: (delayMs, callback, options) =>
      clock.setTimer(delayMs, shielded(callback, tell), options),
  }
}
