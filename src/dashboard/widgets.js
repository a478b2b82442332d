// @ts-check
import { element, setAttribute, setText } from './dom.js'

/** @import { Palette } from './format.js' */

/**
 * The name of an instance in its colour; `large` in a head line.
 *
 * @param {{ large?: boolean }} [options]
 */
export function createChip({ large = false } = {}) {
  const base = large ? 'chip chip-large' : 'chip'
  const node = element('span', { class: base })
  return {
    node,
    /**
     * @param {string} name
     * @param {Palette | undefined} palette
     */
    update(name, palette) {
      setText(node, name)
      // A long name is cut off.
      setAttribute(node, 'title', name)
      setAttribute(node, 'class', `${base} ${palette?.classOf(name) ?? ''}`)
    },
  }
}
