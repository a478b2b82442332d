import type { Mutant } from './mutant.ts'

const onSqlite = 'on SQLite a leader that ends without a word'

/** For each safety rule of the witness at least one broken variant. */
export const witnessMutants: readonly Mutant[] = [
  {
    what: 'the witness is told the holder only after the acquisition',
    file: 'src/heart/heart.ts',
    from: '      this.#tellWitness(attempt, undefined)\n',
    to: '',
    suite: 'witness',
  },
  {
    what: 'the witness is told the token only when the instance leads',
    file: 'src/heart/heart.ts',
    from: "if (attempt.verb === 'acquire' && settlement.kind === 'replied') {",
    to: "if (attempt.verb === 'renew' && settlement.kind === 'replied') {",
    suite: 'witness',
  },
  {
    what: 'the witness is not told that a term is over',
    file: 'src/heart/heart.ts',
    from: '    this.#witness.tell(heldLine(undefined))\n',
    to: '',
    suite: 'witness',
  },
  {
    what: 'the witness is told that nothing is held though a release has failed',
    file: 'src/heart/heart.ts',
    from: 'if (event.released || event.holder !== this.#unreleased) this.#holdsNothing()',
    to: 'if (true) this.#holdsNothing()',
    suite: 'witness',
    test: 'when a release has failed',
  },
  {
    what: 'a heart that has stopped by an exit event that was none stays so',
    file: 'src/heart/supervisor.ts',
    from: "report.kind === 'stopped' && !this.#stopping",
    to: 'false',
    suite: 'supervisor',
    test: 'is started again, until it is stopped',
  },
  {
    what: 'stop() ends the witness though a release has failed',
    file: 'src/heart/supervisor.ts',
    from: 'this.#mayHold ? this.#deps.settings().ttlMs : 0',
    to: '0',
    suite: 'processes/left-behind',
    test: 'is made by the witness once the process has ended',
  },
  {
    what: 'a heart that has let go of the pipe still writes to its number',
    file: 'src/heart/heart.ts',
    from: '          this.#witness.open(command.fd)\n',
    to: '',
    suite: 'witness',
  },
  {
    what: 'the witness releases whatever is held',
    file: 'src/heart/release.ts',
    from: 'return record?.holder === holder ? record.token : undefined',
    to: 'return record?.token',
    also: [
      {
        file: 'src/heart/release.ts',
        from: 'const ended = { lease, holder, token: known',
        to:
          'const { record } = await store.read(lease, signal)\n' +
          '    const ended = { lease, ...record, token: record?.token ?? known',
      },
    ],
    suite: 'witness',
  },
  {
    what: "the end of the witness's pipe alone is taken for the end of the process",
    file: 'src/heart/release.ts',
    from: "const outcome = hasEnded() ? await attempt(held, deps) : 'failed'",
    to: 'const outcome = await attempt(held, deps)',
    suite: 'witness',
  },
  {
    what: 'the witness ends all processes when it is told of the group 1',
    file: 'src/heart/witness-pipe.ts',
    from: 'Number.isSafeInteger(group) && group > 1',
    to: 'Number.isSafeInteger(group) && group > 0',
    suite: 'witness',
  },
  {
    what: "the end of the witness's pipe is taken on a worker's death",
    file: 'src/heart/witness.ts',
    from: 'if (this.#child !== undefined || this.#pipe === undefined) return',
    to: 'if (this.#pipe === undefined) return',
    suite: 'processes/witness.campaign',
    test: 'is not the end of the process to the witness, which releases nothing',
  },
  {
    what: "the pipe is the worker's, and its end alone is taken for the end of the process",
    file: 'src/heart/witness.ts',
    from: 'if (this.#child !== undefined || this.#pipe === undefined) return',
    to: 'if (this.#pipe === undefined) return',
    also: [
      {
        file: 'src/heart/release.ts',
        from: "const outcome = hasEnded() ? await attempt(held, deps) : 'failed'",
        to: 'const outcome = await attempt(held, deps)',
      },
    ],
    suite: 'processes/witness.campaign',
    test: 'is not the end of the process to the witness, which releases nothing',
  },
  {
    what: 'the waiting shell ends with its process group',
    file: 'src/heart/witness.ts',
    from: 'detached: true,',
    to: 'detached: false,',
    suite: 'processes/witness.campaign',
    test: `${onSqlite} kill -9 of its whole process group: the same, as the witness has one of its own`,
  },
  {
    what: 'the waiting shell hears what is meant for the group',
    file: 'src/heart/witness.ts',
    from: "trap '' HUP INT QUIT TERM USR1 USR2 TSTP\n",
    to: '',
    suite: 'processes/witness.campaign',
    test: `${onSqlite} a witness ignores what is meant for the group: Ctrl-C, systemd, a terminal that closes`,
  },
  {
    what: "the number of the witness's pipe may be another file's while the heart still writes to it",
    file: 'src/heart/witness.ts',
    from: '    child.stdin = null\n',
    to: '',
    suite: 'processes/witness-manners',
    test: 'the number of its pipe is not used for another file until the heart has let go of it',
  },
  {
    what: 'the store and the environment are told by the environment',
    file: 'src/heart/witness.ts',
    from: '  return Object.fromEntries(\n    [...lists, ...paths]',
    to: '  if (lists.length > 0) return { ...process.env } as Record<string, string>\n  return Object.fromEntries(\n    [...lists, ...paths]',
    suite: 'processes/witness-manners',
    test: "by the witness 'auto', while it waits and while it releases",
  },
]
