import type { LogEventName, Role, Tenure } from '../index.ts'

/** Whether the heartbeat works on this instance. It says nothing of who leads. */
export interface Health {
  readonly status: 'ok' | 'failing'
  readonly role: Role
  /** Why it is failing: not started, the store cannot be read, or the last log line that says so. */
  readonly reason?: 'stopped' | 'store-unreachable' | LogEventName
}

/** The log lines that tell whether the heartbeat works, and which of the two they tell. */
const signs: Partial<Record<LogEventName, 'ok' | 'failing'>> = {
  lease_held: 'ok',
  lease_acquired: 'ok',
  lease_released: 'ok',
  scheduler_lock_heartbeat_updated: 'ok',
  // The store has answered, and this instance is a candidate again.
  scheduler_lock_heartbeat_failed: 'ok',
  lease_acquire_failed: 'failing',
  lease_release_failed: 'failing',
  scheduler_lock_heartbeat_timeout: 'failing',
  scheduler_lock_heartbeat_error: 'failing',
  heart_died: 'failing',
}

/**
 * Whether the heartbeat works here.
 *
 * - A leader's does while it leads: its last renewal is then younger than its settings allow. An
 *   attempt that failed and is tried again is no failure yet. The store is not asked.
 * - A candidate's does if the store can be read, and its last attempt on the lease was answered;
 *   "held by another" is an answer. One whose first attempt is under way is given the benefit.
 */
export async function healthOf(tenure: Tenure): Promise<Health> {
  if (tenure.isLeader) return { status: 'ok', role: 'leader' }
  const { role, storeError, recentLines } = await tenure.status()
  if (role === 'stopped') return { status: 'failing', role, reason: 'stopped' }
  if (storeError !== undefined) return { status: 'failing', role, reason: 'store-unreachable' }
  const sign = recentLines.find(({ event }) => signs[event] !== undefined)
  if (sign === undefined || signs[sign.event] === 'ok') return { status: 'ok', role }
  return { status: 'failing', role, reason: sign.event }
}
