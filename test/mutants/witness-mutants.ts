import type { Mutant } from './mutants.ts'

/** A rule of the witness, broken; the unit tests catch it, unless it names a test of processes. */
export interface WitnessMutant extends Mutant {
  /** One more place that is changed. */
  readonly also?: Pick<Mutant, 'file' | 'from' | 'to'>
  readonly processTest?: RegExp
}

/** For each safety rule of the witness at least one broken variant. */
export const witnessMutants: readonly WitnessMutant[] = [
  {
    what: 'the witness is told the holder only after the acquisition',
    file: 'src/heart/heart.ts',
    from: '      this.#tellWitness(attempt, undefined)\n',
    to: '',
  },
  {
    what: 'the witness is told the token only when the instance leads',
    file: 'src/heart/heart.ts',
    from: "if (attempt.verb === 'acquire' && settlement.kind === 'replied') {",
    to: "if (attempt.verb === 'renew' && settlement.kind === 'replied') {",
  },
  {
    what: 'the witness is not told that a term is over',
    file: 'src/heart/heart.ts',
    from: '        this.#witness.tell(heldLine(undefined))\n',
    to: '',
  },
  {
    what: 'a heart that has let go of the pipe still writes to its number',
    file: 'src/heart/heart.ts',
    from: '          this.#witness.open(command.fd)\n',
    to: '',
  },
  {
    what: 'the witness releases whatever is held',
    file: 'src/heart/release.ts',
    from: 'return record?.holder === holder ? record.token : undefined',
    to: 'return record?.token',
    also: {
      file: 'src/heart/release.ts',
      from: 'const ended = { lease, holder, token: known',
      to:
        'const { record } = await store.read(lease, signal)\n' +
        '    const ended = { lease, ...record, token: record?.token ?? known',
    },
  },
  {
    what: "the end of the witness's pipe alone is taken for the end of the process",
    file: 'src/heart/release.ts',
    from: "const outcome = hasEnded() ? await attempt(held, parts) : 'failed'",
    to: 'const outcome = await attempt(held, parts)',
  },
  {
    what: 'the witness ends all processes when it is told of the group 1',
    file: 'src/heart/witness-pipe.ts',
    from: 'Number.isSafeInteger(group) && group > 1',
    to: 'Number.isSafeInteger(group) && group > 0',
  },
  {
    what: "the end of the witness's pipe is taken on a worker's death",
    file: 'src/heart/witness.ts',
    from: 'if (this.#child !== undefined || this.#pipe === undefined) return',
    to: 'if (this.#pipe === undefined) return',
    processTest: /is not the end of the process to the witness/,
  },
  {
    what: "the pipe is the worker's, and its end alone is taken for the end of the process",
    file: 'src/heart/witness.ts',
    from: 'if (this.#child !== undefined || this.#pipe === undefined) return',
    to: 'if (this.#pipe === undefined) return',
    also: {
      file: 'src/heart/release.ts',
      from: "const outcome = hasEnded() ? await attempt(held, parts) : 'failed'",
      to: 'const outcome = await attempt(held, parts)',
    },
    processTest: /is not the end of the process to the witness/,
  },
  {
    what: 'the waiting shell ends with its process group',
    file: 'src/heart/witness.ts',
    from: 'detached: true,',
    to: 'detached: false,',
    processTest: /the same, as the witness has one of its own/,
  },
  {
    what: 'the waiting shell hears what is meant for the group',
    file: 'src/heart/witness.ts',
    from: "trap '' HUP INT QUIT TERM USR1 USR2 TSTP\n",
    to: '',
    processTest: /a witness ignores what is meant for the group/,
  },
  {
    what: "the number of the witness's pipe may be another file's while the heart still writes to it",
    file: 'src/heart/witness.ts',
    from: '    child.stdin = null\n',
    to: '',
    processTest: /the number of its pipe is not used for another file/,
  },
  {
    what: 'the store and the environment are told by the environment',
    file: 'src/heart/witness.ts',
    from: "        NODE_OPTIONS: options.join(' '),\n",
    to: "        ...env,\n        NODE_OPTIONS: options.join(' '),\n",
    processTest: /by the witness 'auto', while it waits/,
  },
]
