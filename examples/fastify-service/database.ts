import { randomUUID } from 'node:crypto'
import { backup, DatabaseSync } from 'node:sqlite'

import { fenceTableSql, type Fence } from '../../src/index.ts'

/** Somebody is signed in until then. */
export interface Session {
  readonly id: string
  readonly user: string
  readonly expiresAtMs: number
}

/** What the log keeps of a request. */
export interface LoggedRequest {
  readonly route: string
  readonly status: number
  readonly durationMs: number
}

/** The requests of one minute to one route. */
export interface Figure {
  readonly minuteMs: number
  readonly route: string
  readonly requests: number
  readonly durationMsMax: number
}

const tables = `
CREATE TABLE IF NOT EXISTS session (
  id TEXT PRIMARY KEY, user TEXT NOT NULL, expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS request (
  id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, route TEXT NOT NULL, status INTEGER NOT NULL,
  duration_ms REAL NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS figure (
  minute_ms INTEGER NOT NULL, route TEXT NOT NULL, requests INTEGER NOT NULL,
  duration_ms_max REAL NOT NULL, PRIMARY KEY (minute_ms, route)
) STRICT;
${fenceTableSql.sqlite};
`

/** The service's own data: one SQLite file, shared by all instances of this machine. */
export class Database {
  readonly #sqlite: DatabaseSync
  readonly #path: string

  constructor(path: string) {
    this.#path = path
    this.#sqlite = new DatabaseSync(path, { timeout: 1_000 })
    this.#sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    this.#transaction(() => this.#sqlite.exec(tables))
  }

  createSession(user: string, lifetimeMs: number): Session {
    const session = { id: randomUUID(), user, expiresAtMs: Date.now() + lifetimeMs }
    this.#sqlite
      .prepare('INSERT INTO session (id, user, expires_at_ms) VALUES (?, ?, ?)')
      .run(session.id, session.user, session.expiresAtMs)
    return session
  }

  session(id: string): Session | undefined {
    const row = this.#sqlite
      .prepare('SELECT * FROM session WHERE id = ? AND expires_at_ms > ?')
      .get(id, Date.now())
    if (row === undefined) return undefined
    return { id, user: String(row['user']), expiresAtMs: Number(row['expires_at_ms']) }
  }

  /** Deletes the sessions that have expired, and returns how many they were. */
  purgeSessions(): number {
    const { changes } = this.#sqlite
      .prepare('DELETE FROM session WHERE expires_at_ms <= ?')
      .run(Date.now())
    return Number(changes)
  }

  logRequest({ route, status, durationMs }: LoggedRequest): void {
    this.#sqlite
      .prepare('INSERT INTO request (at_ms, route, status, duration_ms) VALUES (?, ?, ?, ?)')
      .run(Date.now(), route, status, durationMs)
  }

  /**
   * Rolls the log of requests up into figures, and returns how many requests they were.
   *
   * The transaction is fenced: a leader that was frozen in the middle of this, and replaced,
   * cannot write over what its successor has written.
   */
  rollUp(fence: Fence): number {
    return this.#transaction(() => {
      fence(this.#sqlite)
      this.#sqlite.exec(`
        INSERT INTO figure (minute_ms, route, requests, duration_ms_max)
          SELECT at_ms - at_ms % 60000, route, count(*), max(duration_ms) FROM request
            WHERE true GROUP BY 1, 2
          ON CONFLICT (minute_ms, route) DO UPDATE SET
            requests = requests + excluded.requests,
            duration_ms_max = max(duration_ms_max, excluded.duration_ms_max)`)
      return Number(this.#sqlite.prepare('DELETE FROM request').run().changes)
    })
  }

  figures(): Figure[] {
    const rows = this.#sqlite
      .prepare('SELECT * FROM figure ORDER BY minute_ms DESC, route LIMIT 50')
      .all()
    return rows.map((row) => ({
      minuteMs: Number(row['minute_ms']),
      route: String(row['route']),
      requests: Number(row['requests']),
      durationMsMax: Number(row['duration_ms_max']),
    }))
  }

  /** Copies the database to a file beside it while it is in use, and returns that file's path. */
  async backup(): Promise<string> {
    const path = `${this.#path}.backup`
    await backup(this.#sqlite, path)
    return path
  }

  close(): void {
    this.#sqlite.close()
  }

  #transaction<Result>(work: () => Result): Result {
    this.#sqlite.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      this.#sqlite.exec('COMMIT')
      return result
    } catch (error) {
      if (this.#sqlite.isTransaction) this.#sqlite.exec('ROLLBACK')
      throw error
    }
  }
}
