// How long a file of src/ may be: long ones are several things, and nobody reads them to the end.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

const root = new URL('../../src/', import.meta.url)
const linesMax = 400

/** Files that may be longer, and why. */
const longer: Readonly<Record<string, string>> = {
  'store/postgres/ledger-schema.ts': 'SQL: the tables of the ledger and their functions',
}

/** The files of src/ but styles, with how many lines they have. */
function sizes(): Map<string, number> {
  const names = globSync('**/*', { cwd: root, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.css'))
    .map((entry) => `${entry.parentPath}/${entry.name}`.split('/src/').at(-1) ?? '')
  return new Map(
    names.map((name) => [name, readFileSync(new URL(name, root), 'utf8').split('\n').length - 1]),
  )
}

describe('the files of src/', () => {
  const found = sizes()

  test(`have ${linesMax} lines at most, but styles and those with a reason`, () => {
    const tooLong = [...found].filter(([name, lines]) => lines > linesMax && !(name in longer))
    assert.deepEqual(tooLong, [])
    assert.ok(found.has('lease/elector.ts'), 'they are looked at')
  })

  test('that have a reason to be longer are longer', () => {
    const needless = Object.keys(longer).filter((name) => (found.get(name) ?? 0) <= linesMax)
    assert.deepEqual(needless, [], 'they are gone, or need no reason any more')
  })
})
