import type { Role } from './status.ts'
import type { Tenure } from '../tenure.ts'

/** What a probe is answered: whether the heartbeat works here. It says nothing of who leads. */
export interface HealthReply {
  readonly status: 'ok' | 'failing'
  readonly role: Role
  /** Why it is failing: `'stopped'`, or the code or name of the error of the last attempt. */
  readonly reason?: string
}

/**
 * Whether the heartbeat works here.
 *
 * - A leader's does while it leads: its last renewal is then younger than its settings allow. An
 *   attempt that failed and is tried again is no failure yet.
 * - A candidate's does if its last attempt on the lease was answered; "held by another" is an
 *   answer. One whose first attempt is under way is given the benefit.
 *
 * The store is not asked: a probe costs nothing, and is answered also where the store is slow.
 *
 * @example
 * ```ts
 * import { healthOf } from 'tenure'
 * app.get('/health', (_request, response) => {
 *   const health = healthOf(tenure)
 *   response.status(health.status === 'ok' ? 200 : 503).json(health)
 * })
 * ```
 */
export function healthOf(tenure: Tenure): HealthReply {
  const { role, fault } = tenure.health
  if (role === 'leader') return { status: 'ok', role }
  if (role === 'stopped') return { status: 'failing', role, reason: 'stopped' }
  if (fault === undefined) return { status: 'ok', role }
  return { status: 'failing', role, reason: fault.error }
}
