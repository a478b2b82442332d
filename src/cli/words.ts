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

/** A text that cannot do anything to a terminal but be read, on one line. */
export function plainText(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}

/** A text that is no wider than this. */
export function clip(text: string, columns: number): string {
  const characters = Array.from(text)
  if (characters.length <= columns) return text
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`
}
