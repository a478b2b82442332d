import { styleText } from 'node:util'

import { clip } from './words.ts'

/** How a piece of text looks, where there are colours. */
export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan'

/** Gives a text a style, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string

/** Colours for a terminal that has them, unless somebody does not want any (NO_COLOR). */
export function paintFor(stream: NodeJS.WriteStream): Paint {
  const hasColours = stream.isTTY && stream.hasColors()
  return hasColours
    ? (style, text) => styleText(style, text, { validateStream: false })
    : (_style, text) => text
}

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
