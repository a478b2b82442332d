// The code in docs/fencing.md is run as it stands, with the package as it is built.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'

import { InstalledProgram } from '../support/installed-program.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'

const document = readFileSync(new URL('../../docs/fencing.md', import.meta.url), 'utf8')

/** The pieces of code in one language. */
function codeIn(language: string): string[] {
  const pieces = document.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, 'g'))
  return [...pieces].map(([, code = '']) => code)
}

const [onPostgres = '', onSqlite = '', raise = '', ...others] = codeIn('js')
const [table = '', ...otherTables] = codeIn('sql')

describe('the document of fencing', () => {
  test('has no code that is not run here', () => {
    assert.deepEqual([...others, ...otherTables], [])
    const fences = document.match(/^```\w*$/gm) ?? []
    assert.equal(fences.length, 2 * 4)
  })

  test(
    'on PostgreSQL it runs, with a table of its own making or of a migration',
    {
      skip: missing('postgres'),
    },
    async (t) => {
      const server = await PostgresServer.start()
      t.after(() => server.end())
      for (const migration of ['', table]) {
        const database = await server.createDatabase()
        if (migration !== '') await server.sql(migration, database)
        const env = { DATABASE_URL: server.url(database) }
        const program = new InstalledProgram(`${onPostgres}\n${raise}`, ['pg'], env)
        t.after(() => program.end())
        await until('a job has written, and its token is remembered', async () => {
          assert.ok(typeof program.output === 'string')
          const rows = await server
            .sql('SELECT token FROM tenure_fence WHERE EXISTS (SELECT FROM invoice)', database)
            .catch(() => [])
          return rows[0]?.['token'] === '1'
        })
        await program.end()
      }
    },
  )

  test('on SQLite it runs', async (t) => {
    const program = new InstalledProgram(onSqlite, [])
    t.after(() => program.end())
    await until('a job has written, and its token is remembered', () => {
      assert.ok(typeof program.output === 'string')
      return tokenThatWrote(join(program.folder, 'application.db')) === 1
    })
  })
})

/** The token that is remembered, once something was written. */
function tokenThatWrote(path: string): unknown {
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { readOnly: true })
    const sql = 'SELECT token FROM tenure_fence WHERE EXISTS (SELECT 1 FROM invoice)'
    return database.prepare(sql).get()?.['token']
  } catch {
    // The program has not got so far.
    return undefined
  } finally {
    database?.close()
  }
}
