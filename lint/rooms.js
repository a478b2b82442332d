// The rooms of src/ and what each may import: the table of the design, as a rule of the linter.

/** Files that everybody may import. They import one another, and nothing else of ours. */
const firstRow = [
  'clock.ts',
  'correlation.ts',
  'duration.ts',
  'errors.ts',
  'events.ts',
  'invariant.ts',
  'options/',
  'store/fencing-token.ts',
  'store/lease-store.ts',
  'store/ledger-store.ts',
  'store/ledger/',
  'store/postgres/postgres-url.ts',
  'store/store-url.ts',
  'store/stored-schedule.ts',
  'store/tables-version.ts',
]

/** The public surface: what an application may import. */
const surface = [
  'index.ts',
  'store/lease-store.ts',
  'store/ledger-store.ts',
  'store/stored-schedule.ts',
]

/**
 * A room is the files that begin with its name. `may` lists what it imports besides itself; `node`
 * says which modules of Node.js it may use, where that is restricted.
 */
const rooms = [
  { name: 'lease/', may: firstRow, node: [] },
  // A run hands out the fence of its term, whose type it has to name.
  { name: 'schedule/', may: [...firstRow, 'fencing/fence-client.ts'], node: [] },
  { name: 'fencing/', may: firstRow, node: [] },
  // What all servers share.
  { name: 'store/server/', may: firstRow },
  { name: 'store/memory/', may: firstRow },
  { name: 'store/sqlite/', may: firstRow },
  { name: 'store/postgres/', may: [...firstRow, 'store/server/'] },
  {
    name: 'store/open-store.ts',
    may: [...firstRow, 'store/memory/', 'store/sqlite/', 'store/postgres/'],
  },
  {
    name: 'store/open-ledger.ts',
    may: [...firstRow, 'store/memory/', 'store/open-store.ts', 'store/postgres/', 'store/sqlite/'],
  },
  {
    name: 'heart/',
    may: [...firstRow, 'options.ts', 'lease/', 'store/open-ledger.ts', 'store/open-store.ts'],
  },
  { name: 'fastify/', may: [...surface, 'dashboard/page.ts'] },
  { name: 'cli/', may: [...surface, 'clock.ts', 'dashboard/page.ts', 'instance/node-version.ts'] },
  // Its Tenure is the real one, on a clock and a memory of its own, which nobody else can give it.
  {
    name: 'testing/',
    may: [
      ...surface,
      'clock.ts',
      'options.ts',
      'options/check.ts',
      'store/memory/memory-store.ts',
      'tenure.ts',
    ],
  },
  { name: 'dashboard/', may: ['instance/status.ts'] },
  { name: 'options.ts', may: firstRow },
  {
    name: 'instance/status.ts',
    may: [...firstRow, 'options.ts', 'schedule/job.ts', 'schedule/run.ts'],
  },
  ...firstRow.map((name) => ({ name, may: firstRow })),
]

/** What `tenure.ts` and the pieces that it wires may not import: what is built on them. */
const notForTenure = ['fastify/', 'cli/', 'dashboard/', 'testing/']

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
  if (room === undefined) {
    const refused = isWithin(target, notForTenure)
    return refused ? `${file} may not import ${target}` : undefined
  }
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
