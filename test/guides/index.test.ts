import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

const guides = fileURLToPath(new URL('../../docs/guides/', import.meta.url))

test('each guide stands in the index, and is run by a test of its name', () => {
  const index = readFileSync(`${guides}README.md`, 'utf8')
  const names = globSync('*.md', { cwd: guides, exclude: ['README.md'] })
  assert.ok(names.length > 0)
  for (const name of names) {
    assert.ok(index.includes(`](${name})`), name)
    const path = new URL(name.replace(/md$/, 'test.ts'), import.meta.url)
    assert.ok(existsSync(path), path.pathname)
  }
})
