import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'

import type { Browser, Page } from 'playwright-core'

import {
  openPage,
  overflowOf,
  startBrowser,
  textsOfLowContrast,
  type Window,
} from '../support/browser.ts'
import { until } from '../support/until.ts'
import { ownMemory, serve, untilLeader } from '../support/fastify-app.ts'
import { instanceOf, Launcher, processState } from '../support/launcher.ts'
import { missing } from '../support/programs.ts'

const wide = { width: 1280, height: 900, colorScheme: 'light' } as const
const narrow = { width: 390, height: 844, colorScheme: 'dark' } as const
const looks = [
  wide,
  narrow,
  { ...wide, colorScheme: 'dark' },
  { ...narrow, colorScheme: 'light' },
] as const

/** Longer than the ttl of 6 s, so that a heartbeat on the event loop would be missed. */
const busyMs = 7_000
const stallLimitMs = 8_000

const browser: Promise<Browser> = missing('chromium') ? Promise.reject() : startBrowser()
browser.catch(() => {})
after(async () => (await browser.catch(() => undefined))?.close())

/** A demonstration with shorter times, and its page. */
class Demonstration {
  readonly launcher = new Launcher(
    `--port 0 --busy ${busyMs}ms --stall-limit ${stallLimitMs}ms`.split(' '),
  )
  #window: Window | undefined

  async open(): Promise<void> {
    await this.launcher.ready()
    this.#window = await openPage(await browser, this.launcher.url, wide)
  }

  async close(): Promise<void> {
    const troubles = this.#window?.troubles
    await this.#window?.page.close()
    await this.launcher.end()
    assert.deepEqual(troubles, [])
  }

  get page(): Page {
    assert.ok(this.#window)
    return this.#window.page
  }

  card(name: string) {
    return this.page.locator(`[data-instance="${name}"]`)
  }

  button(name: string, text: string | RegExp) {
    return this.card(name).getByRole('button', { name: text })
  }

  /** Waits until the page shows an instance in this state. */
  async showsState(name: string, state: string): Promise<void> {
    await this.page.locator(`[data-instance="${name}"][data-state="${state}"]`).waitFor()
  }

  /** Waits until all instances answer, and returns the one that leads. */
  async calm(): Promise<{ name: string; pid: number; token: number }> {
    const { leader, lease, instances } = await this.launcher.data('all answer', (data) => {
      const held = data.instances.some(({ holdsLease }) => holdsLease)
      return held && data.instances.every(({ state }) => state === 'answers')
    })
    const instance = instances.find(({ name }) => name === leader)
    assert.ok(instance?.pid !== undefined && lease !== undefined)
    return { name: instance.name, pid: instance.pid, token: lease.token }
  }

  /** Waits until the page shows another leader, and returns its token. */
  async nextLeader(before: string): Promise<{ name: string; token: number }> {
    const { leader, lease } = await this.launcher.data(
      'another leader',
      ({ leader: name }) => name !== undefined && name !== before,
    )
    assert.ok(leader !== undefined && lease !== undefined)
    await this.page.locator(`[data-instance="${leader}"][data-holds-lease="true"]`).waitFor()
    return { name: leader, token: lease.token }
  }
}

/** Freezes the leader, and waits for the next one. */
async function freeze(
  demo: Demonstration,
  attempts = 3,
): Promise<{ name: string; pid: number; token: number; next: { token: number } }> {
  const { name, pid, token } = await demo.calm()
  await demo.button(name, 'Freeze').click()
  await demo.showsState(name, 'frozen')
  assert.equal(processState(pid)?.state, 'T')
  try {
    return { name, pid, token, next: await demo.nextLeader(name) }
  } catch (error) {
    // Stopped in the middle of a write, it keeps the lock of SQLite's file: nobody can lead then.
    if (attempts === 1) throw error
    await demo.button(name, 'Thaw').click()
    return freeze(demo, attempts - 1)
  }
}

describe('the page', { concurrency: true, skip: missing('chromium') }, () => {
  describe('of the demonstration', { concurrency: false }, () => {
    const demo = new Demonstration()
    before(() => demo.open())
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
    before(() => demo.open())
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
