// A Node.js that is too old: one sentence that says which version is needed.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { faultOfNode } from '../../src/instance/node-version.ts'
import { nodeLeast, nodeOf, run } from '../support/packed.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'tenure-old-node-'))
after(() => rmSync(folder, { recursive: true, force: true }))

// The oldest that anybody is likely to have, and the last line that Tenure refuses.
const versions = ['18.20.8', '20.20.2']
const nodes = new Map<string, string>()

before(async () => {
  await Promise.all(versions.map(async (version) => nodes.set(version, await nodeOf(version))))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/tenure'))
})

test('the version that is needed is that of package.json', () => {
  const [major = 0, minor = 0] = nodeLeast.split('.').map(Number)
  assert.equal(faultOfNode(`${major}.${minor}.0`), undefined)
  for (const version of [`${major + 2}.0.0`, '100.0.0', `${major}.${minor + 1}.0-nightly`]) {
    assert.equal(faultOfNode(version), undefined, version)
  }
  for (const version of [`${major}.${minor - 1}.9`, `${major - 2}.99.0`, '9.0.0']) {
    const sentence = `Tenure needs Node.js ${major}.${minor} or later; this is ${version}.`
    assert.equal(faultOfNode(version), sentence)
  }
  assert.equal(faultOfNode(undefined), undefined)
})

describe('on a Node.js that is too old', { concurrency: 2 }, () => {
  for (const version of versions) {
    const sentence = `Tenure needs Node.js ${nodeLeast.replace(/\.0$/, '')} or later; this is ${version}.`
    const says = new RegExp(sentence.replaceAll('.', '\\.'))
    const other = /not a function|is not defined|No such built-in|SyntaxError/

    test(`${version}: the library and its subpaths say which one is needed`, async () => {
      const node = nodes.get(version) ?? ''
      for (const name of ['tenure', 'tenure/fastify', 'tenure/testing']) {
        const args = ['--input-type=module', '--eval', `import '${name}'`]
        const { code, stdout, stderr } = await run(node, args, folder)
        assert.equal(code, 1, name)
        assert.match(stderr, says, name)
        assert.doesNotMatch(stderr + stdout, other)
      }
      // An older one cannot `require` a module at all, and says so itself.
      const required = await run(node, ['--eval', "require('tenure')"], folder)
      assert.equal(required.code, 1)
      assert.match(required.stderr, version.startsWith('18') ? /ERR_REQUIRE_ESM/ : says)
    })

    test(`${version}: the command says so in one line, whatever it is asked`, async () => {
      const node = nodes.get(version) ?? ''
      const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
        bin: { tenure: string }
      }
      const path = join(folder, 'node_modules/tenure', bin.tenure)
      for (const args of [['--help'], ['--version'], ['run', '--', 'true'], []]) {
        const { code, stdout, stderr } = await run(node, [path, ...args], folder)
        assert.deepEqual(
          { code, stdout, stderr },
          { code: 1, stdout: '', stderr: `tenure: error: ${sentence}\n` },
        )
      }
    })
  }
})
