import { codeOf, messageOf } from '../errors.ts'
import type { LogEventName } from '../events.ts'
import type { ElectorEvent } from '../lease/elector-port.ts'
import type { Fault, Report } from './messages.ts'

/** A log line before it has its time and the name of the lease. */
export interface Line {
  readonly event: LogEventName
  readonly fields: Readonly<Record<string, unknown>>
}

/** What of the settings a line tells. */
interface Context {
  /** The holder of the term that the event is about. */
  readonly holder: string | undefined
}

/** The log lines of what an elector reports. */
export function linesOf(event: ElectorEvent, { holder }: Context): Line[] {
  switch (event.kind) {
    case 'held': {
      const { holder: by, token, remainingMs } = event.record
      return [{ event: 'lease_held', fields: { holder: by, token, remainingMs } }]
    }
    case 'acquire-failed': {
      const { retryMs } = event
      const fields = { holder: event.holder, ...faultOf(event.error), retryMs }
      return [{ event: 'lease_acquire_failed', fields }]
    }
    case 'token-went-back': {
      const { token, previousToken } = event
      const message =
        'The store went back to an older state, and does not heed the token that it was told. The ' +
        'lease is given back, and acquired again until its token is higher than all that were seen.'
      const fields = { holder: event.holder, token, previousToken, message }
      return [{ event: 'lease_token_went_back', fields }]
    }
    case 'acquired': {
      const { token, wokenBy } = event
      return [{ event: 'lease_acquired', fields: { holder: event.holder, token, wokenBy } }]
    }
    case 'renewed':
    case 'renew-refused':
    case 'renew-failed':
      return [lineOfHeartbeat(event, holder)]
    case 'resign-requested': {
      const { token, by } = event
      return [{ event: 'lease_resign_requested', fields: { holder, token, by } }]
    }
    case 'superseded': {
      const { token, by } = event
      const message =
        'The lease is renewed, but the ledger takes another fencing token for the last that was ' +
        'granted, so that no job can start. This term ends, for one with a higher token.'
      return [{ event: 'lease_superseded', fields: { holder, token, by, message } }]
    }
    case 'ending': {
      const { token, reason } = event
      return [{ event: 'lease_ending', fields: { holder, token, reason } }]
    }
    case 'release-failed': {
      const fields = { holder: event.holder, token: event.token, ...faultOf(event.error) }
      return [{ event: 'lease_release_failed', fields }]
    }
    case 'ended': {
      const { token, reason, released } = event
      const name = released ? 'lease_released' : 'lease_lost'
      return [{ event: name, fields: { holder: event.holder, token, reason } }]
    }
    case 'stopped':
      return []
  }
}

/** Three of the classic heartbeat's events: renewed, no longer ours, timed out; and the fourth. */
function lineOfHeartbeat(
  event: Extract<ElectorEvent, { kind: 'renewed' | 'renew-refused' | 'renew-failed' }>,
  holder: string | undefined,
): Line {
  const { correlationId, token } = event
  if (event.kind === 'renewed') {
    const { latencyMs, marginMs } = event
    const fields = { correlationId, token, latencyMs, marginMs, holder }
    return { event: 'scheduler_lock_heartbeat_updated', fields }
  }
  if (event.kind === 'renew-refused') {
    const message =
      event.by === undefined
        ? 'The lease is no longer ours: it has expired, or its record is gone.'
        : `The lease is no longer ours: ${event.by.holder} has taken over.`
    const fields = { correlationId, reason: event.reason, message, holder, token }
    return { event: 'scheduler_lock_heartbeat_failed', fields }
  }
  if (event.failure === 'timeout') {
    const timeoutSeconds = event.timeoutMs / 1_000
    const message = 'The heartbeat was cancelled at its timeout. The store may be slow.'
    const fields = { correlationId, timeoutSeconds, message, holder, token }
    return { event: 'scheduler_lock_heartbeat_timeout', fields }
  }
  const fields = { correlationId, ...faultOf(event.error), holder, token }
  return { event: 'scheduler_lock_heartbeat_error', fields }
}

/** An error in the two fields that a line has of it. */
export function faultOf(error: unknown): Fault {
  return { error: codeOf(error), message: messageOf(error) }
}

/** What an event of the elector tells the main thread at this time; `undefined`: nothing. */
export function reportOf(event: ElectorEvent, atMs: number): Report | undefined {
  switch (event.kind) {
    case 'acquired':
      return { kind: 'acquired', token: event.token, holder: event.holder }
    case 'renewed': {
      const { correlationId, token, latencyMs } = event
      const outcome = 'renewed'
      return { kind: 'heartbeat', outcome, correlationId, token, atMs, latencyMs }
    }
    case 'renew-refused':
    case 'renew-failed': {
      const { correlationId, token } = event
      const outcome = event.kind === 'renew-refused' ? 'refused' : event.failure
      return { kind: 'heartbeat', outcome, correlationId, token, atMs, latencyMs: 0 }
    }
    case 'ending':
      return { kind: 'ending', token: event.token, reason: event.reason }
    case 'ended': {
      const { token, reason, released } = event
      return { kind: 'ended', token, reason, released }
    }
    default:
      return undefined
  }
}
