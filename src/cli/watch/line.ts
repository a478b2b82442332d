import type { Paint, Style } from '../paint.ts'
import { clip } from '../words.ts'

/** A piece of a line, and how it looks. */
export type Segment = readonly [text: string, style?: Style | undefined]

/** A line as the terminal gets it, cut where it would be wider than this. */
export function painted(line: readonly Segment[], width: number, paint: Paint): string {
  let left = width
  const pieces: string[] = []
  for (const [text, style] of line) {
    if (left <= 0) break
    const shown = clip(text, left)
    left -= Array.from(shown).length
    pieces.push(style === undefined || shown === '' ? shown : paint(style, shown))
  }
  return pieces.join('')
}
