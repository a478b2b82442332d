import type { LeaseRecord, PushedRenewal } from '../store/lease-store.ts'
import { Asking, type SentAcquisition } from './asking.ts'
import { backoffMs } from './backoff.ts'
import type { ElectorSettings, WokenBy } from './elector-port.ts'
import { Observation } from './observation.ts'
import { PushedLooks } from './pushed-looks.ts'

/** Candidates that one push wakes spread over this time. */
export const pushJitterMsMax = 10
/** For how many ttls pushes alone are believed. */
export const believedTtls = 30
/** Candidates that wait for the same expiry spread over this time, or a twentieth of the ttl. */
const expiryJitterMsMax = 250

/** Which pushes come: none, those of changes, or those of renewals as well. */
export type Pushes = 'none' | 'changes' | 'renewals'

/** What a candidate has read of another's lease. */
interface ReadRecord {
  readonly atMs: number
  readonly token: number
  /** The last one that was read, or heard of. */
  readonly renewals: number
  readonly ttlMs: number
  /** How long after a renewal the next one is heard of; `undefined`: nobody knows. */
  readonly renewsWithinMs: number | undefined
  /** Over what time those spread who hear nothing more. */
  readonly spreadMs: number
}

/**
 * What a candidate waits for, and how long: another's lease to expire, a failing store to answer, a
 * cool-down to pass. All instants are of the monotonic clock of its elector.
 */
export class Candidacy {
  /** Whether the main thread could serve as leader now. */
  responsive = true
  /** Whether this instance may lead at all. */
  eligible = true
  /** Without pushes a candidate looks once a heartbeat interval. */
  pushes: Pushes = 'none'
  /** The acquisition under way, with its retries. */
  readonly asking: Asking = new Asking()
  readonly #random: () => number
  readonly #observation = new Observation()
  readonly #looks = new PushedLooks()
  #notBeforeMs = 0
  #coolDownUntilMs = 0
  #failures = 0
  /** Terms in a row whose tokens were not higher than one that is known. */
  #tooLow = 0
  /** Whether the waiting is for the expiry of another's lease, and not for anything else. */
  #waitsForExpiry = false
  #wokenBy: WokenBy = 'start'
  #read: ReadRecord | undefined
  /** The last token that a push has told and no reply yet. */
  #heardToken: number | undefined

  constructor(random: () => number) {
    this.#random = random
  }

  /** When the next attempt is due; never by time while this instance could not or may not lead. */
  dueMs(nowMs: number): number {
    const lookMs = Math.min(this.#notBeforeMs, this.#looks.dueMs)
    if (!this.responsive) return Infinity
    // What may have been granted is found out in any case, so that nobody has to wait for it.
    if (this.asking.isUnknown(nowMs)) return lookMs
    if (!this.eligible) return Infinity
    return Math.max(lookMs, this.#coolDownUntilMs)
  }

  /** Waits anew, as after a term: a little at random, and for a cool-down if there is one. */
  begin(nowMs: number, coolDownMs: number): void {
    this.coolDown(nowMs, coolDownMs)
    this.#wait(nowMs + this.#random() * pushJitterMsMax, 'start')
  }

  /** Is no candidate for this time; a wish in the store may ask for one that is none. */
  coolDown(nowMs: number, coolDownMs: number): void {
    const forMs = Number.isFinite(coolDownMs) ? coolDownMs : 0
    this.#coolDownUntilMs = Math.max(this.#coolDownUntilMs, nowMs + forMs)
  }

  /** How long it still is no candidate. */
  coolDownMs(nowMs: number): number {
    return Math.max(0, this.#coolDownUntilMs - nowMs)
  }

  /** An acquisition is sent. */
  sent(nowMs: number, { heartbeatMs }: ElectorSettings): void {
    if (this.#looks.dueMs < this.#notBeforeMs) this.#wokenBy = 'push'
    this.#looks.sent(nowMs, heartbeatMs)
    this.#heardToken = undefined
  }

  /** What has led to the last acquisition that was sent. */
  get wokenBy(): WokenBy {
    return this.#wokenBy
  }

  /** The store says that something changed. */
  pushed(nowMs: number): void {
    this.#looks.push(nowMs + this.#random() * pushJitterMsMax)
  }

  /**
   * The store says that another's lease was renewed just now. Of the term whose record was read it
   * is believed for no longer than that record lasts, and each renewal once; of any other one it is a
   * reason to look, and so is one that comes long after the record was read: whoever sends them without
   * end must not keep a lease that nobody holds.
   */
  pushedRenewal(renewal: PushedRenewal, nowMs: number): void {
    const read = this.#read
    if (!this.#waitsForExpiry || read === undefined) return
    if (renewal.token !== read.token) return this.pushed(nowMs)
    if (nowMs - read.atMs > read.ttlMs * believedTtls) return this.pushed(nowMs)
    const { renewals } = renewal
    if (renewals <= read.renewals) return
    const ttlMs = Math.min(renewal.ttlMs, read.ttlMs)
    this.#read = { ...read, renewals }
    this.#waitForExpiry({ nowMs, expiryMs: ttlMs, ageMs: 0 }, { ...read, ttlMs })
  }

  /** The same while an acquisition is under way, whose reply will tell more. */
  heard({ token }: PushedRenewal): void {
    this.#heardToken = token
  }

  /** The attempt failed. Its outcome is unknown: the same holder asks again after this delay. */
  failed(sent: SentAcquisition, nowMs: number, settings: ElectorSettings): number {
    this.asking.failed(sent)
    return this.#backOff(nowMs, settings)
  }

  /** Another holds the lease. */
  refused(shown: LeaseRecord, nowMs: number, settings: ElectorSettings): void {
    const record = sound(shown)
    const { heartbeatMs, safetyMarginMs: spreadMs } = settings
    this.#failures = 0
    this.asking.refused(nowMs)
    this.#observation.see(record, nowMs)
    const { token, ttlMs, renewals } = record
    if (token !== this.#read?.token) this.#looks.foundNews()
    if (this.#heardToken !== undefined && this.#heardToken !== token) this.pushed(nowMs)
    const times = { ttlMs, renewsWithinMs: renewsWithinMs(record), spreadMs }
    this.#read = { atMs: nowMs, token, renewals, ...times }
    const remainingMs = record.remainingMs ?? this.#observation.waitMs(nowMs)
    const polls = this.pushes === 'none' && heartbeatMs < remainingMs
    const expiryMs = polls ? heartbeatMs : remainingMs
    const ageMs = record.ageMs ?? this.#observation.ageMs(nowMs)
    this.#waitForExpiry({ nowMs, expiryMs, ageMs }, this.#read)
    if (polls) this.#wokenBy = 'interval'
  }

  /** The acquisition can never be granted any more; the next one is another holder's. */
  over(nowMs: number, settings: ElectorSettings): number {
    this.asking.over()
    return this.#backOff(nowMs, settings)
  }

  /** The lease was granted. */
  granted(): void {
    this.#failures = 0
    this.#read = undefined
    this.asking.over()
    this.#observation.forget()
    this.#looks.foundNews()
  }

  /** Its token is of no use: how long to wait before asking for another one. */
  tooLowMs({ retryBackoffMs, ttlMs }: ElectorSettings): number {
    const times = { baseMs: retryBackoffMs, maxMs: ttlMs }
    return backoffMs(++this.#tooLow, times, this.#random)
  }

  /** Its token is higher than all that are known. */
  highEnough(): void {
    this.#tooLow = 0
  }

  /** A record that was watched for so long that it may be taken over, whatever clocks say. */
  observed(nowMs: number): { token: number; renewals: number } | undefined {
    return this.#observation.unchangedFor(nowMs)
  }

  #backOff(nowMs: number, { retryBackoffMs, heartbeatMs }: ElectorSettings): number {
    this.#failures++
    const times = { baseMs: retryBackoffMs, maxMs: heartbeatMs }
    const retryMs = backoffMs(this.#failures, times, this.#random)
    this.#wait(nowMs + retryMs, 'retry')
    return retryMs
  }

  #wait(notBeforeMs: number, wokenBy: WokenBy): void {
    this.#notBeforeMs = notBeforeMs
    this.#wokenBy = wokenBy
    this.#waitsForExpiry = false
  }

  /** Waits for the expiry of another's lease; or until its next renewal should have been heard of. */
  #waitForExpiry(
    { nowMs, expiryMs, ageMs }: { nowMs: number; expiryMs: number; ageMs: number },
    { ttlMs, renewsWithinMs, spreadMs }: ReadRecord,
  ): void {
    const jitterMs = this.#random() * Math.min(ttlMs / 20, expiryJitterMsMax)
    const waitMs = expiryMs + 1 + jitterMs
    // Once only: the record of somebody who has been silent for longer is left to expire.
    const hears = this.pushes === 'renewals' && renewsWithinMs !== undefined
    const silenceMs =
      hears && ageMs < renewsWithinMs
        ? renewsWithinMs - ageMs + this.#random() * spreadMs
        : Infinity
    if (silenceMs < waitMs) this.#wait(nowMs + silenceMs, 'silence')
    else this.#wait(nowMs + waitMs, 'expiry')
    this.#waitsForExpiry = true
  }
}

/**
 * A record whose times are numbers. What is none, as somebody may have written it into the store, lasts
 * until the record changes: no timer can be set by it.
 */
function sound(record: LeaseRecord): LeaseRecord {
  const { ttlMs, remainingMs, ageMs } = record
  return {
    ...record,
    ttlMs: lasting(ttlMs),
    remainingMs: remainingMs === undefined ? undefined : lasting(remainingMs),
    ageMs: Number.isFinite(ageMs) ? ageMs : undefined,
  }
}

function lasting(ms: number): number {
  // JSON has no number for what is none, and PostgreSQL gives its name.
  const time = Number.parseFloat(String(ms))
  return Number.isNaN(time) ? Infinity : time
}

/** What a record says of its next renewal, if that can be. */
function renewsWithinMs({ renewsWithinMs: withinMs, ttlMs }: LeaseRecord): number | undefined {
  return withinMs !== undefined && withinMs > 0 && withinMs < ttlMs ? withinMs : undefined
}
