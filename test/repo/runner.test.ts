// Nothing is lost between the two commands that run tests, and their budgets add up.
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { promises } from '../promises.ts'
import {
  commandOf,
  layers,
  limits,
  rankOf,
  shareForMore,
  type CommandName,
} from '../runner/layers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const files = globSync('test/**/*.test.ts', { cwd: root }).map((file) => file.slice('test/'.length))

describe('the files of tests', () => {
  test('are all below test/, each in a layer, and one of the two commands runs each', () => {
    const exclude = ['**/node_modules/**', 'dist/**', 'coverage/**']
    const everywhere = globSync('**/*.test.{ts,mts,cts,js,mjs,cjs}', { cwd: root, exclude })
    assert.equal(everywhere.length, files.length, 'none is elsewhere')
    for (const file of files) assert.ok(rankOf(file) >= 0)
    const ran = (['test', 'campaigns'] as const).map(
      (command) => files.filter((file) => commandOf(file) === command).length,
    )
    assert.equal((ran[0] ?? 0) + (ran[1] ?? 0), files.length)
    assert.ok(ran.every((count) => count > 10))
  })

  test('no layer is without files', () => {
    for (const { folder } of layers) {
      assert.ok(
        files.some((file) => file.startsWith(`${folder}/`)),
        folder,
      )
    }
  })
})

describe('the budgets', () => {
  for (const command of ['test', 'campaigns'] as const satisfies readonly CommandName[]) {
    test(`of the layers leave room for more in the one of ${command}`, () => {
      const sum = layers.reduce((seconds, { budget }) => seconds + budget[command], 0)
      const limit = limits[command].processor
      assert.ok(sum <= (1 - shareForMore) * limit, `${sum} s of ${limit} s`)
    })
  }
})

test('each promise names files that exist', () => {
  for (const { promise, shownBy } of promises) {
    for (const { file } of shownBy) {
      assert.ok(
        files.some((path) => path.startsWith(file)),
        `${promise}: ${file}`,
      )
    }
  }
})
