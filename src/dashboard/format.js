// @ts-check

/** @import { PageData } from './page-data.ts' */

const secondMs = 1_000
const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000

/**
 * A span of time as a person says it: `40 ms`, `1.2 s`, `42 s`, `3 min 20 s`, `2 h 5 min`.
 *
 * @param {number} ms
 */
export function formatSpan(ms) {
  if (ms < 0.1 * secondMs) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 9.95 * secondMs) return `${(ms / secondMs).toFixed(1)} s`
  const seconds = Math.round(ms / secondMs)
  if (seconds < 60) return `${seconds} s`
  if (ms < hourMs) return inTwo(ms, minuteMs, 'min', secondMs, 's')
  if (ms < dayMs) return inTwo(ms, hourMs, 'h', minuteMs, 'min')
  return inTwo(ms, dayMs, 'd', hourMs, 'h')
}

/**
 * @param {number} ms
 * @param {number} largeMs
 * @param {string} large
 * @param {number} smallMs
 * @param {string} small
 */
function inTwo(ms, largeMs, large, smallMs, small) {
  const smallPerLarge = largeMs / smallMs
  const total = Math.floor(ms / smallMs)
  const rest = total % smallPerLarge
  const whole = `${Math.floor(total / smallPerLarge)} ${large}`
  return rest === 0 ? whole : `${whole} ${rest} ${small}`
}

/**
 * A setting in seconds, to a tenth.
 *
 * @param {number} ms
 */
export function formatExactly(ms) {
  return `${Math.round(ms / 100) / 10} s`
}

/**
 * A span of time that counts down or up, in whole seconds.
 *
 * @param {number} ms
 */
export function formatSeconds(ms) {
  const seconds = Math.max(0, Math.round(ms / secondMs))
  return seconds < 100 ? `${seconds} s` : formatSpan(ms)
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
const dayFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })

/**
 * The time of day of an instant, with the day where it is not the last.
 *
 * @param {number} atMs
 * @param {number} nowMs
 */
export function formatClock(atMs, nowMs) {
  return Math.abs(nowMs - atMs) < dayMs / 2 ? clockFormat.format(atMs) : dayFormat.format(atMs)
}

/**
 * How long ago, or in what time.
 *
 * @param {number} atMs
 * @param {number} nowMs
 */
export function formatDistance(atMs, nowMs) {
  const ms = atMs - nowMs
  if (ms < 0) return `${formatSeconds(-ms)} ago`
  // What is due in half a second is due in one, not in none.
  return `in ${formatSeconds(Math.ceil(ms / secondMs) * secondMs)}`
}

/** How many colours there are; the style sheet has a variable for each. */
const coloursMax = 6

/** Gives each instance a colour, the same one for as long as the page is open. */
export class Palette {
  /** @type {Map<string, number>} */
  #indexes = new Map()

  /** @param {PageData} data */
  learn({ instances }) {
    for (const { name } of instances) this.colourOf(name)
  }

  /** @param {string} name */
  colourOf(name) {
    let index = this.#indexes.get(name)
    if (index === undefined) this.#indexes.set(name, (index = this.#indexes.size))
    return `var(--colour-${index % coloursMax})`
  }
}

/**
 * Who holds the lease as it is stored: who leads, or whose lease has expired.
 *
 * @param {PageData} data
 */
export function holderOf({ lease }) {
  return lease.leader ?? lease.expired
}

/**
 * What one look at the data came to: the data, the colours, and the time by the server's clock.
 *
 * @typedef {{
 *   data: PageData,
 *   palette: Palette,
 *   sinceMs: number,
 *   nowMs: number,
 * }} View
 */
