// The page in a real browser, with every button of the demonstration.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'

import { openPage, overflowOf, textsOfLowContrast } from '../support/browser.ts'
import { browserOfFile, Demonstration, freeze, looks } from '../support/demonstration.ts'
import { instanceOf, processState } from '../support/launcher.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'

const browser = browserOfFile()

describe('the page', { concurrency: true, skip: missing('chromium') }, () => {
  describe('of the demonstration', { concurrency: false }, () => {
    const demo = new Demonstration()
    before(async () => demo.open(await browser))
    after(() => demo.close())

    test('"Slow store": the file is locked for others, a heartbeat times out, the lease is kept', async () => {
      const { page, launcher } = demo
      const { name, token } = await demo.calm()
      await page.getByRole('button', { name: /^Slow store/ }).click()
      await page.getByText(/The launcher holds the write lock/).waitFor()
      const other = new DatabaseSync(join(launcher.folder, 'tenure.db'), { timeout: 0 })
      assert.throws(() => other.exec('BEGIN IMMEDIATE'), /locked/)
      other.close()
      const events = page.locator('#events li')
      await events.filter({ hasText: 'scheduler_lock_heartbeat_timeout' }).first().waitFor()
      await page.getByText(/^Store: sqlite/).waitFor()
      assert.deepEqual(await demo.calm().then((leader) => [leader.name, leader.token]), [
        name,
        token,
      ])
    })

    test('"Busy": its process computes and does not answer, and it keeps lease and token', async () => {
      const { page } = demo
      const { name, pid, token } = await demo.calm()
      const ticks = processState(pid)?.ticks ?? 0
      await demo.button(name, /^Busy/).click()
      await demo.showsState(name, 'busy')
      await demo
        .card(name)
        .getByText(/Still leads\. Heartbeat .* old/)
        .waitFor()
      await page.locator('#events li[data-seen]').first().waitFor()
      await demo
        .card(name)
        .getByText(/Was blocked for 7(\.\d)? s and has kept the lease/)
        .waitFor()
      // It computes, and does not only wait; how much it gets is for those who compute beside it.
      assert.ok((processState(pid)?.ticks ?? 0) - ticks > 20)
      assert.deepEqual(await demo.calm(), { name, pid, token })
      await demo.showsState(name, 'answers')
    })

    test('"Freeze" and "Thaw": stopped as a whole, replaced after the ttl, and awake it knows', async () => {
      const { page } = demo
      const { name, pid, token, next } = await freeze(demo)
      assert.equal(next.token, token + 1)
      await demo.button(name, 'Thaw').click()
      await until('the process goes on', () => processState(pid)?.state !== 'T')
      await demo
        .card(name)
        .getByText(/knows that it does not lead: (it is a candidate|its term ends)/)
        .waitFor()
      await page.locator('#terms tr', { hasText: 'expired' }).waitFor()
      // What fell into the gap: of the ticks that were missed the last is run, and the others not.
      await page.locator('#runs tr', { hasText: 'skipped, overdue' }).first().waitFor()
    })
  })

  describe('of another demonstration, at the same time', { concurrency: false }, () => {
    const demo = new Demonstration()
    before(async () => demo.open(await browser))
    after(() => demo.close())

    test('"Hang": it keeps the lease until the stall limit, then another leads, and its process lives', async () => {
      const { name, pid, token } = await demo.calm()
      await demo.button(name, 'Hang').click()
      await demo.showsState(name, 'hung')
      await demo
        .card(name)
        .getByText(/Still leads.* Gives up in \d+ s/)
        .waitFor()
      const next = await demo.nextLeader(name)
      assert.equal(next.token, token + 1)
      assert.ok(processState(pid) !== undefined)
      await demo.card(name).getByText('Does not lead.').waitFor()
    })

    test('is readable at 1280 and 390 pixels, light and dark: no overflow, no low contrast, no error', async () => {
      const { instances } = await demo.launcher.data()
      const candidate = instances.find((one) => one.state === 'answers' && !one.holdsLease)
      assert.ok(candidate)
      await demo.button(candidate.name, 'Freeze').click()
      await demo.showsState(candidate.name, 'frozen')
      for (const look of looks) {
        const { page, troubles } = await openPage(await browser, demo.launcher.url, look)
        await page.locator('[data-state="frozen"]').waitFor()
        await page.locator('[data-state="hung"]').waitFor()
        await page.getByRole('button', { name: 'All' }).click()
        assert.equal(await overflowOf(page), 0)
        assert.deepEqual(await textsOfLowContrast(page), [])
        assert.deepEqual(troubles, [])
        await page.close()
      }
      await demo.button(candidate.name, 'Thaw').click()
      await demo.showsState(candidate.name, 'answers')
    })

    test('"Kill": the process is gone, another leads after the ttl, and it comes back as a candidate', async () => {
      const { instances } = await demo.launcher.data()
      const hung = instances.find(({ state }) => state === 'hung')
      const leader = instances.find(({ holdsLease }) => holdsLease)
      assert.ok(hung && leader)
      for (const { name, pid = 0 } of [hung, leader]) {
        await demo.button(name, 'Kill').click()
        await until('the process is gone', () => processState(pid) === undefined)
        await demo.showsState(name, 'down')
      }
      const next = await demo.nextLeader(leader.name)
      assert.notEqual(next.name, leader.name)
      const after = await demo.calm()
      assert.equal(after.token, next.token)
      const restarted = instanceOf(await demo.launcher.data(), ({ name }) => name === leader.name)
      assert.notEqual(restarted.pid, leader.pid)
    })
  })
})
