import { readInstant, type Instant } from '../clock.ts'
import { TenureError } from '../errors.ts'
import { invariant } from '../invariant.ts'
import type { AcquireRequest, EndedTerm, PushedRenewal } from '../store/lease-store.ts'
import type { Attempt, ElectorPort, ElectorSettings } from './elector-port.ts'
import type { TermTimes } from './term.ts'

/** The attempts of an elector: how each is made of the settings, and that at most one is under way. */
export class Attempts {
  readonly #port: ElectorPort
  #underWay: Attempt | undefined

  constructor(port: ElectorPort) {
    this.#port = port
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  acquire(
    asked: Pick<AcquireRequest, 'holder' | 'observed' | 'knownToken'>,
    { sentAt, timeoutMsMax }: { sentAt: Instant; timeoutMsMax: number },
  ): void {
    const settings = this.#port.settings()
    const { lease, ttlMs, application, label, jobsHash } = settings
    const about = { lease, ttlMs, application, label, jobsHash }
    const timeoutMs = Math.min(settings.attemptTimeoutMs, timeoutMsMax)
    this.#send({
      verb: 'acquire',
      sentAt,
      timeoutMs,
      times: timesOf(settings),
      request: {
        ...about,
        ...asked,
        renewsWithinMs: renewsWithinMs(settings),
        grantWithinMs: timeoutMs,
      },
    })
  }

  renew(
    { holder, token }: Pick<EndedTerm, 'holder' | 'token'>,
    {
      sentAt,
      timeoutMs,
      correlationId,
    }: { sentAt: Instant; timeoutMs: number; correlationId: string },
  ): void {
    const settings = this.#port.settings()
    const { lease, ttlMs, jobsHash } = settings
    this.#send({
      verb: 'renew',
      sentAt,
      timeoutMs,
      times: timesOf(settings),
      correlationId,
      request: {
        lease,
        holder,
        token,
        ttlMs,
        jobsHash,
        renewsWithinMs: renewsWithinMs(settings),
      },
    })
  }

  release(
    { holder, token, reason }: EndedTerm,
    { sentAt, timeoutMs }: { sentAt: Instant; timeoutMs: number },
  ): void {
    const { lease } = this.#port.settings()
    this.#send({ verb: 'release', sentAt, timeoutMs, request: { lease, holder, token, reason } })
  }

  note(ended: EndedTerm): void {
    const { lease, attemptTimeoutMs: timeoutMs } = this.#port.settings()
    const sentAt = readInstant(this.#port.clock)
    this.#send({ verb: 'note', sentAt, timeoutMs, request: { lease, ended } })
  }

  /** Whether this is the attempt under way, which has ended now; an abandoned one is not. */
  settles(attempt: Attempt): boolean {
    if (attempt !== this.#underWay) return false
    this.#underWay = undefined
    return true
  }

  abandon(): void {
    if (this.#underWay !== undefined) this.#port.abandon(this.#underWay)
    this.#underWay = undefined
  }

  #send(attempt: Attempt): void {
    invariant(this.#underWay === undefined, 'one attempt is under way at a time')
    this.#underWay = attempt
    this.#port.attempt(attempt)
  }
}

/** With what a renewal or an acquisition is sent. */
function timesOf(settings: ElectorSettings): TermTimes {
  const { ttlMs, stopGraceMs, safetyMarginMs } = settings
  const { heartbeatMs, attemptTimeoutMs, retryBackoffMs } = settings
  return { ttlMs, stopGraceMs, safetyMarginMs, heartbeatMs, attemptTimeoutMs, retryBackoffMs }
}

/** How long after a renewal was sent the next one arrives at the latest, if all goes well. */
function renewsWithinMs(settings: ElectorSettings): number {
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
