import type { Mutant } from './mutant.ts'

/** Broken variants of the rules about URLs of PostgreSQL and connections to it. */
export const connectionMutants: readonly Mutant[] = [
  {
    what: 'opening a connection dies with its attempt',
    file: 'src/store/postgres/connection.ts',
    from: 'if (signal.aborted && opening.progress === progress)',
    to: 'if (signal.aborted)',
    suite: 'stores/postgres-connection',
  },
  {
    what: 'the lock timeout of the server does not follow the attempt',
    file: 'src/store/postgres/patience.ts',
    from: 'if (patienceMs === undefined) return',
    to: 'if (patienceMs !== 0) return',
    suite: 'stores/postgres-connection',
  },
  {
    what: 'the statement timeout of the server is not set',
    file: 'src/store/postgres/connection.ts',
    from: 'limitMs <= session.statementMsMax) return',
    to: 'limitMs >= session.statementMsMax) return',
    suite: 'stores/postgres-connection',
  },
  {
    what: "Prisma's schema is taken for ours",
    file: 'src/postgres-url.ts',
    from: "const schema = given.getAll('tenure_schema').at(-1)",
    to: "const schema = given.getAll('schema').at(-1)",
    suite: 'store-url',
  },
  {
    what: 'a misspelt parameter of ours is passed over',
    file: 'src/postgres-url.ts',
    from: 'if (misspelt.length > 0)',
    to: 'if (misspelt.length > 9)',
    suite: 'store-url',
  },
  {
    what: 'paths of a URL stay relative',
    file: 'src/postgres-url.ts',
    from: 'if (isPath) read.set(name, resolve(path))',
    to: 'if (isPath) read.set(name, path)',
    suite: 'store-url',
  },
  {
    what: 'an authority that is named is not verified',
    file: 'src/store/postgres/destination.ts',
    from: "if (hasAuthority) return 'authority'",
    to: "if (hasAuthority) return 'nothing'",
    suite: 'stores/postgres-url',
  },
  {
    what: 'a file that is gone is not kept',
    file: 'src/store/postgres/kept-files.ts',
    from: 'if (known !== undefined) return known',
    to: 'if (known === undefined) return Buffer.of()',
    suite: 'stores/postgres-url',
  },
  {
    what: 'a connection counts as idle while it is used',
    file: 'src/idle-connection.ts',
    from: 'if (--this.#users === 0)',
    to: 'if (--this.#users >= 0)',
    suite: 'idle-connection',
  },
  {
    what: 'each cut of a connection is told',
    file: 'src/heart/push-notice.ts',
    from: 'nowMs - saidMs < quietMs',
    to: 'nowMs - saidMs < 0',
    suite: 'push-notice',
  },
]
