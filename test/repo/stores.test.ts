// A store costs five things: its source, a call of the kit, a document, an export, a peer.
import assert from 'node:assert/strict'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { storeSchemes } from '../../src/store/store-url.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json')) as {
  exports: Record<string, { default: string } | string>
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
}

/** The client that a store's sources import, where that is no part of Node.js. */
function clientOf(store: string): string | undefined {
  const sources = globSync(`src/store/${store}/*.ts`, { cwd: root }).map(read).join('\n')
  const names = [...sources.matchAll(/from '([^.'][^']*)'/g)].map(([, name = '']) => name)
  return names.find((name) => !name.startsWith('node:'))
}

describe('each store', () => {
  test('has a folder, and each folder is a store, but for what they share', () => {
    const shared = ['ledger', 'server']
    const entries = readdirSync(join(root, 'src/store'), { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
    assert.deepEqual(folders.toSorted(), [...shared, ...storeSchemes].toSorted())
  })

  for (const store of storeSchemes) {
    test(`${store}: source, kit, document, export, peer`, () => {
      const source = `src/store/${store}/${store}-store.ts`
      assert.ok(existsSync(join(root, source)), source)
      assert.match(read(`test/stores/${store}.test.ts`), /^runKit\(|^ {2}runKit\(/m)

      const document = read(`docs/stores/${store}.md`)
      for (const said of ['clock', 'durable', 'Failover', 'Rights', 'Push', 'Connections', 'ttl']) {
        assert.match(document, new RegExp(`\\| \\*\\*[^|]*${said}`), `${store}.md: ${said}`)
      }

      const exported = manifest.exports[`./${store}`]
      assert.ok(typeof exported === 'object')
      assert.equal(exported.default, source.replace('src/', './dist/').replace(/\.ts$/, '.js'))

      const client = clientOf(store)
      if (client === undefined) return
      assert.ok(manifest.peerDependencies[client], `${client} is a peer`)
      assert.equal(manifest.peerDependenciesMeta[client]?.optional, true)
    })
  }
})

test('SQLite gets its parameters by their order: Node.js 22 binds no numbered ones', () => {
  for (const path of globSync('src/store/sqlite/*.ts', { cwd: root })) {
    assert.doesNotMatch(read(path), /[ (=]\?\d/, path)
  }
})
