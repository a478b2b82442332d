/** Prints a table in Markdown. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  console.log([line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n'))
}

/** A row that says in its second cell why there are no figures. */
export function rowWithout(name: readonly string[], why: string, width: number): string[] {
  const rest = width - name.length - 1
  return [...name, why, ...Array.from({ length: rest }, () => '')]
}

/** The value that the given share of all values does not exceed; NaN of none. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

/** Tells how far the benchmark is: not on stdout, where the tables are. */
export function tell(what: string): void {
  process.stderr.write(`${what}\n`)
}
