import { jobMutants } from '../mutants/job-mutants.ts'
import { leaseMutants } from '../mutants/lease-mutants.ts'
import { ledgerMutants } from '../mutants/ledger-mutants.ts'
import type { SimulatedMutant } from '../mutants/mutant.ts'

/** Broken variants that only many instances together can show, and stronger forms of others. */
const more: readonly SimulatedMutant[] = [
  {
    what: 'a renewal that nobody answered counts as a success',
    file: 'src/lease/holding.ts',
    from: 'this.#failures++\n',
    to:
      'this.#failures++\n    this.#renewed(attempt.sentAt, attempt.times)\n' +
      '    this.#port.trust.extend(this.#since, this.#times)\n',
    seed: 1,
  },
  {
    what: 'a renewal is made by the name of the lease alone',
    file: 'src/store/memory/lease-table.ts',
    from: "if (row.holder !== holder || row.token !== token) {\n      return { kind: 'refused'",
    to: "if (holder === '') {\n      return { kind: 'refused'",
    seed: 1,
  },
  {
    what: 'a release is made by the name of the lease alone',
    file: 'src/store/memory/lease-table.ts',
    from: 'if (row === undefined || row.holder !== holder || row.token !== token) {',
    to: 'if (row === undefined) {',
    seed: 7,
  },
  {
    what: 'the token is counted in the record, which a release deletes',
    file: 'src/store/memory/lease-table.ts',
    from: 'nextToken(lease, [this.tokenOf(lease), knownToken])',
    to: 'nextToken(lease, [row?.token ?? 0])',
    seed: 1,
  },
  {
    what: 'trust never runs out by itself',
    file: 'src/heart/cell.ts',
    from: 'return Math.max(0, this.#hardFenceAfterMs - elapsedMs(this.#since, this.#clock))',
    to: 'return Math.max(1, this.#hardFenceAfterMs - elapsedMs(this.#since, this.#clock))',
    seed: 5,
  },
  {
    what: 'what is released is trusted until the store has answered',
    file: 'src/lease/holding.ts',
    from: "    this.#state = 'releasing'\n    this.#port.trust.close()\n",
    to: "    this.#state = 'releasing'\n",
    seed: 10,
  },
  {
    what: 'a candidate that is refused asks again at once',
    file: 'src/lease/candidacy.ts',
    from: '    this.#waitForExpiry({ nowMs, expiryMs, ageMs }, this.#read)\n    if (polls)',
    to: "    this.#wait(nowMs, 'retry')\n    if (polls)",
    seed: 1,
  },
  {
    what: 'a candidate that has failed does not try again',
    file: 'src/lease/elector.ts',
    from:
      "    this.#port.report({ kind: 'acquire-failed', holder, failure, error, retryMs })\n" +
      '    this.#toWaiting()\n',
    to: "    this.#port.report({ kind: 'acquire-failed', holder, failure, error, retryMs })\n",
    seed: 3,
  },
  {
    what: 'longer times that come while a renewal is under way put off the next one',
    file: 'src/lease/holding.ts',
    from: 'this.#renewed(attempt.sentAt, attempt.times)',
    to:
      'const { heartbeatMs } = this.#port.settings()\n' +
      '    this.#renewed(attempt.sentAt, { ...attempt.times, heartbeatMs })',
    seed: 350,
  },
  {
    what: 'a longer attempt timeout is in force before the ttl that belongs to it',
    file: 'src/lease/holding.ts',
    from: 'attemptTimeoutMs: Math.min(settings.attemptTimeoutMs, times.attemptTimeoutMs),',
    to: 'attemptTimeoutMs: settings.attemptTimeoutMs,',
    seed: 60,
  },
  {
    what: 'the coarseness of the uptime is that of each look',
    file: 'src/lease/term.ts',
    from: 'since.uptimeMs % 1_000 === 0',
    to: 'clock.uptimeMs() % 1_000 === 0',
    seed: 36,
  },
  {
    what: 'what drains is not stopped before its trust has run out',
    file: 'src/instance/term-watch.ts',
    from: 'if (untilAbortMs <= 0) this.#abortWork(this.#reason)',
    to: '',
    seed: 3,
  },
  {
    what: 'the last word of a heart is waited for anew at each sign of life',
    file: 'src/instance/term-watch.ts',
    from: 'if (this.#isOver || this.#awaitsLastWord) return',
    to: 'if (this.#isOver) return',
    seed: 64,
  },
  {
    what: 'only timers stop work, however late a suspension makes them',
    file: 'src/instance/instance.ts',
    from: 'onPulse: () => this.leadership.look(),',
    to: 'onPulse: () => {},',
    seed: 55,
  },
  {
    what: 'a stop does not cut short the drain of a term that was resigned before',
    file: 'src/instance/term-watch.ts',
    from: '    this.#deadline?.shorten(drainMs)\n',
    to: '',
    seed: 50003049,
  },
]

/** Rules of the options of jobs. */
const optionRules = [
  'a retry starts though the term leads no more',
  'a tick of one term is tried again in the next',
  'what waits outlasts its term',
  'work that was told to stop is tried again',
  'a tick is tried again without end',
  'the delay before a retry has no bound',
  'a retry gives its place to the next tick',
  'a retry starts beside more runs than its job allows now',
  'a tick that has to wait starts beside the run',
  'a tick that waits starts beside the runs that go on',
  'more than the latest tick waits',
  'a paused job runs what has waited',
  'jitter passes the next tick',
  'jitter moves the ticks',
  'a fixed delay is counted while its run goes on',
  'a job that is scheduled again loses its next tick',
  'another schedule keeps what waits of the last',
  'a tick comes after `endAt`',
  'a run that ignores its timeout is never called lost',
  'a run that is lost leaves its place while it goes on',
  'a run that was lost ends as if it had not been',
  'what a handler throws is looked at without care',
]
const noOptions =
  'most jobs of the simulated application have no such options, and those in the ledger are held ' +
  'to their account, not to the times of their runs'

/** Those of the unit tests that have no seed, because many instances do not show them: the reasons. */
export const notShown: Readonly<Record<string, string>> = {
  'a token that is not higher is led with':
    'an acquisition carries the token that is known, and the simulated store grants one above it',
  'a term that is resigned as it is stopped drains for longer than the stop allows':
    'one seed in some ten thousand draws it',
  'the next attempt of a tick overtakes the end of its last run':
    'hardly any seed draws it: none of the first 600',
  'an attempt may last beyond the hard fence': 'the elector gives it up there all the same',
  'a soft stop that the main thread has seen is ignored':
    'it takes two threads that look within microseconds, and here one thing happens at a time',
  'a request to resign of another term is obeyed': 'the table of leases hands out no such request',
  'a renewal is made by name only':
    'no holder has two terms; one without any check is in the table',
  'a clock that is set back runs a tick twice':
    'the jobs of the simulated service have intervals, which no wall clock decides',
  'a job that a deploy schedules again forgets its last tick': 'the same: its jobs have intervals',
  'a time that the clock skips is lost':
    'no time zone is simulated; the table of cron cases shows it',
  'a time that occurs twice runs twice': 'the same: no time zone is simulated',
  'a scheduler that starts in a repeated hour runs its times again':
    'the same: no time zone is simulated',
  'a job that is due in each hour stands still in a repeated one':
    'the same: no time zone is simulated',
  "a server's clock that was stepped forward is believed":
    'the simulated store is not the client of PostgreSQL, which has this rule',
  'a stop allows for the times at its begin only':
    'it takes new times within a stop that lasts as long as it may, which hardly any seed draws',
  'a renewal with a shorter ttl takes trust back':
    'the store keeps the longer lease, so that no rule is broken but that work has no time to stop',
  'a tick that another leader has claimed runs all the same':
    'at most one leads, and what it did not claim itself is behind the cursor that it reads',
  'a term is over before the ends of its runs are written':
    'the ends are written a moment later, or those runs are abandoned: both are accounted for',
  'a job that was removed is remembered': 'the simulated application removes no job',
  'a tick that is beyond its limit is recorded as if one run went on':
    'it is accounted for all the same, and no rule here asks for the reason',
  'a run that is lost with its leader is run again without end':
    'it takes a run that kills each process that makes it, and here processes die by themselves',
  'what is too late is made up for':
    'it is accounted for all the same, and no rule here says how late a run may start',
  'a job goes on after as many runs as it may have': 'no simulated job has `maxRuns`',
  'each term counts the runs of a job anew': 'the same: none has `maxRuns`',
  'a run counts only once it is claimed': 'the same: none has `maxRuns`',
  'a tick that was refused counts as a run': 'the same: none has `maxRuns`',
  ...Object.fromEntries(optionRules.map((what) => [what, noOptions])),
}

const isShown = ({ seed }: SimulatedMutant): boolean => seed !== undefined

/** The broken variants that the simulator has to catch. */
export const simulatedMutants: readonly SimulatedMutant[] = [
  ...leaseMutants.filter(isShown),
  ...jobMutants.filter(isShown),
  ...more,
  ...ledgerMutants.filter(isShown),
]
