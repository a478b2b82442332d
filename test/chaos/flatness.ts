/** How much a quantity may rise, of what it was and beyond that, and still be called flat. */
export interface Tolerance {
  readonly share: number
  readonly plus: number
}

/** What a series shows. */
export interface Judgement {
  readonly flat: boolean
  readonly early: number
  readonly late: number
}

/** The share of a series that is not judged: caches fill, and code is compiled. */
const warmUpShare = 0.2

/**
 * Whether a series is flat: without its first fifth, the median of its last quarter is not higher
 * than that of its first quarter, but for the tolerance. A fall is no leak.
 */
export function judge(series: readonly number[], { share, plus }: Tolerance): Judgement {
  const judged = series.slice(Math.floor(series.length * warmUpShare))
  const quarter = Math.max(1, Math.floor(judged.length / 4))
  const early = median(judged.slice(0, quarter))
  const late = median(judged.slice(-quarter))
  return { flat: judged.length >= 8 && late <= early * (1 + share) + plus, early, late }
}

/** A series as a line of text: from nothing to its highest value, so that a flat one looks flat. */
export function chartOf(series: readonly number[], columns = 60): string {
  const blocks = Array.from(' ▁▂▃▄▅▆▇█')
  const highest = series.reduce((most, value) => Math.max(most, value), 1)
  const width = Math.min(columns, series.length)
  const parts = Array.from({ length: width }, (_, column) => {
    const from = Math.floor((column * series.length) / width)
    const to = Math.floor(((column + 1) * series.length) / width)
    return median(series.slice(from, to))
  })
  return parts.map((value) => blocks[Math.ceil((value / highest) * 8)] ?? ' ').join('')
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
