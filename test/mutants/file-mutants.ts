import type { Mutant } from './mutant.ts'

/** Broken variants of the rules about the files of a SQLite store. */
export const fileMutants: readonly Mutant[] = [
  {
    what: 'a commit is not looked at afterwards',
    file: 'src/store/sqlite/connection.ts',
    from: '    this.#look()\n    this.#proven = true',
    to: '    this.#proven = true',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'there is no wait after a change',
    file: 'src/store/sqlite/quarantine.ts',
    from: 'if (leftMs <= 0) return',
    to: 'if (leftMs <= Infinity) return',
    suite: 'stores/sqlite-files',
  },
  {
    what: "the wait counts the caller's ttl only",
    file: 'src/store/sqlite/sqlite-store.ts',
    from: '      this.#quarantine.sees(held.ttlMs)\n',
    to: '',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'a term goes on in other files',
    file: 'src/store/sqlite/quarantine.ts',
    from: 'return this.#ended.get(lease) === holder',
    to: 'return this.#ended.get(lease) === lease',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'lost locks are not noticed',
    file: 'src/store/sqlite/open-descriptors.ts',
    from: 'return !this.#areLocksSeen() && rangesOf',
    to: 'return this.#areLocksSeen() && rangesOf',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'one that only looks stays open',
    file: 'src/store/sqlite/connection.ts',
    from: 'if (!this.#isKept) this.#abandon()\n        return result',
    to: 'return result',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'traces of other files are no reason to wait',
    file: 'src/store/sqlite/connection.ts',
    from: 'if (hasTraces && !this.#isChanged) {',
    to: 'if (hasTraces && this.#isChanged) {',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'the ledger writes on in other files',
    file: 'src/store/sqlite/sqlite-ledger.ts',
    from: 'onChange: () => (this.#endedToken = this.#lastToken),',
    to: '',
    suite: 'stores/sqlite-files',
  },
  {
    what: 'inodes are not compared',
    file: 'src/store/sqlite/database-files.ts',
    from: 'return a.inode === b.inode && a.device === b.device',
    to: 'return a.inode === b.inode || a.device === b.device',
    suite: 'processes/sqlite-files',
  },
  {
    what: 'there is no guard',
    file: 'src/store/sqlite/connection.ts',
    from: '      if (!this.#guard.isOpen) this.#openGuard()\n',
    to: '',
    suite: 'processes/sqlite-files',
  },
  {
    what: 'a new database is for everybody',
    file: 'src/store/sqlite/database-files.ts',
    from: "'wx', 0o600",
    to: "'wx', 0o666",
    suite: 'processes/sqlite-files',
  },
]
