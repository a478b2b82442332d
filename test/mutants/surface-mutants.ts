import type { Mutant } from './mutant.ts'

/** Broken variants of what the public surface says and refuses. */
export const surfaceMutants: readonly Mutant[] = [
  {
    what: 'a fence reads rows of one shape only',
    file: 'src/fencing/sqlite-fence.ts',
    from: "typeof row === 'object' && row !== null ? Object.values(row)[0] : row",
    to: '(row as { token: unknown }).token',
    suite: 'fencing/fence',
  },
  {
    what: 'a code in the cause of an error is not found',
    file: 'src/fencing/fence-errors.ts',
    from: '...causeKeys.map((key) => one[key]),',
    to: '',
    suite: 'fencing/fence',
  },
  {
    what: 'two applications on one lease are told without end',
    file: 'src/heart/other-application.ts',
    from: '    if (nowMs - this.#saidMs < sayAgainMs) return []\n',
    to: '',
    suite: 'application',
  },
  {
    what: 'two applications are told while the lease passes to nobody',
    file: 'src/heart/other-application.ts',
    from: "leading === '' || leading === this.#leading",
    to: "leading === ''",
    suite: 'application',
  },
  {
    what: "the name of a runner is taken for the application's",
    file: 'src/instance/application.ts',
    from: "    if (path.split(sep).includes('node_modules')) return undefined\n",
    to: '',
    suite: 'application',
  },
  {
    what: 'a hint is not tried before it is given',
    file: 'src/options/relations.ts',
    from: 'return keepsAll(given) ? { given, text } : undefined',
    to: 'return { given, text }',
    suite: 'fuzz/options',
  },
  {
    what: 'a page is shown under any name',
    file: 'src/fastify/hosts.ts',
    from: 'return hosts.some((name) => hostnameOf(name) === host)',
    to: 'return true',
    suite: 'fastify/routes',
  },
  {
    what: 'a memory belongs to one copy of the package',
    file: 'src/store/memory/memory-store.ts',
    from: "Symbol.for('tenure.memories.1')",
    to: "Symbol('tenure.memories.1')",
    suite: 'tenure/two-copies',
  },
  {
    what: 'a fault is hidden by a lease that is free',
    file: 'src/instance/take-status.ts',
    from: '  if (isFree) storeError = fault?.message\n',
    to: '',
    suite: 'tenure/unusable-stores',
  },
]
