import { DatabaseSync } from 'node:sqlite'

import type { What } from './history.ts'

/** A write waits so long for another one that is under way; its sender may have been frozen. */
const busyMs = 20

/**
 * What the jobs write to: it remembers the highest token that it has seen, refuses lower ones, and
 * keeps a list of all writes in the order in which it decided them. Its file is apart from the
 * store of the lease, so that no fault of that one concerns it.
 */
export class FencedResource {
  readonly #database: DatabaseSync

  constructor(path: string) {
    this.#database = new DatabaseSync(path)
    this.#database.exec(`
      PRAGMA busy_timeout = ${busyMs};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = OFF;
      CREATE TABLE IF NOT EXISTS resource (one INTEGER PRIMARY KEY, token INTEGER NOT NULL) STRICT;
      CREATE TABLE IF NOT EXISTS writes (
        sequence INTEGER PRIMARY KEY, who TEXT NOT NULL, token INTEGER NOT NULL,
        accepted INTEGER NOT NULL, at_ms REAL NOT NULL
      ) STRICT;
      INSERT OR IGNORE INTO resource VALUES (1, 0);
    `)
  }

  /** One write; `undefined` where another one, of a process that is frozen, is in the way. */
  write(who: string, token: number, atMs: number): 'accepted' | 'refused' | undefined {
    const database = this.#database
    try {
      database.exec('BEGIN IMMEDIATE')
      const update = 'UPDATE resource SET token = ? WHERE one = 1 AND token <= ?'
      const accepted = database.prepare(update).run(token, token).changes === 1
      const insert = 'INSERT INTO writes (who, token, accepted, at_ms) VALUES (?, ?, ?, ?)'
      database.prepare(insert).run(who, token, accepted ? 1 : 0, atMs)
      database.exec('COMMIT')
      return accepted ? 'accepted' : 'refused'
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      if (/locked|busy/.test(String(error))) return undefined
      throw error
    }
  }

  /** All writes that came to a decision, in their order. */
  list(): { what: What & { kind: 'write' }; who: string; atMs: number }[] {
    const rows = this.#database.prepare('SELECT * FROM writes ORDER BY sequence').all()
    return rows.map((row) => ({
      what: {
        kind: 'write',
        sequence: Number(row['sequence']),
        token: Number(row['token']),
        accepted: row['accepted'] === 1,
      },
      who: String(row['who']),
      atMs: Number(row['at_ms']),
    }))
  }

  close(): void {
    this.#database.close()
  }
}
