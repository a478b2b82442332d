// @ts-check
import { element, setAttribute, setText } from './dom.js'

/** @import { Palette } from './format.js' */
/** @import { PageControl } from './page-data.ts' */

/**
 * The name of an instance in its colour; `large` in a head line.
 *
 * @param {{ large?: boolean }} [options]
 */
export function createBadge({ large = false } = {}) {
  const node = element('span', { class: large ? 'badge badge-large' : 'badge' })
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
      node.style.setProperty('--own', palette?.colourOf(name) ?? '')
    },
  }
}

/**
 * A button for something that the page can ask for.
 *
 * @param {(action: string) => void} onPress
 * @returns {import('./dom.js').Row<PageControl>}
 */
export function createButton(onPress) {
  const node = element('button', { type: 'button' })
  let action = ''
  node.addEventListener('click', () => {
    if (node.getAttribute('aria-disabled') !== 'true') onPress(action)
  })
  return {
    node,
    update(control) {
      action = control.action
      setText(node, control.text)
      setAttribute(node, 'title', control.hint)
      setAttribute(node, 'data-action', control.action)
      // A disabled button would lose the focus of whoever has just pressed it.
      setAttribute(node, 'aria-disabled', control.enabled ? undefined : 'true')
    },
  }
}
