// What the public surface names is there to be used, and not only for the compiler.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../src/', import.meta.url))

/** What a module exports as types only, by name or as a whole, and from where. */
function typesFrom(path: string): { names: string[] | '*'; module: string }[] {
  const text = readFileSync(path, 'utf8')
  const statement = /^export type (\*|\{[^}]*\}) from '(\.[^']+)'/gm
  return [...text.matchAll(statement)].map(([, what = '', module = '']) => ({
    names:
      what === '*'
        ? what
        : what
            .slice(1, -1)
            .split(',')
            .map((name) => name.trim()),
    module: join(dirname(path), module),
  }))
}

describe('the public surface', () => {
  test('exports no value as a type, which would compile and be missing at run time', async () => {
    let statements = 0
    for (const name of globSync('**/*.ts', { cwd: root })) {
      for (const { names, module } of typesFrom(join(root, name))) {
        statements++
        const values = Object.keys((await import(module)) as object)
        const lost = names === '*' ? values : names.filter((one) => values.includes(one))
        assert.deepEqual(lost, [], `${name} exports values of ${module} as types`)
      }
    }
    assert.ok(statements >= 5, `${statements} were found`)
  })
})
