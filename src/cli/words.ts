const secondMs = 1_000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/** A span of time as people say it: `0.8 s`, `42 s`, `5m 21s`, `2h 03m`, `4d 07h`. */
export function spanOf(ms: number): string {
  const pad = (value: number): string => String(Math.floor(value)).padStart(2, '0')
  if (ms < 10 * secondMs) return `${(Math.floor(Math.max(0, ms) / 100) / 10).toFixed(1)} s`
  if (ms < minuteMs) return `${Math.floor(ms / secondMs)} s`
  if (ms < hourMs) return `${Math.floor(ms / minuteMs)}m ${pad((ms % minuteMs) / secondMs)}s`
  if (ms < dayMs) return `${Math.floor(ms / hourMs)}h ${pad((ms % hourMs) / minuteMs)}m`
  return `${Math.floor(ms / dayMs)}d ${pad((ms % dayMs) / hourMs)}h`
}

/** An instant in the time zone of this machine: only the time of day if it was today. */
export function timeOf(atMs: number, nowMs: number): string {
  const at = new Date(atMs)
  const pad = (value: number): string => String(value).padStart(2, '0')
  const time = `${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`
  if (at.toDateString() === new Date(nowMs).toDateString()) return time
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ${time}`
}

/**
 * A text that cannot do anything to a terminal but be read, on one line: without control characters,
 * line separators, and what turns the direction of writing round.
 */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]+/gu, ' ')
}

/** The same for all texts of plain data. */
export function plainTexts<Value>(value: Value): Value {
  return plainOf(value) as Value
}

function plainOf(value: unknown): unknown {
  if (typeof value === 'string') return plainText(value)
  if (Array.isArray(value)) return value.map(plainOf)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, plainOf(of)]))
}

/** The same for a text of several lines: those after the first are indented, and so none is forged. */
export function plainLines(text: string): string {
  return text.split(/\r?\n/).map(plainText).join('\n  ')
}

/** A value as JSON for a terminal: JSON leaves as they are what {@link plainText} takes away above 127. */
export function jsonText(value: unknown): string {
  return jsonOf(value).replace(
    /[\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, plain) ?? 'undefined'
  } catch {
    // A field with a circle in it is no reason to lose the line.
    return '"(not plain data)"'
  }
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { message: value.message, stack: value.stack }
  return typeof value === 'bigint' ? String(value) : value
}

/** A text that is no wider than this. */
export function clip(text: string, columns: number): string {
  const characters = Array.from(text)
  if (characters.length <= columns) return text
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`
}
