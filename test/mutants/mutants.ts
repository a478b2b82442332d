/** A safety rule of the lease protocol, broken by changing one place of the code. */
export interface Mutant {
  /** What is wrong, in the words of the rule. */
  readonly what: string
  readonly file: string
  /** The text that is replaced; it occurs exactly once in the file. */
  readonly from: string
  readonly to: string
}

/** For each safety rule at least one broken variant. All of them must be caught. */
export const mutants: readonly Mutant[] = [
  {
    what: 'trust is counted from the reply of a renewal, not from its send',
    file: 'src/lease/elector.ts',
    from: 'holding.renewed(attempt.sentAt, attempt.times',
    to: 'holding.renewed(readInstant(clock), attempt.times',
  },
  {
    what: 'trust is counted from the reply of an acquisition, not from its send',
    file: 'src/lease/elector.ts',
    from: 'since: attempt.sentAt,',
    to: 'since: readInstant(this.#port.clock),',
  },
  {
    what: 'there is no safety margin before the hard fence',
    file: 'src/lease/term.ts',
    from: 'return times.ttlMs - times.safetyMarginMs',
    to: 'return times.ttlMs',
  },
  {
    what: 'the soft stop leaves no time to stop work',
    file: 'src/lease/term.ts',
    from: 'return times.ttlMs - times.stopGraceMs - times.safetyMarginMs',
    to: 'return times.ttlMs - times.safetyMarginMs',
  },
  {
    what: 'the time of a suspended machine is not counted',
    file: 'src/lease/term.ts',
    from: 'if (Math.abs(wallMs - monotonicMs) <= suspendSlackMs) return monotonicMs',
    to: 'if (wallMs < Infinity) return monotonicMs',
  },
  {
    what: 'a wall clock that is set back hides that the machine was suspended',
    file: 'src/lease/term.ts',
    from: 'Math.abs(wallMs - monotonicMs)',
    to: '(wallMs - monotonicMs)',
  },
  {
    what: 'a wall clock that is set forward ends the term',
    file: 'src/lease/term.ts',
    from: 'return Math.max(monotonicMs, clock.uptimeMs() - since.uptimeMs + coarsenessMs)',
    to: 'return Math.max(monotonicMs, wallMs)',
  },
  {
    what: 'a renewal is due R after the reply of the last one',
    file: 'src/lease/holding.ts',
    from: 'this.nextRenewalMs = since.monotonicMs + times.heartbeatMs',
    to: 'this.nextRenewalMs = this.lastSentMs + times.heartbeatMs + 500',
  },
  {
    what: 'an attempt may last beyond the hard fence',
    file: 'src/lease/elector.ts',
    from: 'timeoutMs: Math.min(attemptTimeoutMs, holding.untilHardFenceMs(this.#port.clock)),',
    to: 'timeoutMs: attemptTimeoutMs,',
  },
  {
    what: 'a renewal whose outcome is unknown is taken for a success',
    file: 'src/lease/elector.ts',
    from: 'holding.failures++\n',
    to: 'holding.failures++\n    holding.since = attempt.sentAt\n',
  },
  {
    what: 'an acquisition whose outcome is unknown is taken for a success',
    file: 'src/lease/elector.ts',
    from: "    this.#port.report({ kind: 'acquire-failed', holder, failure, error, retryMs })\n",
    to:
      "    this.#port.report({ kind: 'acquire-failed', holder, failure, error, retryMs })\n" +
      '    if (this.#tokenMax < 1) return this.#acquired(attempt, 1)\n',
  },
  {
    what: 'a late success undoes the soft stop',
    file: 'src/lease/elector.ts',
    from: '} else if (late || !inTime) {',
    to: '} else if (late && !inTime && false) {',
  },
  {
    what: 'a success after the hard fence brings trust back',
    file: 'src/lease/elector.ts',
    from: "if (marginMs <= 0) return this.#end(holding.end?.reason ?? 'store-unreachable', false)",
    to: '',
  },
  {
    what: 'a soft stop that the main thread has seen is ignored',
    file: 'src/heart/cell.ts',
    from: 'return this.#isIn(phase.leading)',
    to: 'return true',
  },
  {
    what: '"not yours" does not end the term',
    file: 'src/lease/elector.ts',
    from: 'reason, by: reply.by })\n      return this.#end(reason, false)',
    to: 'reason, by: reply.by })\n      return',
  },
  {
    what: 'one failed attempt ends the term',
    file: 'src/lease/elector.ts',
    from: '    if (holding.end?.drained) this.#release()\n    else this.wake()\n  }\n\n  // ---- the end',
    to: "    this.#end('store-unreachable', false)\n  }\n\n  // ---- the end",
  },
  {
    what: 'the holder is kept over acquisitions',
    file: 'src/lease/candidacy.ts',
    from: '    this.holder = undefined\n',
    to: '',
  },
  {
    what: 'each retry of an acquisition has a new holder',
    file: 'src/lease/elector.ts',
    from: 'this.#candidacy.holder ??= this.#port.newHolder()',
    to: 'this.#candidacy.holder = this.#port.newHolder()',
  },
  {
    what: 'a record is taken over without having been watched for its ttl',
    file: 'src/lease/observation.ts',
    from: 'const observationFactor = 1.01',
    to: 'const observationFactor = 0.5',
  },
  {
    what: 'a record that was renewed meanwhile is taken for unchanged',
    file: 'src/lease/observation.ts',
    from: 'if (this.#seen?.token === token && this.#seen.renewals === renewals) return',
    to: 'if (this.#seen?.token === token) return',
  },
  {
    what: 'the lease is released though its work has not ended',
    file: 'src/lease/elector.ts',
    from: 'if (!complete) holding.end.renews = false',
    to: 'if (!complete) this.#release()',
  },
  {
    what: 'an undrained term is renewed for ever',
    file: 'src/lease/elector.ts',
    from: 'if (!complete) holding.end.renews = false',
    to: 'if (!complete) holding.end.renews = true',
  },
  {
    what: 'a stalled leader goes on renewing',
    file: 'src/lease/elector.ts',
    from: "this.#beginEnding('stalled', { renews: false })",
    to: "this.#beginEnding('stalled')",
  },
  {
    what: 'a stalled leader is released while its code still runs',
    file: 'src/lease/elector.ts',
    from: "if (this.#state === 'leading') this.#beginEnding('stalled', { renews: false })",
    to: "if (this.#state === 'leading') { this.#beginEnding('stalled'); this.#release() }",
  },
  {
    what: 'an instance that hangs is a candidate',
    file: 'src/lease/candidacy.ts',
    from: 'return this.eligible ? Math.max(this.#notBeforeMs, this.#coolDownUntilMs) : Infinity',
    to: 'return Math.max(this.#notBeforeMs, this.#coolDownUntilMs)',
  },
  {
    what: 'a token that is not higher is led with',
    file: 'src/lease/elector.ts',
    from: 'if (token <= previousToken) {',
    to: 'if (token < 0) {',
  },
  {
    what: 'a wish to resign of another term is obeyed',
    file: 'src/lease/elector.ts',
    from: '} else if (wish !== undefined && wish.token === token) {',
    to: '} else if (wish !== undefined) {',
  },
  {
    what: 'a renewal is made by name only',
    file: 'src/store/memory/lease-table.ts',
    from: "if (row.holder !== holder || row.token !== token) {\n      return { kind: 'refused'",
    to: "if (row.holder !== holder) {\n      return { kind: 'refused'",
  },
  {
    what: 'a release resets the counter of tokens',
    file: 'src/store/memory/lease-table.ts',
    from: '    this.#rows.delete(lease)\n    this.noteEnd',
    to: '    this.#rows.delete(lease)\n    this.#tokens.delete(lease)\n    this.noteEnd',
  },
  {
    what: 'a shorter ttl, or an old one that comes late, shortens the lease',
    file: 'src/store/memory/lease-table.ts',
    from: 'row.ttlMs = Math.max(ttlMs, row.ttlMs - ageMs)',
    to: 'row.ttlMs = ttlMs',
  },
  {
    what: 'a lease that has expired is renewed',
    file: 'src/store/memory/lease-table.ts',
    from: 'if (nowMs - row.renewedMs >= row.ttlMs) {',
    to: 'if (nowMs - row.renewedMs >= 2 * row.ttlMs) {',
  },
  {
    what: "the caller's wall clock decides about expiry",
    file: 'src/store/memory/lease-table.ts',
    from: 'if (row !== undefined && nowMs - row.renewedMs < row.ttlMs) {',
    to: 'if (row !== undefined && this.#clock.wallMs() % 1_000_000_000 < row.ttlMs) {',
  },
  {
    what: 'a stopped process is taken for a stalled one',
    file: 'src/heart/stall-gate.ts',
    from: 'Math.min(nowMs - this.#tickedAtMs, 2 * tickMs)',
    to: 'nowMs - this.#tickedAtMs',
  },
  {
    what: 'a run starts though the term leads no more',
    file: 'src/schedule/scheduler.ts',
    from: 'if (!term?.leads) return',
    to: 'if (term === undefined) return',
  },
  {
    what: 'runs of a job overlap',
    file: 'src/schedule/dispatcher.ts',
    from: '    lane.taken++\n    return lane',
    to: '    return lane',
  },
  {
    what: 'a retry starts though the term leads no more',
    file: 'src/schedule/dispatcher.ts',
    from: 'if (term?.leads && !paused',
    to: 'if (term !== undefined && !paused',
  },
  {
    what: 'a tick of one term is tried again in the next',
    file: 'src/schedule/dispatcher.ts',
    from: 'term?.fencingToken !== token || !term.leads',
    to: '!term?.leads',
  },
  {
    what: 'what waits outlasts its term',
    file: 'src/schedule/dispatcher.ts',
    from: "this.drop(id, 'term-ended')",
    to: 'void id',
  },
  {
    what: 'work that was told to stop is tried again',
    file: 'src/schedule/retry.ts',
    from: "outcome !== 'failed' ||",
    to: "outcome === 'succeeded' ||",
  },
  {
    what: 'a tick is tried again without end',
    file: 'src/schedule/retry.ts',
    from: ' || attempt >= attempts) return undefined',
    to: ' || attempts === 1) return undefined',
  },
  {
    what: 'the delay before a retry has no bound',
    file: 'src/schedule/retry.ts',
    from: 'Math.min(backoffMs * 2 ** (attempt - 1), backoffMaxMs)',
    to: 'Math.max(backoffMs * 2 ** (attempt - 1), backoffMaxMs * 0)',
  },
  {
    what: 'a retry gives its place to the next tick',
    file: 'src/schedule/dispatcher.ts',
    from: '    lane.retries.add(retry)\n',
    to: '    lane.retries.add(retry)\n    lane.taken--\n',
  },
  {
    what: 'a retry starts beside more runs than its job allows now',
    file: 'src/schedule/dispatcher.ts',
    from: 'const fits = lane.taken <= job.places',
    to: 'const fits = lane.taken > 0',
  },
  {
    what: 'a tick that has to wait starts beside the run',
    file: 'src/schedule/dispatcher.ts',
    from: 'if (this.#hasPlace(job)) return this.#attempt(',
    to: 'if (job.queues || this.#hasPlace(job)) return this.#attempt(',
  },
  {
    what: 'a tick that waits starts beside the runs that go on',
    file: 'src/schedule/dispatcher.ts',
    from: 'job !== undefined && this.#hasPlace(job)) {',
    to: 'job !== undefined) {',
  },
  {
    what: 'more than the latest tick waits',
    file: 'src/schedule/dispatcher.ts',
    from: 'const other = job.queues ? lane.queued : tick',
    to: 'const other = job.queues ? undefined : tick',
  },
  {
    what: 'a paused job runs what has waited',
    file: 'src/schedule/dispatcher.ts',
    from: 'term?.leads && !paused &&',
    to: 'term?.leads &&',
  },
  {
    what: 'jitter passes the next tick',
    file: 'src/schedule/timing.ts',
    from: 'Math.min(jitterMs, (nextMs ?? Infinity) - tickMs)',
    to: 'Math.max(jitterMs, (nextMs ?? 0) - tickMs)',
  },
  {
    what: 'jitter moves the ticks',
    file: 'src/schedule/scheduler.ts',
    from: 'const scheduledForMs = toWallMs(job.on, tickMs, clock)',
    to: 'const scheduledForMs = toWallMs(job.on, Math.max(tickMs, job.dueMs), clock)',
  },
  {
    what: 'a fixed delay is counted while its run goes on',
    file: 'src/schedule/scheduler.ts',
    from: 'if (waitsForEnd && this.#dispatcher.isBusy(job.id)) return',
    to: '',
  },
  {
    what: 'a clock that is set back runs a tick twice',
    file: 'src/schedule/timing.ts',
    from: 'Math.max(clock.wallMs(), lastTickMs)',
    to: 'clock.wallMs()',
  },
  {
    what: 'a job that a deploy schedules again forgets its last tick',
    file: 'src/schedule/scheduler.ts',
    from: 'Object.assign(job, { anchorMs, lastTickMs })',
    to: 'Object.assign(job, { anchorMs })',
  },
  {
    what: 'a time that the clock skips is lost',
    file: 'src/schedule/cron.ts',
    from: 'if (!namesHours) localMs =',
    to: 'if (!namesHours || change.offsetMs > change.offsetBeforeMs) localMs =',
  },
  {
    what: 'a time that occurs twice runs twice',
    file: 'src/schedule/cron.ts',
    from: 'if (!namesHours) localMs =',
    to: 'if (!namesHours || change.offsetMs < change.offsetBeforeMs) localMs =',
  },
  {
    what: 'a scheduler that starts in a repeated hour runs its times again',
    file: 'src/schedule/cron.ts',
    from: 'namesHours ? reachedLocalMs(zone, afterMs) : afterMs + offsetMs',
    to: 'afterMs + offsetMs',
  },
  {
    what: 'a job that is due in each hour stands still in a repeated one',
    file: 'src/schedule/cron.ts',
    from: 'const namesHours = !pattern.hour.every(Boolean)',
    to: 'const namesHours = true',
  },
  {
    what: 'a job that is scheduled again loses its next tick',
    file: 'src/schedule/scheduler.ts',
    from: 'if (same && isDue) {',
    to: 'if (same && !isDue) {',
  },
  {
    what: 'another schedule keeps what waits of the last',
    file: 'src/schedule/scheduler.ts',
    from: "if (previous !== undefined && !same) this.#dispatcher.drop(job.id, 'replaced')",
    to: '',
  },
  {
    what: 'a tick comes after `endAt`',
    file: 'src/schedule/timing.ts',
    from: "if (toWallMs('monotonic', tickMs, clock) > endAtMs) return undefined",
    to: '',
  },
  {
    what: 'a run that ignores its timeout is never called lost',
    file: 'src/schedule/runner.ts',
    from: 'going.timer = setLongTimer(clock, timeoutGraceMs, () => this.#lose(going))',
    to: 'going.timer = undefined',
  },
  {
    what: 'a run that is lost leaves its place while it goes on',
    file: 'src/schedule/runner.ts',
    from: "    onRun('run:lost', lost)\n",
    to: "    onRun('run:lost', lost)\n    going.onEnd(lost)\n",
  },
  {
    what: 'a run that was lost ends as if it had not been',
    file: 'src/schedule/runner.ts',
    from: "last.outcome === 'lost' ? 'lost' : outcomeOf(",
    to: 'outcomeOf(',
  },
  {
    what: 'what a handler throws is looked at without care',
    file: 'src/errors.ts',
    from: "    return 'something that throws when it is looked at'\n",
    to: "    throw new Error('looked at')\n",
  },
  {
    what: "a server's clock that was stepped forward is believed",
    file: 'src/store/postgres/server-clock.ts',
    from: 'if (gainMs > ttlMs * 0.01 + 500)',
    to: 'if (gainMs > ttlMs * 0.01 + 1e9)',
  },
]
