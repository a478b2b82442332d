import type { Logger } from '../events.ts'
import { createStderrLogger } from '../log.ts'

/**
 * - `'scheduled'`: the heartbeat's job stands in `jobs()`, once, also if it stood there before
 * - `'pending'`: there is a Tenure that is not started; `start()` registers the heartbeat
 * - `'no-scheduler'`: nothing was found; a warning was logged, and nothing else happens
 */
export type HeartbeatRegistration = 'scheduled' | 'pending' | 'no-scheduler'

/** A Tenure, of whichever copy of this package. */
interface HasHeartbeat {
  registerHeartbeat(): HeartbeatRegistration
}

/** What may be found on an application; all of it is looked at with care. */
interface Application {
  readonly tenure?: unknown
  readonly state?: { readonly scheduler?: unknown }
  readonly log?: Partial<Logger>
}

/**
 * Registers the heartbeat on the application's scheduler: the Tenure at `app.tenure`, or else at
 * `app.state.scheduler`. To be called once the scheduler is there; calling it again replaces the
 * job and never doubles it. An application that has no scheduler, in a test say, gets a warning.
 *
 * The Fastify plugin calls it, and so does `start()` for its own Tenure.
 *
 * @example
 * ```ts
 * import { createTenure, registerHeartbeat } from 'tenure'
 * const app = { state: { scheduler: createTenure({ store: 'sqlite:./tenure.db' }) } }
 * await app.state.scheduler.start()
 * registerHeartbeat(app) // 'scheduled'
 * ```
 */
export function registerHeartbeat(app: object): HeartbeatRegistration {
  const { tenure, state, log } = app as Application
  const scheduler = [tenure, state?.scheduler].find(hasHeartbeat)
  if (scheduler !== undefined) return scheduler.registerHeartbeat()
  const event = 'scheduler_lock_heartbeat_no_scheduler'
  if (typeof log?.warn === 'function') log.warn({}, event)
  else createStderrLogger().warn({}, event)
  return 'no-scheduler'
}

function hasHeartbeat(value: unknown): value is HasHeartbeat {
  const candidate = value as Partial<HasHeartbeat> | null | undefined
  return typeof candidate?.registerHeartbeat === 'function'
}
