import type { LeaseRecord, PushedRenewal } from '../store/lease-store.ts'
import { backoffMs } from './backoff.ts'
import type { ElectorSettings } from './elector-port.ts'
import { Observation } from './observation.ts'

/** Candidates that one push wakes spread over this time. */
export const pushJitterMsMax = 10
/** Candidates that wait for the same expiry spread over this time, or a twentieth of the ttl. */
const expiryJitterMsMax = 250

/**
 * What a candidate waits for, and how long: another's lease to expire, a failing store to answer, a
 * cool-down to pass. All instants are of the monotonic clock of its elector.
 */
export class Candidacy {
  /** Whether the main thread could serve as leader now. */
  responsive = true
  /** Whether this instance may lead at all. */
  eligible = true
  /** Whether pushes come. Without them a candidate looks once a heartbeat interval. */
  pushWorks = false
  /** The identity of the acquisition under way, kept over its retries. */
  holder: string | undefined
  readonly #random: () => number
  readonly #observation = new Observation()
  #notBeforeMs = 0
  #coolDownUntilMs = 0
  #failures = 0
  /** Whether the waiting is for the expiry of another's lease, and not for anything else. */
  #waitsForExpiry = false

  constructor(random: () => number) {
    this.#random = random
  }

  /** When the next attempt is due; never by time while this instance could not or may not lead. */
  get dueMs(): number {
    if (!this.responsive || !this.eligible) return Infinity
    return Math.max(this.#notBeforeMs, this.#coolDownUntilMs)
  }

  /** Waits anew, as after a term: a little at random, and for a cool-down if there is one. */
  begin(nowMs: number, coolDownMs: number): void {
    this.#coolDownUntilMs = nowMs + coolDownMs
    this.#wait(nowMs + this.#random() * pushJitterMsMax)
  }

  /** The store says that something changed. */
  pushed(nowMs: number): void {
    this.#notBeforeMs = Math.min(this.#notBeforeMs, nowMs + this.#random() * pushJitterMsMax)
  }

  /** The store says that another's lease was renewed just now. */
  pushedRenewal(renewal: PushedRenewal, nowMs: number): void {
    if (!this.#waitsForExpiry) return
    this.#observation.see(renewal, nowMs)
    this.#waitForExpiry(nowMs + renewal.ttlMs, renewal.ttlMs)
  }

  /** The attempt failed. Its outcome is unknown: the same holder asks again after this delay. */
  failed(nowMs: number, { retryBackoffMs, heartbeatMs }: ElectorSettings): number {
    this.#failures++
    const times = { baseMs: retryBackoffMs, maxMs: heartbeatMs }
    const retryMs = backoffMs(this.#failures, times, this.#random)
    this.#wait(nowMs + retryMs)
    return retryMs
  }

  /** Another holds the lease. */
  refused(record: LeaseRecord, nowMs: number, { heartbeatMs }: ElectorSettings): void {
    this.#answered()
    this.#observation.see(record, nowMs)
    const expiryMs = record.remainingMs ?? this.#observation.waitMs(nowMs)
    const waitMs = this.pushWorks ? expiryMs : Math.min(expiryMs, heartbeatMs)
    this.#waitForExpiry(nowMs + waitMs, record.ttlMs)
  }

  /** The lease was granted. */
  granted(): void {
    this.#answered()
    this.#observation.forget()
  }

  /** A record that was watched for so long that it may be taken over, whatever clocks say. */
  observed(nowMs: number): { token: number; renewals: number } | undefined {
    return this.#observation.unchangedFor(nowMs)
  }

  #answered(): void {
    this.#failures = 0
    this.holder = undefined
  }

  #wait(notBeforeMs: number): void {
    this.#notBeforeMs = notBeforeMs
    this.#waitsForExpiry = false
  }

  #waitForExpiry(expiryMs: number, ttlMs: number): void {
    const jitterMs = this.#random() * Math.min(ttlMs / 20, expiryJitterMsMax)
    this.#wait(expiryMs + 1 + jitterMs)
    this.#waitsForExpiry = true
  }
}
