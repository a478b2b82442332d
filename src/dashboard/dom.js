// @ts-check

/**
 * Makes an element. What comes from the server only ever becomes text or the value of an
 * attribute, never markup.
 *
 * @param {string} tag
 * @param {Readonly<Record<string, string>>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value)
  node.append(...children)
  return node
}

/**
 * The element with this id, which the page has.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const node = document.getElementById(id)
  if (node === null) throw new Error(`the page has no #${id}`)
  return node
}

/**
 * Writes a text, if it is another one: what does not change can stay selected.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

/**
 * Writes an identifier, which may be broken after each `_` and `-`.
 *
 * @param {Node} node
 * @param {string} text
 */
export function setIdentifier(node, text) {
  if (node.textContent === text) return
  node.textContent = ''
  for (const part of text.split(/(?<=[_-])/)) node.appendChild(document.createTextNode(part))
  for (const part of Array.from(node.childNodes).slice(1)) {
    node.insertBefore(document.createElement('wbr'), part)
  }
}

/**
 * Sets an attribute, or removes it where there is no value.
 *
 * @param {Element} node
 * @param {string} name
 * @param {string | undefined} value
 */
export function setAttribute(node, name, value) {
  if (value === undefined) node.removeAttribute(name)
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value)
}

/**
 * Says how good or bad something is, for the style sheet: `good`, `accent`, `warn`, `bad` or `ice`, as its
 * variables are called; nothing without a tone.
 *
 * @param {HTMLElement} node
 * @param {string | undefined} tone
 */
export function setTone(node, tone) {
  setAttribute(node, 'data-tone', tone)
  node.style.setProperty('--tone', tone === undefined ? '' : `var(--${tone})`)
  node.style.setProperty('--soft', tone === undefined ? '' : `var(--${tone}-soft)`)
}

/**
 * @template Item
 * @typedef {{ node: HTMLElement, update(item: Item): void }} Row
 */

/**
 * Keeps one child for each item, in the order of the items: children stay as long as their item
 * does, so that the focus and a selection survive.
 *
 * @template Item
 * @param {HTMLElement} parent
 * @param {(item: Item) => string} keyOf
 * @param {() => Row<Item>} create
 * @returns {(items: readonly Item[]) => void}
 */
export function createList(parent, keyOf, create) {
  /** @type {Map<string, Row<Item>>} */
  let rows = new Map()
  return (items) => {
    /** @type {Map<string, Row<Item>>} */
    const next = new Map()
    for (const item of items) {
      const key = keyOf(item)
      const row = rows.get(key) ?? create()
      rows.delete(key)
      next.set(key, row)
      row.update(item)
    }
    for (const { node } of rows.values()) node.remove()
    rows = next
    let place = parent.firstChild
    for (const { node } of rows.values()) {
      if (node === place) place = place.nextSibling
      else parent.insertBefore(node, place)
    }
  }
}
