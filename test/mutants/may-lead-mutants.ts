import type { Mutant } from './mutants.ts'

/** Broken variants of the rules that say which instance may lead. */
export const mayLeadMutants: readonly Mutant[] = [
  {
    what: 'an instance that is not eligible is a candidate',
    file: 'src/lease/candidacy.ts',
    from: '!this.responsive || !this.eligible',
    to: '!this.responsive',
  },
  {
    what: 'a leader that is not eligible any more goes on leading',
    file: 'src/lease/elector.ts',
    from: '    if (eligible) this.wake()\n    else this.resign(0)\n',
    to: '    if (eligible) this.wake()\n',
  },
  {
    what: 'an acquisition under way makes an instance lead that is not eligible any more',
    file: 'src/lease/elector.ts',
    from: "    if (!this.#candidacy.eligible) return this.#giveBack('resigned')\n",
    to: '',
  },
  {
    what: 'an instance without jobs is compared with the leader',
    file: 'src/heart/jobs-comparison.ts',
    from: 'own !== undefined && theirs',
    to: 'theirs',
  },
  {
    what: 'other jobs are told of while they are being scheduled',
    file: 'src/heart/jobs-comparison.ts',
    from: '!isFresh || nowMs - this.#suspected.sinceMs < patienceMs',
    to: '!isFresh',
  },
  {
    what: 'other jobs are told of again and again',
    file: 'src/heart/jobs-comparison.ts',
    from: '    this.#told.add(pair)\n',
    to: '',
  },
  {
    what: 'a leader does not tell of a change of its jobs',
    file: 'src/lease/elector.ts',
    from: 'request: { lease, holder, token, ttlMs, jobsHash }',
    to: 'request: { lease, holder, token, ttlMs }',
  },
  {
    what: 'the hash over the jobs keeps one that was removed',
    file: 'src/jobs-hash.ts',
    from: 'if (before !== undefined) this.#toggle(id, before, -1)',
    to: '',
  },
  {
    what: 'a leader resigns though the store is away for everybody',
    file: 'src/schedule/start-failures.ts',
    from: ' || renewalsAtSend <= renewalsAtFailure',
    to: '',
  },
  {
    what: 'a leader resigns though the store cannot be used by anybody',
    file: 'src/schedule/start-failures.ts',
    from: "error.code === 'TENURE_ERR_STORE_UNUSABLE'",
    to: 'error.code === undefined',
  },
  {
    what: 'a leader resigns because of one failure',
    file: 'src/schedule/start-failures.ts',
    from: 'failures < startFailuresMax || ',
    to: '',
  },
  {
    what: 'a leader whose jobs never start leads on',
    file: 'src/schedule/bookkeeper.ts',
    from: '        trial?.failed(error)\n',
    to: '',
  },
  {
    what: 'a leader that stops already resigns because its jobs do not start',
    file: 'src/schedule/start-failures.ts',
    from: ' || !leads()',
    to: '',
  },
  {
    what: 'a leader resigns for a write that no job waits for',
    file: 'src/schedule/bookkeeper.ts',
    from: 'this.#insist(call, leads, false)',
    to: 'this.#insist(call, leads)',
  },
  {
    what: 'a leader without any other resigns again and again',
    file: 'src/schedule/start-failures.ts',
    from: ' || (last !== undefined && token === last + 1)',
    to: '',
  },
]
