import type { Instant } from '../clock.ts'
import { TenureError } from '../errors.ts'
import type { AcquireRequest, PushedRenewal } from '../store/lease-store.ts'
import type { Attempt, ElectorSettings } from './elector-port.ts'
import type { TermTimes } from './term.ts'

/** An attempt to acquire, with all that the store needs to know. */
export function acquireAttempt(
  settings: ElectorSettings,
  {
    sentAt,
    timeoutMs,
    wish,
  }: {
    sentAt: Instant
    timeoutMs: number
    wish: Pick<AcquireRequest, 'holder' | 'observed' | 'knownToken'>
  },
): Extract<Attempt, { verb: 'acquire' }> {
  const { lease, ttlMs, application, label, jobsHash } = settings
  const about = { lease, ttlMs, application, label, jobsHash }
  return {
    verb: 'acquire',
    sentAt,
    timeoutMs,
    times: timesOf(settings),
    request: {
      ...about,
      ...wish,
      renewsWithinMs: renewsWithinMs(settings),
      grantWithinMs: timeoutMs,
    },
  }
}

/** With what a renewal or an acquisition is sent. */
export function timesOf(settings: ElectorSettings): TermTimes {
  const { ttlMs, stopGraceMs, safetyMarginMs } = settings
  const { heartbeatMs, attemptTimeoutMs, retryBackoffMs } = settings
  return { ttlMs, stopGraceMs, safetyMarginMs, heartbeatMs, attemptTimeoutMs, retryBackoffMs }
}

/** How long after a renewal was sent the next one arrives at the latest, if all goes well. */
export function renewsWithinMs(settings: ElectorSettings): number {
  return settings.heartbeatMs + settings.attemptTimeoutMs + settings.safetyMarginMs
}

/** Whether that is what a push of a renewal looks like: it comes from outside. */
export function isRenewal(value: unknown): value is PushedRenewal {
  if (typeof value !== 'object' || value === null) return false
  const { token, renewals, ttlMs } = value as Partial<PushedRenewal>
  const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && Number(count) >= 0
  return isCount(token) && isCount(renewals) && Number.isFinite(ttlMs) && Number(ttlMs) > 0
}

/** The store says that an acquisition is never granted. */
export function overError(): TenureError {
  return new TenureError(
    'TENURE_ERR_ATTEMPT_TIMEOUT',
    'Expected the acquisition to reach the store in time; it came too late, or its term has ended ' +
      'already, and it is not granted any more. The next one has another holder.',
  )
}
