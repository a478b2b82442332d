// Random histories of calls of a ledger, and whether two stores answer them alike.
import assert from 'node:assert/strict'

import type {
  LedgerAuthor,
  LedgerRunOutcome,
  RunClaim,
  RunEnd,
  RunEndOutcome,
  TickSkip,
} from '../../src/store/ledger-store.ts'
import type { StoreScheduleRequest } from '../../src/store/stored-schedule.ts'
import { Random } from '../chaos/random.ts'
import type { Side } from './ledger-sides.ts'

const signal = new AbortController().signal
const calls = 24

/** Twins by case, by spaces, by accents; what SQL, patterns and objects give a meaning; beyond 16 bits. */
const names = [
  ...([
    'job',
    'Job',
    'job ',
    ' job',
    'j\u00F6b',
    'jo\u0308b',
    "it's",
    '"quoted"',
    '%_*\\',
  ] as const),
  ...(['__proto__', '$1', '\u8C03\u5EA6', '\u{1F512}', '\uFF5E', 'x'.repeat(255)] as const),
] as const
const errors = [undefined, 'went wrong', 'a\0b \uD800 \u{1F512}', 'x'.repeat(3_000)] as const
const outcomes = ['succeeded', 'failed', 'timed-out', 'aborted', 'lost'] as const
const reasons = ['overlap', 'queue', 'limit', 'overdue', 'paused'] as const

/** A call of a history. What names a revision names the nth that was told, or 0. */
type Verb =
  | 'tryRegister'
  | 'tryClaim'
  | 'tryRecord'
  | 'tryAbandon'
  | 'tryPrune'
  | 'trySetPaused'
  | 'tryStoreSchedule'
  | 'tryRemoveSchedule'
  | 'readSchedules'
  | 'readJobs'
  | 'readRuns'
interface Call {
  readonly verb: Verb
  readonly request: object
  /** By which of two clients. */
  readonly client: 0 | 1
}
type Deed = Call | { readonly verb: 'take over' }

const byTick = (a: { tickMs: number }, b: { tickMs: number }): number => a.tickMs - b.tickMs

/** Draws calls that have something to do with one another. */
class HistoryMaker {
  readonly #random: Random
  readonly #lease: string
  readonly #jobs: readonly string[]
  readonly #claims: RunClaim[] = []
  readonly #calls: Call[] = []
  #token = 1
  #tickMs = 5
  #runs = 0

  constructor(seed: number, lease: string) {
    this.#random = new Random(seed)
    this.#lease = lease
    this.#jobs = Array.from({ length: 4 }, () => this.#random.pick(names))
  }

  next(): Deed {
    const random = this.#random
    const before = this.#calls.at(-random.whole(1, 6))
    // The reply was lost, and the call is made again, perhaps after others.
    if (before !== undefined && random.chance(0.2)) return { ...before, client: this.#client() }
    if (random.chance(0.06)) {
      this.#token++
      return { verb: 'take over' }
    }
    const [verb, request] = this.#calls.length === 0 ? this.#first() : this.#draw()
    const call = { verb, request: { lease: this.#lease, ...request }, client: this.#client() }
    this.#calls.push(call)
    return call
  }

  /** Most jobs are known from the beginning. */
  #first(): [Verb, object] {
    const jobs = [...new Set(this.#jobs.slice(1))].map((jobId) => ({
      jobId,
      schedule: 'every 1s',
      anchorMs: 0,
      cursorMs: 1,
    }))
    return ['tryRegister', { token: this.#token, jobs }]
  }

  #draw(): [Verb, object] {
    const random = this.#random
    const jobIds = [...new Set([this.#job(), this.#job()])]
    const jobId = this.#job()
    const verb = random.pick([
      ...(['tryRegister', 'tryRegister', 'tryClaim', 'tryClaim', 'tryClaim', 'tryClaim'] as const),
      ...(['tryRecord', 'tryRecord', 'tryRecord', 'tryAbandon', 'tryPrune', 'tryPrune'] as const),
      ...(['trySetPaused', 'tryStoreSchedule', 'tryStoreSchedule', 'tryRemoveSchedule'] as const),
      ...(['readSchedules', 'readJobs', 'readRuns'] as const),
    ])
    const limit = random.whole(1, 5)
    switch (verb) {
      case 'tryRegister': {
        const schedule = random.pick(['every 1s', 'every 2s', this.#job()])
        const jobs = jobIds.map((id) => ({ jobId: id, schedule, ...this.#start() }))
        return [verb, { ...this.#author(), jobs }]
      }
      case 'tryClaim':
        return [
          verb,
          { ...this.#author(), claims: this.#some(3, () => this.#claim()).toSorted(byTick) },
        ]
      case 'tryRecord': {
        const ends = this.#some(2, () => this.#end())
        return [
          verb,
          { ...this.#author(), ends, skips: this.#some(2, () => this.#skip()).toSorted(byTick) },
        ]
      }
      case 'tryAbandon':
        return [verb, { ...this.#author(), atMs: this.#tickMs }]
      case 'tryPrune': {
        const bounds = { keepRuns: random.whole(0, 3), keepAgeMs: random.whole(0, 12) }
        const forgetAgeMs = random.whole(0, 12)
        const followedRevision = random.whole(0, 5)
        const afterJobId = random.chance(0.2) ? jobId : undefined
        const rest = { forgetAgeMs, nowMs: this.#tickMs, followedRevision, afterJobId }
        return [verb, { ...this.#author(), ...bounds, ...rest }]
      }
      case 'trySetPaused': {
        const registers = random.chance(0.3)
        const wish = { paused: random.chance(0.6), registers, nowMs: this.#tickMs }
        return [verb, { jobIds, ...wish }]
      }
      case 'tryStoreSchedule':
        return [verb, this.#stored(jobId)]
      case 'tryRemoveSchedule':
        return [verb, { jobId }]
      case 'readSchedules':
        return [verb, { afterRevision: random.whole(0, 5), limit }]
      case 'readJobs':
        return [verb, { afterJobId: random.chance(0.3) ? jobId : undefined, limit }]
      case 'readRuns':
        return [verb, { jobId: random.chance(0.5) ? jobId : undefined, limit }]
    }
  }

  #stored(jobId: string): Omit<StoreScheduleRequest, 'lease'> {
    const random = this.#random
    const words = random.pick(['every 1m', 'every 2m', this.#job()])
    const schedule = { jobId, handler: this.#job(), words, text: '{"a":"\\u0000\u{1F512}"}' }
    const onConflict = random.pick(['replace', 'replace', 'keep', 'error'] as const)
    return { schedule: { ...schedule, storedAtMs: this.#tickMs }, onConflict }
  }

  #claim(): RunClaim {
    const random = this.#random
    const before = random.chance(0.3) ? this.#known() : undefined
    const trigger = before?.trigger ?? (random.chance(0.8) ? 'tick' : 'manual')
    const isNext = before !== undefined && random.chance(0.7)
    const claim: RunClaim = {
      jobId: before?.jobId ?? this.#job(),
      tickMs: before?.tickMs ?? this.#tick(),
      attempt: isNext ? before.attempt + 1 : (before?.attempt ?? 1),
      runId: `run ${++this.#runs}`,
      trigger,
      correlationId: `correlation ${this.#runs}`,
      startedAtMs: this.#tickMs + random.whole(0, 2),
      rerun: random.chance(0.5),
      follows: isNext ? before.runId : undefined,
    }
    this.#claims.push(claim)
    return claim
  }

  #end(): RunEnd {
    const random = this.#random
    const run = this.#known() ?? this.#claim()
    const { jobId, tickMs, attempt, trigger } = run
    const runId = random.chance(0.1) ? 'another' : run.runId
    const outcome: RunEndOutcome & LedgerRunOutcome = random.pick(outcomes)
    const finishedAtMs = this.#tickMs + random.whole(0, 1)
    const retryAtMs = random.chance(0.3) ? finishedAtMs + 1.5 : undefined
    const key = { jobId, tickMs, attempt, runId, trigger }
    return { ...key, outcome, finishedAtMs, error: random.pick(errors), retryAtMs }
  }

  #skip(): TickSkip {
    const random = this.#random
    const tickMs = this.#tick()
    const untilTickMs = tickMs + random.pick([0, 0, 3])
    const count = untilTickMs === tickMs ? 1 : 4
    return { jobId: this.#job(), tickMs, untilTickMs, count, reason: random.pick(reasons) }
  }

  #author(): Omit<LedgerAuthor, 'lease'> {
    const random = this.#random
    const other = random.chance(0.5) ? this.#token + 1 : Math.max(1, this.#token - 1)
    return { token: random.chance(0.88) ? this.#token : other }
  }

  #start(): { anchorMs: number; cursorMs: number } {
    return { anchorMs: this.#tick(), cursorMs: this.#tickMs - this.#random.whole(0, 6) }
  }

  /** A tick: time passes, and not always in whole milliseconds. */
  #tick(): number {
    this.#tickMs += this.#random.pick([0, 1, 1, 2, 0.123_456_789])
    return this.#tickMs - this.#random.pick([0, 0, 0, 0, 0, 1])
  }

  #some<Item>(most: number, make: () => Item): Item[] {
    return Array.from({ length: this.#random.whole(0, most) }, make)
  }

  #known(): RunClaim | undefined {
    const most = Math.min(6, this.#claims.length)
    return most === 0 ? undefined : this.#claims.at(-this.#random.whole(1, most))
  }

  #job(): string {
    return this.#jobs[this.#random.whole(0, this.#jobs.length - 1)] ?? ''
  }

  #client(): 0 | 1 {
    return this.#random.chance(0.5) ? 0 : 1
  }
}

/** One store under a history. */
class Walk {
  readonly #side: Side
  readonly #lease: string
  readonly #revisions: number[] = []
  #holder: { readonly holder: string; readonly token: number } | undefined

  constructor(side: Side, lease: string) {
    this.#side = side
    this.#lease = lease
  }

  /** The reply to a call, with revisions by their places; or the error. */
  async do(deed: Deed): Promise<unknown> {
    if (deed.verb === 'take over') return this.takeOver()
    const ledger = this.#side.ledgers[deed.client]
    const request = this.#ownRevisions(deed.request)
    const call = ledger[deed.verb] as (request: object, signal: AbortSignal) => Promise<object>
    try {
      return this.#placeRevisions(await call.call(ledger, request, signal))
    } catch (error) {
      return { error: error instanceof Error ? error.message : error }
    }
  }

  async takeOver(): Promise<number> {
    const lease = this.#lease
    const { leases } = this.#side
    if (this.#holder)
      await leases.tryRelease({ lease, ...this.#holder, reason: 'resigned' }, signal)
    const holder = `holder ${this.#holder?.token ?? 0}`
    const times = { ttlMs: 60_000, application: 'test', label: undefined, observed: undefined }
    const reply = await leases.tryAcquire({ lease, holder, ...times }, signal)
    assert.equal(reply.kind, 'acquired')
    if (reply.kind !== 'acquired') return 0
    this.#holder = { holder, token: reply.token }
    return reply.token
  }

  async rows(): Promise<unknown> {
    const rows = await this.#side.rows(this.#lease)
    const revisions = rows.schedule.map(({ revision }) => Number(revision))
    const order = revisions.toSorted((a, b) => a - b)
    const schedule = rows.schedule.map((row) => ({
      ...row,
      revision: order.indexOf(Number(row['revision'])),
    }))
    return { ...rows, schedule }
  }

  #ownRevisions(request: object): object {
    const own = (place: unknown): number => this.#revisions[Number(place)] ?? 0
    if ('afterRevision' in request) return { ...request, afterRevision: own(request.afterRevision) }
    if (!('followedRevision' in request)) return request
    return { ...request, followedRevision: own(request.followedRevision) }
  }

  #placeRevisions(reply: object): object {
    if (!('changes' in reply)) return reply
    const changes = reply.changes as readonly { revision: number }[]
    const placed = changes.map(({ revision, ...change }) => {
      if (!this.#revisions.includes(revision)) this.#revisions.push(revision)
      return { ...change, revision: this.#revisions.indexOf(revision) }
    })
    return { ...reply, changes: placed }
  }
}

/** Carries one history out on each side, and throws where they differ. */
export async function compareSides(sides: readonly Side[], seed: number): Promise<void> {
  const lease = `${names[seed % names.length]?.slice(0, 200)} ${seed}`
  const maker = new HistoryMaker(seed, lease)
  const walks = sides.map((side) => ({ side, walk: new Walk(side, lease) }))
  const history: string[] = []
  const compare = async (what: string, look: (walk: Walk) => Promise<unknown>): Promise<void> => {
    const told = await Promise.all(walks.map(({ walk }) => look(walk)))
    for (const [index, { side }] of walks.entries()) {
      const where = `${side.name} and ${sides[0]?.name} differ in ${what}, with the seed ${seed}`
      try {
        assert.deepStrictEqual(told[index], told[0])
      } catch (cause) {
        const difference = cause instanceof Error ? cause.message : ''
        throw new Error([where, difference, ...history].join('\n'), { cause })
      }
    }
  }
  await compare('the first term', (walk) => walk.takeOver())
  for (let step = 1; step <= calls; step++) {
    const deed = maker.next()
    history.push(JSON.stringify(deed))
    await compare(`the reply to ${deed.verb}, step ${step}`, (walk) => walk.do(deed))
    if (step % 6 === 0) await compare(`the rows after step ${step}`, (walk) => walk.rows())
  }
}

/** Compares one history after the other, in stores that are made for it. */
export async function compareHistories(
  makers: readonly (() => Promise<Side>)[],
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  const sides = await Promise.all(makers.map((make) => make()))
  try {
    for (let seed = from; seed <= to; seed++) await compareSides(sides, seed)
  } finally {
    await Promise.all(sides.map((side) => side.end()))
  }
}
