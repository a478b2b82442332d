import assert from 'node:assert/strict'
import { after } from 'node:test'

import type { Browser, Page } from 'playwright-core'

import { openPage, startBrowser, type Window } from './browser.ts'
import { Launcher, processState } from './launcher.ts'
import { missing } from './programs.ts'

export const wide = { width: 1280, height: 900, colorScheme: 'light' } as const
export const narrow = { width: 390, height: 844, colorScheme: 'dark' } as const
export const looks = [
  wide,
  narrow,
  { ...wide, colorScheme: 'dark' },
  { ...narrow, colorScheme: 'light' },
] as const

/** Longer than the ttl of 6 s, so that a heartbeat on the event loop would be missed. */
const busyMs = 7_000
const stallLimitMs = 8_000

/** A demonstration with shorter times, and its page. */
export class Demonstration {
  readonly launcher = new Launcher(
    `--port 0 --busy ${busyMs}ms --stall-limit ${stallLimitMs}ms`.split(' '),
  )
  #window: Window | undefined

  async open(browser: Browser): Promise<void> {
    await this.launcher.ready()
    this.#window = await openPage(browser, this.launcher.url, wide)
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
    const { lease, instances } = await this.launcher.data('all answer', (data) => {
      const held = data.instances.some(({ holdsLease }) => holdsLease)
      return held && data.instances.every(({ state }) => state === 'answers')
    })
    const { leader } = lease
    const instance = instances.find(({ name }) => name === leader?.name)
    assert.ok(instance?.pid !== undefined && leader !== undefined)
    return { name: instance.name, pid: instance.pid, token: leader.token }
  }

  /** Waits until the page shows another leader, and returns its token. */
  async nextLeader(before: string): Promise<{ name: string; token: number }> {
    const data = await this.launcher.data(
      'another leader',
      ({ lease }) => lease.leader !== undefined && lease.leader.name !== before,
    )
    const { leader } = data.lease
    assert.ok(leader !== undefined)
    await this.page.locator(`[data-instance="${leader.name}"][data-holds-lease="true"]`).waitFor()
    return { name: leader.name, token: leader.token }
  }
}

/** Freezes the leader, and waits for the next one. */
export async function freeze(
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

/** A browser for the tests of one file, which is closed after them; none where it is missing. */
export function browserOfFile(): Promise<Browser> {
  const browser: Promise<Browser> = missing('chromium') ? Promise.reject() : startBrowser()
  browser.catch(() => {})
  after(async () => (await browser.catch(() => undefined))?.close())
  return browser
}
