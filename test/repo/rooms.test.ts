// The rooms of src/: what may import what is enforced by the linter, and the rule itself works.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { refusal } from '../../lint/rooms.js'

const root = fileURLToPath(new URL('../..', import.meta.url))

describe('the rooms', () => {
  test('let through what the design allows', () => {
    const allowed = [
      ['lease/elector.ts', './holding.ts'],
      ['lease/elector.ts', '../clock.ts'],
      ['lease/elector.ts', '../store/lease-store.ts'],
      ['store/sqlite/sqlite-store.ts', 'node:sqlite'],
      ['store/open-store.ts', './sqlite/sqlite-store.ts'],
      ['heart/heart.ts', '../lease/elector.ts'],
      ['heart/heart.ts', '../store/open-store.ts'],
      ['instance/instance.ts', '../heart/supervisor.ts'],
      ['instance/jobs.ts', '../schedule/scheduler.ts'],
      ['tenure.ts', './instance/instance.ts'],
      ['options.ts', './options/relations.ts'],
      ['fastify/plugin.ts', '../index.ts'],
      ['fastify/plugin.ts', '../dashboard/page.ts'],
      ['schedule/cron.ts', 'croner'],
      ['testing/test-tenure.ts', '../tenure.ts'],
    ] as const
    for (const [file, target] of allowed) assert.equal(refusal(file, target), undefined, target)
  })

  test('refuse everything else', () => {
    const refused = [
      ['lease/elector.ts', '../options.ts'],
      ['lease/elector.ts', '../store/memory/memory-store.ts'],
      ['lease/elector.ts', 'node:timers'],
      ['schedule/scheduler.ts', '../lease/elector.ts'],
      ['schedule/scheduler.ts', 'node:fs'],
      ['store/sqlite/sqlite-store.ts', '../memory/lease-table.ts'],
      ['store/sqlite/sqlite-store.ts', '../../lease/term.ts'],
      ['heart/heart.ts', '../schedule/scheduler.ts'],
      ['heart/heart.ts', '../store/sqlite/sqlite-store.ts'],
      ['clock.ts', './options.ts'],
      ['options.ts', './tenure.ts'],
      ['options.ts', './options/settings-in-force.ts'],
      ['instance/instance.ts', '../tenure.ts'],
      ['instance/instance.ts', '../store/sqlite/sqlite-store.ts'],
      ['heart/heart.ts', '../instance/instance.ts'],
      ['loose.ts', './errors.ts'],
      ['fastify/plugin.ts', '../tenure.ts'],
      ['fastify/plugin.ts', '../dashboard/other.ts'],
      ['dashboard/page.ts', '../index.ts'],
      ['tenure.ts', './fastify/plugin.ts'],
      ['tenure.ts', './testing/fake-clock.ts'],
      ['testing/test-tenure.ts', '../heart/supervisor.ts'],
      ['testing/test-tenure.ts', '../store/sqlite/sqlite-store.ts'],
    ] as const
    for (const [file, target] of refused) {
      assert.equal(typeof refusal(file, target), 'string', `${file} ${target}`)
    }
  })

  test('are what the linter enforces: each way to import, no circle, each way to read a clock', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tenure-lint-'))
    try {
      for (const path of ['.oxlintrc.json', 'lint'])
        cpSync(join(root, path), join(folder, path), { recursive: true })
      symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
      mkdirSync(join(folder, 'src/lease'), { recursive: true })
      const violations = [
        "import { a } from '../tenure.ts'",
        "import type { a } from '../tenure.ts'",
        "export { a } from '../tenure.ts'",
        "export * from '../tenure.ts'",
        "export const a = await import('../tenure.ts')",
        "export type A = import('../tenure.ts').Tenure",
        "import fs from 'node:fs'\nexport const a = fs",
        'export const a = Date.now()',
        'export const a = new Date()',
        'export const a = performance.now()',
        'setTimeout(() => {}, 1)',
        "import { setTimeout } from 'node:timers/promises'\nexport const a = setTimeout",
      ]
      for (const [i, code] of violations.entries()) {
        writeFileSync(join(folder, `src/lease/violation-${i}.ts`), `${code}\n`)
      }
      writeFileSync(join(folder, 'src/lease/fine.ts'), "export { a } from './violation-0.ts'\n")
      // A type that is imported in place would be in no circle that the linter sees.
      const circle = [
        "import type { B } from './circle-1.ts'\nexport type A = B | 1",
        "export type { A as B } from './circle-0.ts'",
        "export type C = import('./circle-0.ts').A",
      ]
      for (const [i, code] of circle.entries()) {
        writeFileSync(join(folder, `src/lease/circle-${i}.ts`), `${code}\n`)
      }
      const { stdout, status } = spawnSync(
        join(root, 'node_modules/.bin/oxlint'),
        ['-f', 'unix', 'src'],
        {
          cwd: folder,
          encoding: 'utf8',
        },
      )
      assert.equal(status, 1)
      const caught = stdout.split('\n').filter((line) => line.includes('tenure('))
      for (const [i, code] of violations.entries()) {
        assert.ok(
          caught.some((line) => line.includes(`violation-${i}.ts`)),
          code,
        )
      }
      assert.ok(!caught.some((line) => line.includes('fine.ts')))
      for (const [i, rule] of ['no-cycle', 'no-cycle', 'consistent-type-imports'].entries()) {
        const lines = stdout.split('\n').filter((line) => line.includes(`circle-${i}.ts`))
        assert.ok(
          lines.some((line) => line.includes(rule)),
          circle[i],
        )
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

describe('the repository', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')

  test('has no file at the root of src/ but those that every room may look for there', () => {
    const atRoot = tracked.flatMap((path) => /^src\/([^/]+)$/.exec(path)?.[1] ?? [])
    assert.deepEqual(atRoot, [
      'clock.ts',
      'correlation.ts',
      'duration.ts',
      'errors.ts',
      'events.ts',
      'index.ts',
      'invariant.ts',
      'log.ts',
      'options.ts',
      'tenure.ts',
    ])
  })

  test('has a run bit on what CI runs', () => {
    const mode = execFileSync('git', ['ls-files', '-s', '.ci/run'], { cwd: root, encoding: 'utf8' })
    assert.match(mode, /^100755/)
  })

  test('has no addresses of registries in its lock files', () => {
    const locks = tracked.filter((path) => path.endsWith('package-lock.json'))
    assert.ok(locks.length > 0)
    for (const path of locks) {
      const lock = execFileSync('git', ['show', `:${path}`], { cwd: root, encoding: 'utf8' })
      assert.doesNotMatch(lock, /"resolved"/, path)
    }
  })

  test('has no built or measured files in it', () => {
    const built = tracked.filter((path) =>
      /(^|\/)(dist|coverage|node_modules|\.installing-\d+)\//.test(path),
    )
    assert.deepEqual(built, [])
  })
})
