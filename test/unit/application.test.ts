// Which application a process is, by default, and when two of them on one lease are told of.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { applicationOf } from '../../src/instance/application.ts'
import { pageDataOf } from '../../src/dashboard/page-data.ts'
import { OtherApplication } from '../../src/heart/other-application.ts'
import { healthOf } from '../../src/index.ts'
import type { LeaseRecord } from '../../src/store/lease-store.ts'
import { FakeClock } from '../../src/testing/index.ts'
import { Group } from '../support/memory-group.ts'

const root = realpathSync(mkdtempSync(join(tmpdir(), 'tenure-application-')))
after(() => rmSync(root, { recursive: true, force: true }))

/** A file below the folder of this test. */
function put(path: string, text = ''): string {
  const whole = join(root, path)
  mkdirSync(dirname(whole), { recursive: true })
  writeFileSync(whole, text)
  return whole
}

function packageAt(folder: string, content: unknown): void {
  put(join(folder, 'package.json'), typeof content === 'string' ? content : JSON.stringify(content))
}

describe('the name of an application', () => {
  packageAt('shop', { name: '@acme/shop' })
  packageAt('shop/dist', { type: 'module' })
  packageAt('shop/broken', '{ not JSON')
  packageAt('shop/odd', { name: 'a\nb' })
  packageAt('shop/node_modules/runner', { name: 'runner' })
  packageAt('cwd', { name: 'of-the-folder' })
  const folder = join(root, 'cwd')
  const main = put('shop/dist/server/main.js')

  test('is that of the nearest package.json above the main module that has one', () => {
    const mains = ['shop/main.js', 'shop/broken/main.js', 'shop/odd/main.js'].map((path) =>
      put(path),
    )
    for (const path of [main, ...mains, main.replace(/\.js$/, ''), join(root, 'shop')]) {
      assert.equal(applicationOf({ main: path, folder }), '@acme/shop', path)
    }
  })

  test('is that of the working directory where there is no main module, or no name above it', () => {
    const alone = put('alone/main.js')
    for (const path of [undefined, 'argument', '-', alone]) {
      assert.equal(applicationOf({ main: path, folder }), 'of-the-folder', path)
    }
    assert.equal(applicationOf({ main: undefined, folder: join(root, 'alone') }), undefined)
    assert.equal(applicationOf({ main: undefined, folder: '' }), undefined)
  })

  test('is not that of a runner, wherever that was installed', () => {
    const runner = put('shop/node_modules/runner/cli.js')
    mkdirSync(join(root, 'shop/node_modules/.bin'))
    symlinkSync(runner, join(root, 'shop/node_modules/.bin/runner'))
    packageAt('lib/node_modules/pm2', { name: 'pm2' })
    const global = put('lib/node_modules/pm2/lib/ProcessContainerFork.js')
    for (const path of [runner, join(root, 'shop/node_modules/.bin/runner'), global]) {
      assert.equal(applicationOf({ main: path, folder }), undefined, path)
    }
    // A package of the same repository that is linked among the others is an application.
    symlinkSync(join(root, 'shop'), join(root, 'lib/node_modules/shop'))
    const linked = join(root, 'lib/node_modules/shop/dist/server/main.js')
    assert.equal(applicationOf({ main: linked, folder }), '@acme/shop')
  })

  test('is that of the working directory for the command of this package', () => {
    const command = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
    assert.equal(applicationOf({ main: command, folder }), 'of-the-folder')
  })
})

const hourMs = 3_600_000

describe('two applications on one lease', () => {
  const recordOf = (application: string): LeaseRecord => ({
    holder: 'x:1:y',
    token: 1,
    application,
    label: undefined,
    ttlMs: 1,
    renewals: 0,
    ageMs: 0,
    remainingMs: 1,
    resignRequest: undefined,
    jobsHash: undefined,
  })

  test('are told at the start and when the lease passes on, once an hour at most', () => {
    const clock = new FakeClock()
    const other = new OtherApplication({ clock, application: 'shop' })
    const says = (lines: readonly { event: string }[]): boolean => lines.length === 1
    const billing = recordOf('billing')
    assert.ok(says(other.held(billing)), 'at the start')
    assert.ok(!says(other.held(billing)), 'not at each attempt')
    clock.advance(2 * hourMs)
    assert.ok(!says(other.held(billing)), 'not while nothing passes on')
    assert.ok(says(other.acquired()), 'when it passes to this application')
    assert.ok(!says(other.held(billing)), 'not twice in an hour')
    clock.advance(hourMs)
    assert.ok(says(other.acquired()), 'when it passes back later')
  })

  test('are not told of where it may be one: a name is not known, or it is the same', () => {
    const clock = new FakeClock()
    const shop = new OtherApplication({ clock, application: 'shop' })
    assert.deepEqual(shop.held(recordOf('')), [])
    assert.deepEqual(shop.held(recordOf('shop')), [])
    assert.deepEqual(shop.acquired(), [])
    const unknown = new OtherApplication({ clock, application: undefined })
    assert.deepEqual(unknown.held(recordOf('billing')), [])
    assert.deepEqual(unknown.acquired(), [])
  })

  test('each says so itself, shows it, and works on', async () => {
    const group = new Group()
    const shop = group.add({ application: 'shop' })
    const billing = group.add({ application: 'billing' })
    await shop.tenure.start()
    await group.pass(1_000)
    await billing.tenure.start()
    await group.pass(1_000)
    const said = (member: typeof shop): unknown[] =>
      member.lines.filter(({ event }) => event === 'lease_other_application')
    assert.equal(said(billing).length, 1)
    void shop.tenure.resign()
    // For a ttl it does not ask.
    await group.pass(10_000)
    assert.equal(billing.tenure.isLeader, true)
    assert.equal(said(shop).length, 1, 'the one that has lost the lease to another says so as well')
    assert.equal(said(billing).length, 1)
    for (const { tenure } of [shop, billing]) {
      const status = await tenure.status()
      const other = tenure === shop.tenure ? 'billing' : 'shop'
      assert.equal(status.otherApplication, other)
      assert.match(pageDataOf(status).notice ?? '', new RegExp(`share the lease .*"${other}"`))
      assert.equal(healthOf(tenure).status, 'ok')
    }
    for (const { tenure } of [shop, billing]) {
      const stopped = tenure.stop()
      await group.pass(1_000)
      await stopped
    }
  })
})
