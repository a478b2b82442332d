// The page in a real browser; the campaigns press all of its buttons.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { openPage, overflowOf } from '../support/browser.ts'
import { browserOfFile, Demonstration, narrow, wide } from '../support/demonstration.ts'
import { ownMemory, serve, untilLeader } from '../support/fastify-app.ts'
import { missing } from '../support/programs.ts'
import { until } from '../support/until.ts'

const browser = browserOfFile()

describe('the page', { concurrency: true, skip: missing('chromium') }, () => {
  describe('of the demonstration', { concurrency: false }, () => {
    const demo = new Demonstration()
    before(async () => demo.open(await browser))
    after(() => demo.close())

    test('it is live: the age of the heartbeat changes, events and runs arrive, filters choose', async () => {
      const { page } = demo
      const text = (selector: string) => page.locator(selector).first().innerText()
      const age = await text('.age')
      await until('the age changes', async () => (await text('.age')) !== age)
      const newest = '#events li'
      const first = await text(newest)
      await until('a newer event is on top', async () => (await text(newest)) !== first)
      assert.match(await text(newest), /scheduler_lock_heartbeat_updated/)
      for (const job of ['scheduler_lock_heartbeat', 'purge-sessions', 'roll-up-requests']) {
        await page
          .locator('#jobs tr', { hasText: job })
          .getByText(/in \d+ s|now/)
          .waitFor()
      }
      await page.locator('#runs tr').first().waitFor()
      await page.getByRole('button', { name: 'Runs' }).click()
      await page.locator('#events li', { hasText: 'run_finished' }).first().waitFor()
      assert.equal(await page.locator('#events li', { hasText: 'heartbeat' }).count(), 0)
      await page.getByRole('button', { name: 'Heartbeat' }).click()
    })

    test('"Hand over", pressed with the keyboard: the leader resigns, another has the next token', async () => {
      const { page } = demo
      const { name, token } = await demo.calm()
      const candidate = name === 'A' ? 'B' : 'A'
      const disabled = demo.button(candidate, 'Hand over')
      assert.equal(await disabled.getAttribute('aria-disabled'), 'true')
      await demo.button(name, 'Hand over').focus()
      await page.keyboard.press('Enter')
      const next = await demo.nextLeader(name)
      assert.equal(next.token, token + 1)
      const term = page.locator('#terms tr', { hasText: 'resigned' })
      assert.match(await term.innerText(), new RegExp(`^${token}\\s+${name}`))
      const announcement = page.locator('#announcement', { hasText: `${next.name} leads` })
      await announcement.waitFor({ state: 'attached' })
    })
  })

  test('of the plugin shows its one instance, without buttons, at the address without a slash', async (t) => {
    const label = '<img src=x onerror="document.title=1">'
    const served = await serve(t, { store: ownMemory(), label, routes: ['page'] }, async (app) => {
      await app.tenure.schedule('<b>bold</b>', { every: '200ms' }, () => {
        throw new Error('<script>1</script>')
      })
    })
    await untilLeader(served)
    for (const look of [wide, narrow]) {
      const { page, troubles } = await openPage(await browser, `${served.url}/tenure`, look)
      assert.equal(page.url(), `${served.url}/tenure/`)
      // What comes from outside is shown as it is, and never as markup.
      await page.locator('.headline', { hasText: label }).waitFor()
      await page.locator('#runs tr', { hasText: '<b>bold</b>' }).first().waitFor()
      assert.equal(await page.locator('main img, main b, main script').count(), 0)
      assert.equal(await page.locator('.buttons button').count(), 0)
      assert.equal(await overflowOf(page), 0)
      assert.deepEqual(troubles, [])
      await page.close()
    }
  })

  test('of the plugin says that nobody answers when its server is gone', async (t) => {
    const served = await serve(t, { store: ownMemory(), routes: ['page'] })
    await untilLeader(served)
    const { page } = await openPage(await browser, `${served.url}/tenure/`, wide)
    await served.app.close()
    await page.getByText('no answer').waitFor()
    await page.close()
  })
})
