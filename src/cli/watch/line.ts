import type { Paint, Style } from '../paint.ts'
import { clip } from '../words.ts'

/** A piece of a line, and how it looks. */
export type Segment = readonly [text: string, style?: Style | undefined]

/** A line as the terminal gets it, cut where it would be wider than this. */
export function painted(line: readonly Segment[], width: number, paint: Paint): string {
  let left = width
  let result = ''
  for (let i = 0; i < line.length && left > 0;) {
    const [, style] = line[i] ?? ['']
    let text = ''
    // Neighbours of the same style are painted as one: a timeline has a segment for each column.
    for (; i < line.length && line[i]?.[1] === style; i++) text += line[i]?.[0]
    const shown = clip(text, left)
    left -= Array.from(shown).length
    result += style === undefined || shown === '' ? shown : paint(style, shown)
  }
  return result
}
