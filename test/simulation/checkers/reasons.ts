import { stallTickMs } from '../../../src/heart/stall-gate.ts'
import { ofKind, type Fact, type Violation } from '../history.ts'
import type { Times } from '../scenario.ts'
import type { Recording } from '../simulation.ts'
import { endsOf, Hindrances } from './hindrances.ts'

type Of<Kind extends Fact['kind']> = Extract<Fact, { kind: Kind }>

/** An attempt that takes so little less than its timeout may miss it. */
const slackMs = 100
/** Between two blocks that are so close the main thread may have had no time for a sign of life. */
const touchingMs = 50

/** Every loss has the reason that what was done to its instance explains, and no other. */
export function checkReasons(recording: Recording): Violation[] {
  const { facts } = recording
  const violations: Violation[] = []
  const evidence = new Evidence(recording)
  const ended = ofKind(facts, 'ended')
  for (const end of ended) {
    const fault = evidence.faultOf(end)
    if (fault === undefined) continue
    const { atMs, who } = end
    violations.push({ rule: 'every loss has the right reason', atMs, who, what: fault })
  }
  for (const lost of ofKind(facts, 'lost')) {
    const fault = evidence.faultOfLost(lost)
    if (fault === undefined) continue
    const { atMs, who } = lost
    violations.push({ rule: 'the application hears the right reason', atMs, who, what: fault })
  }
  return [...violations, ...checkRecords(recording)]
}

/** What is known of the circumstances of a loss. */
class Evidence {
  readonly #recording: Recording
  readonly #hindrances: Hindrances
  readonly #calls: Map<string, Of<'call'>[]>
  readonly #endings: Map<string, Of<'ending'>>
  readonly #ends: Map<string, Of<'ended'>>

  constructor(recording: Recording) {
    const { facts } = recording
    this.#recording = recording
    this.#hindrances = new Hindrances(recording)
    this.#calls = Map.groupBy(ofKind(facts, 'call'), ({ who, heart }) => `${who} ${heart}`)
    const key = ({ who, token }: { who: string; token: number }): string => `${who} ${token}`
    this.#endings = new Map(ofKind(facts, 'ending').map((ending) => [key(ending), ending]))
    this.#ends = new Map(ofKind(facts, 'ended').map((end) => [key(end), end]))
  }

  /** What is wrong about the reason that a heart gave, if anything is. */
  faultOf(end: Of<'ended'>): string | undefined {
    const { who, heart, token, reason } = end
    const ending = this.#endings.get(`${who} ${token}`)
    const decidedMs = ending?.reason === reason ? ending.atMs : end.atMs
    const calls = (this.#calls.get(`${who} ${heart}`) ?? []).filter(
      (call) => call.token === token && call.atMs < decidedMs,
    )
    const renewals = calls.filter(({ verb }) => verb === 'renew')
    const say = (why: string): string => `${token} ended as ${reason}, though ${why}`
    switch (reason) {
      case 'resigned':
        return this.#wasWished(end, decidedMs) ? undefined : say('nobody wished it')
      case 'stopped':
      case 'crashed': {
        const last = this.#lastStep(who, decidedMs)
        const right = last === 'exits' || (reason === 'stopped' && last === 'stops')
        return right ? undefined : say(`the process was not ending`)
      }
      case 'stalled': {
        const blockedMs = this.#hindrances.blockedMs(who, heart, decidedMs, touchingMs)
        const limitsMs = this.#recording.scenario.times.map(({ stallLimit }) => stallLimit)
        const limitMs = Math.min(...limitsMs)
        // Each time that the heart itself was held up may count for a tick, or two, of the times
        // that were in force until then.
        const thread = this.#hindrances.threadOf(who, heart)
        const held = this.#hindrances.times(who, thread, decidedMs - 2 * blockedMs, decidedMs)
        const ticksMs = 3 * stallTickMs(limitMs) + 2 * held * stallTickMs(Math.max(...limitsMs))
        if (blockedMs >= limitMs - ticksMs - slackMs) return undefined
        return say(`the main thread was blocked for ${Math.round(blockedMs)} ms only`)
      }
      case 'stolen': {
        const right = renewals.some(({ carriedOut, holder }) =>
          carriedOut.some(
            ({ found }) => found === 'nobody' || found.holder !== holder || found.token !== token,
          ),
        )
        return right ? undefined : say('nobody else held it')
      }
      case 'expired':
      case 'store-unreachable':
        return this.#faultOfTime(end, decidedMs, calls, say)
    }
  }

  /** What is wrong about the reason that the application was given. */
  faultOfLost({ who, token, reason, atMs }: Of<'lost'>): string | undefined {
    const key = `${who} ${token}`
    const end = this.#ends.get(key)
    const ending = this.#endings.get(key)
    if (reason === end?.reason || reason === ending?.reason) return undefined
    const led = ofKind(this.#recording.facts, 'led').find(
      (fact) => fact.who === who && fact.token === token,
    )
    if (led === undefined) return `it never led with ${token}`
    // A heart that is held up, or dead, or unheard, says nothing: trust runs out without it.
    const thread = this.#hindrances.threadOf(who, led.heart)
    const silent =
      this.#hindrances.ms(who, thread, led.atMs, atMs) > 300 ||
      this.#hindrances.ms(who, 'main', led.atMs, atMs) > 300 ||
      this.#hasDied(who, led.heart)
    if (reason === 'expired' && silent) return undefined
    // Its end may let it start again in the same instant.
    const steps = [this.#lastStep(who, atMs), ending ?? this.#lastStep(who, atMs - 0.001)]
    if (reason === 'stopped' && steps.includes('stops')) return undefined
    return `${token} was lost as ${reason}, and ended as ${end?.reason ?? 'nothing'}`
  }

  #faultOfTime(
    { who, heart, reason }: Of<'ended'>,
    decidedMs: number,
    calls: Of<'call'>[],
    say: (why: string) => string,
  ): string | undefined {
    const late = calls.find(({ reply }) => reply === 'refused: expired')
    if (reason === 'expired' && late !== undefined) {
      const right = late.carriedOut.some(
        ({ found }) => found !== 'nobody' && found.remainingMs <= 0,
      )
      return right ? undefined : say('the store had not let it expire')
    }
    const good = calls.findLast(
      ({ reply, settledAtMs }) =>
        /^(acquired|renewed)/.test(reply ?? '') && (settledAtMs ?? Infinity) < decidedMs,
    )
    const first = good ?? calls[0]
    if (first === undefined) return say('it had asked for nothing')
    const times = this.#timesOf(first)
    const thread = this.#hindrances.threadOf(who, heart)
    const hinderedMs = this.#hindrances.ms(who, thread, first.atMs, decidedMs)
    const failed = calls.filter(
      (call) =>
        call.verb === 'renew' &&
        call.atMs > first.atMs &&
        ((call.settledAtMs ?? Infinity) > call.atMs + times.attemptTimeout - slackMs ||
          call.how !== 'replied'),
    ).length
    if (reason === 'store-unreachable') {
      // A renewal that took longer than the heartbeat interval has put off the next one.
      const slow = (first.settledAtMs ?? Infinity) - first.atMs > times.heartbeat - slackMs
      if (failed >= 2 || (failed === 1 && (hinderedMs > 0 || slow))) return undefined
      if (hinderedMs > slackMs || this.#looksCoarsely(first, decidedMs)) return undefined
      return say(failed === 0 ? 'no attempt failed' : 'one attempt only failed')
    }
    const { ttl, stopGrace, safetyMargin, heartbeat } = times
    const idleMs = ttl - stopGrace - safetyMargin - heartbeat
    if (failed > 0) return say('attempts were made, and failed')
    const coarseMs = this.#looksCoarsely(first, decidedMs) ? 2_000 : 0
    if (hinderedMs + coarseMs > idleMs - 3 * slackMs) return undefined
    return say(`its thread was held up for ${Math.round(hinderedMs)} ms only`)
  }

  /**
   * Where only whole seconds of uptime are known, a wall clock that was set costs up to two: the
   * machine may have been suspended for so long.
   */
  #looksCoarsely({ who, atMs, sentBootMs }: Of<'call'>, byMs: number): boolean {
    const { instances } = this.#recording.scenario
    const grainMs = instances[who.charCodeAt(0) - 97]?.uptimeGrainMs ?? 1_000
    if ((Math.floor(sentBootMs / grainMs) * grainMs) % 1_000 !== 0) return false
    return this.#recording.facts.some(
      (fact) =>
        fact.kind === 'fault' &&
        fact.who.startsWith(who.slice(0, 1)) &&
        /wall-step|suspend/.test(fact.what) &&
        fact.atMs >= atMs - 100_000 &&
        fact.atMs <= byMs,
    )
  }

  #timesOf({ ttlMs }: Of<'call'>): Times {
    const { times } = this.#recording.scenario
    return times.find(({ ttl }) => ttl === ttlMs) ?? times[0]
  }

  #wasWished({ who, heart, token }: Of<'ended'>, byMs: number): boolean {
    const thread = this.#hindrances.threadOf(who, heart)
    const led = ofKind(this.#recording.facts, 'led').some(
      (fact) => fact.who === who && fact.token === token,
    )
    return this.#recording.facts.some((fact) => {
      if (fact.atMs > byMs) return false
      // Who has resigned gives back what it acquires, because it asked before, in its cool-down.
      if (fact.kind === 'resign' && fact.who === who && !led && byMs - fact.atMs < 60_000)
        return true
      if (fact.kind === 'wish') return fact.token === token
      if (fact.kind !== 'resign' || fact.who !== who) return false
      // Who resigns while its main thread has not heard of its new term ends that one, too.
      const underWayMs = byMs - fact.atMs - this.#hindrances.ms(who, thread, fact.atMs, byMs)
      return fact.token === token || underWayMs < slackMs
    })
  }

  #lastStep(who: string, byMs: number): string | undefined {
    return ofKind(this.#recording.facts, 'process').findLast(
      (fact) => fact.who === who && fact.atMs <= byMs && fact.what !== 'is gone',
    )?.what
  }

  #hasDied(who: string, heart: string): boolean {
    return ofKind(this.#recording.facts, 'heart-died').some(
      (fact) => fact.who === who && fact.heart === heart,
    )
  }
}

/** The history of terms in the store says why each ended, where its instance was able to tell. */
function checkRecords({ facts }: Recording): Violation[] {
  const violations: Violation[] = []
  const reading = ofKind(facts, 'read').at(-1)?.reading
  const rule = 'the history of terms has the right reason'
  const gone = endsOf(facts)
  const calls = ofKind(facts, 'call')
  const ends = ofKind(facts, 'ended')
  const endings = ofKind(facts, 'ending')
  for (const [index, { token, reason, holder }] of (reading?.terms ?? []).entries()) {
    const who = holder.split('.')[0] ?? ''
    const end = ends.find((one) => one.who === who && one.token === token)
    const was = `${token} stands there as ${reason ?? 'unfinished'}`
    const violation = { rule, atMs: end?.atMs ?? 0, who, what: was }
    if (end === undefined) {
      const ending = endings.find((one) => one.who === who && one.token === token)
      // A release may be the last that is heard of a heart, and of its term.
      const asked = calls.some((call) => call.verb === 'release' && call.token === token)
      const known = [undefined, 'crashed', ending?.reason].includes(reason)
      const right = gone.has(who) || asked || known
      if (!right || (index > 0 && reason === undefined)) violations.push(violation)
      continue
    }
    const told = calls.some(
      (call) => call.verb === 'note' && call.token === token && call.how === 'replied',
    )
    if (
      end.released || told ? reason !== end.reason : reason !== 'crashed' && reason !== end.reason
    ) {
      if (reason !== undefined || index > 0) {
        violations.push({ ...violation, what: `${was}, and ended as ${end.reason}` })
      }
    }
  }
  return violations
}
