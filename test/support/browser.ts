import { chromium, type Browser, type Page } from 'playwright-core'

import { pathOf } from './programs.ts'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Other tests may use all processors at the same time. */
const patienceMs = 60_000

/** A page in a window of its own, and what has gone wrong in it. */
export interface Window {
  readonly page: Page
  /** Errors and warnings of the console, exceptions, and requests that failed. */
  readonly troubles: readonly string[]
}

/** How a window looks. */
export interface Look {
  readonly width: number
  readonly height: number
  readonly colorScheme: 'light' | 'dark'
}

/** Starts Chromium. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: pathOf('chromium'), args: flags })
}

/** Opens a page, and waits until it shows who leads. */
export async function openPage(browser: Browser, url: string, look: Look): Promise<Window> {
  const { width, height, colorScheme } = look
  const page = await browser.newPage({ viewport: { width, height }, colorScheme })
  page.setDefaultTimeout(patienceMs)
  const troubles: string[] = []
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) troubles.push(message.text())
  })
  page.on('pageerror', (error) => troubles.push(String(error)))
  page.on('requestfailed', (request) => troubles.push(`${request.url()} has failed`))
  page.on('response', (response) => {
    if (response.status() >= 400) troubles.push(`${response.url()}: ${response.status()}`)
  })
  await page.goto(url)
  await page.locator('#connection[data-state=live]').waitFor()
  return { page, troubles }
}

/**
 * The texts of the page whose contrast with what is behind them is too low to be read well: less
 * than 4.5, or 3 for large ones (WCAG 2.2, success criterion 1.4.3).
 */
export function textsOfLowContrast(page: Page): Promise<string[]> {
  // oxlint-disable-next-line no-eval -- It is a text, because it runs in the browser.
  return page.evaluate<string[]>(`(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
    const rgbaOf = (color) => {
      canvas.clearRect(0, 0, 1, 1)
      canvas.fillStyle = color
      canvas.fillRect(0, 0, 1, 1)
      return [...canvas.getImageData(0, 0, 1, 1).data]
    }
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b]
        .map((value) => value / 255)
        .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
      return 0.2126 * x + 0.7152 * y + 0.0722 * z
    }
    const behind = (node) => {
      for (let at = node; at !== null; at = at.parentElement) {
        const rgba = rgbaOf(getComputedStyle(at).backgroundColor)
        if (rgba[3] === 255) return rgba
      }
      return [255, 255, 255, 255]
    }
    const low = []
    for (const node of document.querySelectorAll('body *')) {
      const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
      if (!own || node.checkVisibility?.() === false || node.closest('noscript')) continue
      const style = getComputedStyle(node)
      const [a, b] = [luminance(rgbaOf(style.color)), luminance(behind(node))]
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
      const large = parseFloat(style.fontSize) >= 24
      if (ratio < (large ? 3 : 4.5)) {
        low.push(node.textContent.trim().slice(0, 40) + ': ' + ratio.toFixed(2))
      }
    }
    return low
  })()`)
}

/** By how many pixels the page is wider than its window. */
export function overflowOf(page: Page): Promise<number> {
  return page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
}
