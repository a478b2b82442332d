import type { Mutant } from './mutants.ts'

/** Broken variants of the rules by which a leader follows what is stored, or paused. */
export const storedMutants: readonly Mutant[] = [
  {
    what: 'a leader begins to look anew at whatever is stored, and never comes to an end',
    file: 'src/schedule/stored-jobs.ts',
    from: '    if (this.#timer === undefined) return\n    this.#timer.cancel()\n    void this.#follow(this.#readings)',
    to: '    this.#timer?.cancel()\n    void this.#follow(++this.#readings)',
  },
  {
    what: 'a job that was paused is run by the next leader',
    file: 'src/schedule/scheduler.ts',
    from: 'job.paused = entry.paused',
    to: '',
  },
  {
    what: 'a leader does not follow what is paused elsewhere',
    file: 'src/schedule/stored-jobs.ts',
    from: 'for (const { jobId, paused } of changes) scheduler.follow(jobId, paused)',
    to: '',
  },
  {
    what: 'a job without the ledger is paused on all instances',
    file: 'src/schedule/scheduler.ts',
    from: 'job.stored || job.ledger',
    to: 'true',
  },
  {
    what: 'a job is paused here though the store has not taken that',
    file: 'src/tenure.ts',
    from: '    const isKnown =\n      this.#scheduler.isPausedByLedger(id)',
    to: '    this.#scheduler.setPaused(id, paused)\n    const isKnown =\n      this.#scheduler.isPausedByLedger(id)',
  },
  {
    what: 'a stored job that was removed is run on',
    file: 'src/schedule/stored-jobs.ts',
    from: 'if (job === undefined) scheduler.removeStored(jobId)\n      else jobs.push(job)',
    to: 'if (job !== undefined) jobs.push(job)',
  },
  {
    what: 'a leader of before still shows the stored jobs',
    file: 'src/schedule/scheduler.ts',
    from: 'if (job.stored) this.#jobs.delete(job.id)',
    to: '',
  },
  {
    what: 'in its next term an instance reads only what has changed since the last one',
    file: 'src/schedule/stored-jobs.ts',
    from: '    this.#revision = 0\n    if (this',
    to: '    if (this',
  },
  {
    what: 'a handler that is given late is not called until the next term',
    file: 'src/schedule/stored-jobs.ts',
    from: 'if (this.#leads) this.begin()',
    to: '',
  },
  {
    what: 'a stored job that was removed and stored again goes on as the one before',
    file: 'src/schedule/stored-jobs.ts',
    from: '`${description}, stored ${new Date(storedAtMs).toISOString()}`',
    to: 'description',
  },
  {
    what: 'an interval is counted anew by each leader',
    file: 'src/schedule/job-standing.ts',
    from: 'stored ? clock.wallMs() - scheduledAtMs : 0',
    to: '0',
  },
  {
    what: 'what fell due before anybody led is forgotten',
    file: 'src/schedule/stored-jobs.ts',
    from: 'scheduledAtMs: storedAtMs }',
    to: 'scheduledAtMs: this.#parts.clock.wallMs() }',
  },
  {
    what: 'what is owed of a stored job is dropped, because nobody knows it yet',
    file: 'src/schedule/scheduler.ts',
    from: 'this.#owed = this.#owed.filter((run) => !isKnown(run))',
    to: 'this.#owed = []',
  },
  {
    what: 'a stored job takes the place of one of the application',
    file: 'src/schedule/stored-jobs.ts',
    from: 'if (this.#parts.scheduler.isOwn(jobId)) {',
    to: 'if (handler === undefined && this.#parts.scheduler.isOwn(jobId)) {',
  },
  {
    what: 'after a failed look a leader looks no more',
    file: 'src/schedule/stored-jobs.ts',
    from: '        break\n',
    to: '        return\n',
  },
  {
    what: 'data that JSON changes is stored all the same',
    file: 'src/stored-schedules.ts',
    from: 'if (!isDeepStrictEqual(data, rest.data))',
    to: 'if (data === rest)',
  },
]
