/** A span of time as the page says it: `0.3 s`, `12 s`. */
export function formatDurationWords(ms: number): string {
  const seconds = ms / 1_000
  return `${seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)} s`
}
