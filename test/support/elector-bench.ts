import type { Instant } from '../../src/clock.ts'
import type {
  Attempt,
  ElectorEvent,
  ElectorPort,
  ElectorSettings,
  TrustCell,
} from '../../src/lease/elector-port.ts'
import { Elector } from '../../src/lease/elector.ts'
import { hardFenceAfterMs, softStopAfterMs, type TrustTimes } from '../../src/lease/term.ts'
import { LeaseTable } from '../../src/store/memory/lease-table.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { Bench } from './bench.ts'

export const shortSet: ElectorSettings = {
  lease: 'scheduler',
  application: 'test',
  label: undefined,
  ttlMs: 6_000,
  heartbeatMs: 2_000,
  attemptTimeoutMs: 1_000,
  retryBackoffMs: 200,
  stopGraceMs: 600,
  safetyMarginMs: 560,
}

/** The trust cell as a record: what `heart/cell.ts` keeps in shared memory. */
export class RecordedTrust implements TrustCell {
  token: number | undefined
  since: Instant | undefined
  times: TrustTimes | undefined
  phase: 'none' | 'leading' | 'ending' = 'none'
  softStopSeen = false

  open(token: number, since: Instant, times: TrustTimes): void {
    Object.assign(this, { token, since, times, phase: 'leading', softStopSeen: false })
  }

  extend(since: Instant, times: TrustTimes): boolean {
    this.since = since
    this.times = times
    return this.phase === 'leading' && !this.softStopSeen
  }

  softStop(): void {
    this.phase = 'ending'
  }

  close(): void {
    this.phase = 'none'
  }

  isLeader(clock: FakeClock): boolean {
    if (this.phase !== 'leading' || !this.since || !this.times) return false
    return clock.monotonicMs() - this.since.monotonicMs < softStopAfterMs(this.times)
  }

  isTrusted(clock: FakeClock): boolean {
    if (this.phase === 'none' || !this.since || !this.times) return false
    return clock.monotonicMs() - this.since.monotonicMs < hardFenceAfterMs(this.times)
  }
}

/**
 * One elector on a fake clock, with a table of leases that answers at the test's word: `answer()`
 * lets the attempt in flight reach the store and its reply come back, `lose()` lets it time out.
 */
export class ElectorBench extends Bench {
  readonly table: LeaseTable
  readonly trust = new RecordedTrust()
  readonly events: ElectorEvent[] = []
  readonly abandoned: Attempt[] = []
  /** The verbs of all attempts that were made. */
  readonly verbs: Attempt['verb'][] = []
  readonly elector: Elector
  settings: ElectorSettings
  random = 0
  inFlight: Attempt | undefined
  #holders = 0

  constructor(
    options: {
      name?: string
      clock?: FakeClock
      table?: LeaseTable
      settings?: ElectorSettings
    } = {},
  ) {
    super(options.clock)
    this.table = options.table ?? new LeaseTable(this.clock)
    this.settings = options.settings ?? shortSet
    const name = options.name ?? 'a'
    let correlations = 0
    const port: ElectorPort = {
      clock: this.clock,
      trust: this.trust,
      settings: () => this.settings,
      newHolder: () => `${name}:${++this.#holders}`,
      newCorrelationId: () => `heartbeat-${++correlations}`,
      random: () => this.random,
      attempt: (attempt) => {
        this.inFlight = attempt
        this.verbs.push(attempt.verb)
      },
      abandon: (attempt) => {
        this.abandoned.push(attempt)
        if (this.inFlight === attempt) this.inFlight = undefined
      },
      report: (event) => {
        this.events.push(event)
        // Whoever hears an event may look at the elector at once: it has to be whole.
        void this.elector.nextWakeMs
      },
    }
    this.elector = new Elector(port)
    this.elector.setPushes('changes')
  }

  /** What the store makes of an attempt, now. */
  apply(attempt: Attempt): ReturnType<LeaseTable['acquire' | 'renew' | 'release' | 'noteEnd']> {
    if (attempt.verb === 'acquire') return this.table.acquire(attempt.request)
    if (attempt.verb === 'renew') return this.table.renew(attempt.request)
    if (attempt.verb === 'release') return this.table.release(attempt.request)
    return this.table.noteEnd(attempt.request.lease, attempt.request.ended)
  }

  take(): Attempt {
    const attempt = this.inFlight
    if (attempt === undefined) throw new Error(`no attempt is in flight (${this.elector.state})`)
    this.inFlight = undefined
    return attempt
  }

  /** The attempt in flight reaches the store, and the reply comes back. */
  answer(): Attempt {
    const attempt = this.take()
    this.elector.settled(attempt, { kind: 'replied', reply: this.apply(attempt) })
    return attempt
  }

  /** The attempt in flight ends without a reply; `applied`: the store has done it all the same. */
  lose(options: { applied?: boolean; failure?: 'timeout' | 'error' } = {}): Attempt {
    const attempt = this.take()
    if (options.applied) this.apply(attempt)
    const { failure = 'timeout' } = options
    this.elector.settled(attempt, { kind: 'failed', failure, error: new Error(failure) })
    return attempt
  }

  /** Lets time pass, waking the elector whenever it wants to be; attempts stay in flight. */
  advance(ms: number): void {
    const untilMs = this.clock.monotonicMs() + ms
    for (;;) {
      const wakeMs = this.elector.nextWakeMs
      if (wakeMs === undefined || wakeMs > untilMs) break
      this.clock.advance(Math.max(0, wakeMs - this.clock.monotonicMs()))
      const before = this.elector.nextWakeMs
      this.elector.wake()
      if (this.elector.nextWakeMs === before) break
    }
    this.clock.advance(untilMs - this.clock.monotonicMs())
  }

  /** Becomes leader of a free lease. */
  lead(): this {
    this.elector.start()
    this.answer()
    return this
  }

  /** Lets time pass until an attempt is in flight. */
  untilAttempt(): Attempt {
    while (this.inFlight === undefined) {
      const wakeMs = this.elector.nextWakeMs
      if (wakeMs === undefined) throw new Error(`nothing will happen (${this.elector.state})`)
      this.advance(Math.max(0, wakeMs - this.clock.monotonicMs()))
    }
    return this.inFlight
  }

  kinds(): ElectorEvent['kind'][] {
    return this.events.map((event) => event.kind)
  }

  last<Kind extends ElectorEvent['kind']>(kind: Kind): Extract<ElectorEvent, { kind: Kind }> {
    const event = this.events.findLast((candidate) => candidate.kind === kind)
    if (event === undefined) throw new Error(`no event ${kind} among ${this.kinds().join(', ')}`)
    return event as Extract<ElectorEvent, { kind: Kind }>
  }
}
