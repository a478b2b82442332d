// The rooms of src/ and what each may import: the table of the design, as a rule of the linter.

/** Files that everybody may import. They import one another, and nothing else of ours. */
const firstRow = [
  'clock.ts',
  'correlation.ts',
  'duration.ts',
  'errors.ts',
  'events.ts',
  'invariant.ts',
  'options/check.ts',
  'store/fencing-token.ts',
  'store/lease-store.ts',
  'store/ledger-store.ts',
  'store/ledger/',
  'store/stored-schedule.ts',
  'store/tables-version.ts',
]

/** What a store URL says, which the options have to know before any store is opened. */
const storeUrls = ['store/store-url.ts', 'store/postgres/postgres-url.ts']

/** The options, and what is derived from them. */
const options = [...firstRow, 'options.ts', 'options/']

/** The public surface: what an application may import. */
const surface = [
  'index.ts',
  'store/lease-store.ts',
  'store/ledger-store.ts',
  'store/stored-schedule.ts',
]

/** What an instance is made of. */
const inside = [
  ...options,
  'fencing/',
  'heart/',
  'lease/',
  'log.ts',
  'schedule/',
  'store/open-ledger.ts',
  'store/open-store.ts',
]

/**
 * A room is the files that begin with its name; of several the first that fits. `may` lists what it
 * imports besides itself; `node` says which modules of Node.js it may use, where that is restricted.
 *
 * @type {{ name: string, may: string[], node?: string[] }[]}
 */
const rooms = [
  ...firstRow.map((name) => ({ name, may: firstRow })),
  ...storeUrls.map((name) => ({ name, may: [...firstRow, ...storeUrls] })),
  { name: 'options/relations.ts', may: firstRow },
  { name: 'options/', may: [...firstRow, 'options.ts'] },
  { name: 'options.ts', may: [...firstRow, ...storeUrls, 'options/relations.ts'] },
  { name: 'log.ts', may: firstRow },
  { name: 'lease/', may: firstRow, node: [] },
  // A run hands out the fence of its term, whose type it has to name.
  { name: 'schedule/', may: [...firstRow, 'fencing/fence-client.ts'], node: [] },
  { name: 'fencing/', may: firstRow, node: [] },
  // What all servers share.
  { name: 'store/server/', may: firstRow },
  { name: 'store/memory/', may: firstRow },
  { name: 'store/sqlite/', may: firstRow },
  { name: 'store/postgres/', may: [...firstRow, ...storeUrls, 'store/server/'] },
  {
    name: 'store/open-store.ts',
    may: [...firstRow, ...storeUrls, 'store/memory/', 'store/sqlite/', 'store/postgres/'],
  },
  {
    name: 'store/open-ledger.ts',
    may: [...firstRow, 'store/memory/', 'store/open-store.ts', 'store/postgres/', 'store/sqlite/'],
  },
  { name: 'heart/', may: [...options, 'lease/', 'store/open-ledger.ts', 'store/open-store.ts'] },
  // The page is given a status, and shows nothing else.
  { name: 'instance/status.ts', may: [...options, 'schedule/job.ts', 'schedule/run.ts'] },
  { name: 'instance/', may: inside },
  { name: 'tenure.ts', may: [...inside, 'instance/'] },
  { name: 'index.ts', may: [...inside, 'instance/', 'tenure.ts'] },
  { name: 'dashboard/', may: ['instance/status.ts'] },
  { name: 'fastify/', may: [...surface, 'dashboard/page.ts'] },
  { name: 'cli/', may: [...surface, 'clock.ts', 'dashboard/page.ts', 'instance/node-version.ts'] },
  // Its Tenure is the real one, on a clock and a memory of its own, which nobody else can give it.
  {
    name: 'testing/',
    may: [
      ...surface,
      'clock.ts',
      'instance/instance.ts',
      'options.ts',
      'options/check.ts',
      'store/memory/memory-store.ts',
      'tenure.ts',
    ],
  },
]

/** @type {(from: string, specifier: string) => string} */
function resolve(from, specifier) {
  const parts = from.split('/').slice(0, -1)
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** @type {(file: string, places: string[]) => boolean} */
function isWithin(file, places) {
  return places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place))
}

/**
 * Why `file`, below src/, may not import `specifier`, or `undefined` if it may.
 *
 * @type {(file: string, specifier: string) => string | undefined}
 */
export function refusal(file, specifier) {
  const room = rooms.find(({ name }) => isWithin(file, [name]))
  if (!specifier.startsWith('.')) {
    const isNode = specifier.startsWith('node:')
    if (!isNode || room?.node === undefined) return undefined
    return `the room ${room.name} may not use ${specifier}`
  }
  const target = resolve(file, specifier)
  // The table names every file at the root of src/, and every room.
  if (room === undefined) return `${file} is in no room`
  if (isWithin(target, [room.name, ...room.may])) return undefined
  return `the room ${room.name} may not import ${target}`
}

const roomsRule = {
  /** @param {any} context */
  create(context) {
    const file = context.filename.replaceAll('\\', '/').split('/src/').at(-1)
    /** @type {(node: any, source: any) => void} */
    const check = (node, source) => {
      if (typeof source?.value !== 'string') return
      const message = refusal(file, source.value)
      if (message !== undefined) context.report({ node, message })
    }
    return {
      /** @param {any} node */
      ImportDeclaration: (node) => check(node, node.source),
      /** @param {any} node */
      ExportNamedDeclaration: (node) => check(node, node.source),
      /** @param {any} node */
      ExportAllDeclaration: (node) => check(node, node.source),
      /** @param {any} node */
      ImportExpression: (node) => check(node, node.source),
      /** @param {any} node */
      TSImportType: (node) => check(node, node.source ?? node.argument),
    }
  },
}

const timers = new Set([
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
])

/** Only clock.ts may read a clock or set a timer: everything else is given a `Clock`. */
const clockRule = {
  /** @param {any} context */
  create(context) {
    if (context.filename.replaceAll('\\', '/').endsWith('/src/clock.ts')) return {}
    /** @type {(node: any, what: string) => void} */
    const report = (node, what) =>
      context.report({ node, message: `only clock.ts may use ${what}` })
    return {
      /** @param {any} node */
      NewExpression(node) {
        const bare = node.callee.name === 'Date' && node.arguments.length === 0
        if (bare) report(node, 'new Date()')
      },
      /** @param {any} node */
      MemberExpression(node) {
        const { object, property } = node
        if (object.name === 'Date' && property.name === 'now') report(node, 'Date.now')
        if (object.name === 'performance') report(node, 'performance')
        if (object.name === 'globalThis' && timers.has(property.name)) {
          report(node, property.name)
        }
      },
      /** @param {any} node */
      CallExpression(node) {
        if (timers.has(node.callee.name)) report(node, node.callee.name)
      },
      /** @param {any} node */
      ImportDeclaration(node) {
        if (/^(node:)?timers/.test(node.source.value)) report(node, node.source.value)
      },
    }
  },
}

export default {
  meta: { name: 'tenure' },
  rules: { rooms: roomsRule, clock: clockRule },
}
