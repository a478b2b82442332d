import { styleText } from 'node:util'

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
