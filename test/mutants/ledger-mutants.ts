import type { Mutant } from './mutants.ts'

/** Broken variants of the rules by which the scheduler keeps the ledger. */
export const ledgerMutants: readonly Mutant[] = [
  {
    what: 'a tick runs before it is claimed',
    file: 'src/schedule/dispatcher.ts',
    from: 'if (books === undefined) return this.#run(',
    to: "if (how.runId !== '') return this.#run(",
  },
  {
    what: 'a tick that another leader has claimed runs all the same',
    file: 'src/schedule/dispatcher.ts',
    from: "return outcome.kind === 'claimed' ? undefined : outcome.kind",
    to: 'return undefined',
  },
  {
    what: 'a tick whose claim was given up runs all the same',
    file: 'src/schedule/dispatcher.ts',
    from: "if (outcome === undefined) return 'term-ended'",
    to: 'if (outcome === undefined) return undefined',
  },
  {
    what: 'what is claimed runs though its job was removed meanwhile',
    file: 'src/schedule/dispatcher.ts',
    from: 'const why = this.#whyNot(job, now, term) ?? reason',
    to: 'const why = reason',
  },
  {
    what: 'a run that is lost with its leader is run again without end',
    file: 'src/schedule/dispatcher.ts',
    from: "reruns && trigger === 'tick' && attempt < Math.max(retry.attempts, crashAttemptsMax)",
    to: "reruns && trigger === 'tick' && retry.attempts > 0",
  },
  {
    what: 'the next attempt of a tick is owed for ever',
    file: 'src/schedule/dispatcher.ts',
    from: '      follows: last.runId,\n',
    to: "      follows: '',\n",
  },
  {
    what: 'a term is over before the ends of its runs are written',
    file: 'src/schedule/dispatcher.ts',
    from: "const written = books.ended({ ...end, finishedAtMs: endedAtMs })\n    // The lease is not released before it is known how its runs have ended.\n    term.work.add({ name: 'the ledger', abort() {} }, written)",
    to: 'void books.ended({ ...end, finishedAtMs: endedAtMs })',
  },
  {
    what: 'a skip is written before the tick that waits',
    file: 'src/schedule/dispatcher.ts',
    from: 'if (lane?.queued === undefined) this.#recordMissed(job, missed)\n    else lane.held.push(missed)',
    to: 'this.#recordMissed(job, missed)\n    lane?.held.splice(0)',
  },
  {
    what: 'a new leader goes on from now',
    file: 'src/schedule/scheduler.ts',
    from: "this.#enqueue(job, afterTick('wall', cursorMs, this.#clockOf(job)))",
    to: 'this.#enqueue(job)',
  },
  {
    what: 'a new leader counts an interval from when it scheduled the job',
    file: 'src/schedule/scheduler.ts',
    from: 'const rateFromMs = startAtMs === undefined ? anchorMs : startAtMs - everyMs',
    to: 'const rateFromMs =\n        startAtMs === undefined && anchorMs > 0 ? job.scheduledAtMs : (startAtMs ?? 0) - everyMs',
  },
  {
    what: 'a wall clock that was set back stands an interval still',
    file: 'src/schedule/scheduler.ts',
    from: 'job.aheadMs = Math.round(Math.max(wallMs, cursorMs) - clock.monotonicMs())',
    to: 'job.aheadMs = Math.round(wallMs - clock.monotonicMs())',
  },
  {
    what: 'what is read of a clock between two looks at it is taken for one instant',
    file: 'src/schedule/scheduler.ts',
    from: 'return { monotonicMs: () => monotonicMs, wallMs: () => wallMs }',
    to: 'return { monotonicMs: () => clock.monotonicMs(), wallMs: () => clock.wallMs() + (wallMs - wallMs) }',
  },
  {
    what: 'a job that was removed is remembered',
    file: 'src/schedule/scheduler.ts',
    from: 'if (job.ledger) void this.#books?.register([gone])',
    to: "if (gone.jobId === '') void this.#books?.register([gone])",
  },
  {
    what: 'what comes later overtakes a claim of its job',
    file: 'src/schedule/bookkeeper.ts',
    from: "const isFree = kind === 'end' || !blocked.has(jobId)",
    to: 'const isFree = blocked.size >= 0 || jobId !== undefined',
  },
  {
    what: 'the next attempt of a tick overtakes the end of its last run',
    file: 'src/schedule/bookkeeper.ts',
    from: 'unended.add(entry.item.runId)',
    to: "unended.add('')",
  },
  {
    what: 'a skip is written after a claim that was given up',
    file: 'src/schedule/bookkeeper.ts',
    from: 'skips: leads() ? written.skips : [] })',
    to: 'skips: written.skips })',
  },
  {
    what: 'a claim is made once, whatever becomes of it',
    file: 'src/schedule/bookkeeper.ts',
    from: 'while (!this.#superseded && !this.#absent && isWanted()) {',
    to: 'for (let tries = 0; tries < 1 && !this.#superseded && isWanted(); tries++) {',
  },
  {
    what: 'what is too late is made up for',
    file: 'src/schedule/overdue.ts',
    from: '- tickMs > patienceMs',
    to: '- tickMs > Infinity',
  },
  {
    what: 'of what was missed no more than the latest is accounted for',
    file: 'src/schedule/overdue.ts',
    from: 'const skipped = missed > 0 ?',
    to: 'const skipped = missed > Infinity ?',
  },
  {
    what: 'a job goes on after as many runs as it may have',
    file: 'src/schedule/scheduler.ts',
    from: 'return maxRuns !== undefined && runs >= maxRuns',
    to: 'return maxRuns !== undefined && runs > maxRuns',
  },
  {
    what: 'each term counts the runs of a job anew',
    file: 'src/schedule/scheduler.ts',
    from: '    job.runs = runs\n',
    to: '',
  },
  {
    what: 'a run counts only once it is claimed',
    file: 'src/schedule/dispatcher.ts',
    from: 'if (attempt === 1) job.runs++\n',
    to: 'if (attempt === 1) setTimeout(() => job.runs++)\n',
  },
  {
    what: 'a tick that was refused counts as a run',
    file: 'src/schedule/dispatcher.ts',
    from: '&& now) now.runs--',
    to: '&& now) now.runs -= 0',
  },
]
