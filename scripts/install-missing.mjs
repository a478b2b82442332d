// Installs the packages that something needs and that are not there yet. It runs before `npm start`
// and `npm test`, with whatever Node.js there is.
//
//   node scripts/install-missing.mjs [demonstration | FOLDER ...]
//
// A folder has a package.json and a package-lock.json; `.` is the project itself, and the default.
import { spawn } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { constants } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What `npm start` needs besides the dependencies of the package itself. */
const demonstration = ['fastify', 'pg']

/** Where one process installs, before it puts all in place at once. */
const stagePattern = /^\.installing-(\d+)$/

/** How long a process waits for another one that installs into the same folder, and how often it looks. */
const waitMsMax = 600_000
const lookMs = 100

/**
 * @typedef {{ folder: string, names: string[], what: string }} Wanted some packages of a folder
 * @typedef {{
 *   version?: string, optional?: boolean, dependencies?: Record<string, string>,
 *   optionalDependencies?: Record<string, string>, peerDependencies?: Record<string, string>,
 * }} Locked a package, as npm writes it down
 * @typedef {import('node:child_process').ChildProcess} Child
 */

/** @param {string} path */
function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

/** What an argument stands for. @param {string} name @returns {Wanted} */
function wantedOf(name) {
  const isDemonstration = name === 'demonstration'
  const folder = isDemonstration ? root : resolve(root, name)
  const { dependencies, devDependencies, engines } = readJson(join(folder, 'package.json'))
  if (!isDemonstration) {
    const what = folder === resolve(root) ? 'the project' : name
    return { folder, names: Object.keys({ ...dependencies, ...devDependencies }), what }
  }
  // The project's own Node.js is ten times as large as all the rest.
  const node = runsSources(engines.node) ? [] : ['node']
  const names = [...Object.keys(dependencies), ...demonstration, ...node]
  return { folder, names, what: 'the demonstration' }
}

/** Whether this Node.js runs the sources as they are. @param {string} engines such as '>=22.18.0' */
function runsSources(engines) {
  const [majorMin = 0, minorMin = 0] = (engines.match(/\d+/g) ?? []).map(Number)
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const isRecent = major > majorMin || (major === majorMin && minor >= minorMin)
  return isRecent && Boolean(process.features.typescript)
}

/** The packages that npm has written down in a file, by their places. @param {string} path */
function packagesIn(path) {
  /** @type {[string, Locked][]} */
  const packages = existsSync(path) ? Object.entries(readJson(path).packages) : []
  return new Map(packages)
}

/**
 * The places of the packages with these names, and of all that they need.
 *
 * @param {ReadonlyMap<string, Locked>} locked
 * @param {readonly string[]} names
 */
function placesOf(locked, names) {
  /** @type {Set<string>} */
  const places = new Set()
  /** @type {{ from: string, name: string }[]} */
  const needed = names.map((name) => ({ from: '', name }))
  for (let next = needed.pop(); next !== undefined; next = needed.pop()) {
    const place = placeOf(locked, next.from, next.name)
    // An optional peer that nobody wants has none.
    if (place === undefined || places.has(place)) continue
    places.add(place)
    const { dependencies, optionalDependencies, peerDependencies } = locked.get(place) ?? {}
    for (const name of Object.keys({
      ...dependencies,
      ...optionalDependencies,
      ...peerDependencies,
    })) {
      needed.push({ from: place, name })
    }
  }
  return places
}

/**
 * Where Node.js finds a package, from the place of another.
 *
 * @param {ReadonlyMap<string, Locked>} locked
 * @param {string} from
 * @param {string} name
 */
function placeOf(locked, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    const place = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`
    if (locked.has(place)) return place
    if (at === '') return undefined
  }
}

/**
 * Whether all of it is there: npm writes down what it has installed at the end, and sometimes without
 * having done so.
 *
 * @param {Wanted} wanted
 */
function isInstalled({ folder, names }) {
  const locked = packagesIn(join(folder, 'package-lock.json'))
  const installed = packagesIn(join(folder, 'node_modules/.package-lock.json'))
  if (names.includes('node') && !existsSync(join(folder, 'node_modules/.bin/node'))) return false
  return [...placesOf(locked, names)].every((place) => {
    const { version, optional } = locked.get(place) ?? {}
    const found = installed.get(place)
    // What is for other platforms is optional, and not there.
    if (found === undefined) return optional === true
    return found.version === version && existsSync(join(folder, place, 'package.json'))
  })
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Waits for others that install into this folder, and removes what was left by those that were killed. */
async function waitForOthers(/** @type {string} */ folder) {
  for (let waitedMs = 0; ; waitedMs += lookMs) {
    const stages = readdirSync(folder).filter((name) => stagePattern.test(name))
    const others = stages.filter((name) => isRunning(Number(stagePattern.exec(name)?.[1])))
    for (const name of waitedMs < waitMsMax ? stages.filter((s) => !others.includes(s)) : stages) {
      rmSync(join(folder, name), { recursive: true, force: true })
    }
    if (others.length === 0 || waitedMs >= waitMsMax) return
    if (waitedMs === 0) console.error('Another process is installing; waiting for it ...')
    await new Promise((done) => setTimeout(done, lookMs))
    throwIfInterrupted()
  }
}

/**
 * Installs into a folder beside the one where the packages belong: so that whoever looks finds all or
 * nothing there, however this ends and whoever else installs.
 *
 * @param {Wanted} wanted
 */
async function install(wanted) {
  const { folder, names, what } = wanted
  await waitForOthers(folder)
  if (isInstalled(wanted)) return
  const locked = packagesIn(join(folder, 'package-lock.json'))
  const count = [...placesOf(locked, names)].filter((place) => !locked.get(place)?.optional).length
  console.error(`Installing what ${what} needs, once: ${count} packages ...`)
  const stage = join(folder, `.installing-${process.pid}`)
  try {
    mkdirSync(stage)
    prepare(wanted, stage)
    await runNpm(wanted, stage)
    // The package `node` keeps a second copy of what it has brought, with headers for compilers.
    rmSync(join(stage, 'node_modules/node/node_modules'), { recursive: true, force: true })
    putInPlace(wanted, stage)
  } finally {
    rmSync(stage, { recursive: true, force: true, maxRetries: 20 })
  }
}

/** Writes a package that needs exactly what is wanted, in the versions of the lock file. */
function prepare(/** @type {Wanted} */ { folder, names }, /** @type {string} */ stage) {
  const manifest = readJson(join(folder, 'package.json'))
  const { name, version, overrides, allowScripts } = manifest
  const all = { ...manifest.devDependencies, ...manifest.dependencies }
  const dependencies = Object.fromEntries(names.map((needed) => [needed, all[needed]]))
  const reduced = { name, version, private: true, dependencies, overrides, allowScripts }
  writeFileSync(join(stage, 'package.json'), JSON.stringify(reduced))
  copyFileSync(join(folder, 'package-lock.json'), join(stage, 'package-lock.json'))
  copyFileSync(join(root, '.npmrc'), join(stage, '.npmrc'))
}

/** @param {Wanted} wanted @param {string} stage */
async function runNpm({ names }, stage) {
  const flags = ['--no-audit', '--no-fund', '--loglevel=error']
  const child = spawn('npm', ['ci', ...flags], {
    cwd: stage,
    // Of a pipe the end is seen when the install scripts have ended as well.
    stdio: ['ignore', 'ignore', 'pipe'],
    shell: process.platform === 'win32',
  })
  npm = child
  child.stderr.on('data', (chunk) => process.stderr.write(chunk))
  const ended = await new Promise((done, failed) => {
    child.on('error', failed)
    child.on('close', (code, signal) => done(code ?? signal))
  })
  npm = undefined
  throwIfInterrupted()
  if (ended === 0 && isInstalled({ folder: stage, names, what: '' })) return
  throw new Error(
    `Expected \`npm ci\` to install all packages; it ended with ${ended}, and nothing was ` +
      'installed. Likely cause: see above; otherwise npm does not run the install scripts of packages.',
  )
}

/** @param {Wanted} wanted @param {string} stage */
function putInPlace(wanted, stage) {
  const place = join(wanted.folder, 'node_modules')
  const replaced = join(stage, 'replaced')
  // Another process may put its own there between the two steps: then that is looked at first.
  while (!isInstalled(wanted)) {
    rmSync(replaced, { recursive: true, force: true })
    if (existsSync(place)) renameSync(place, replaced)
    try {
      renameSync(join(stage, 'node_modules'), place)
    } catch (error) {
      if (!existsSync(place)) throw error
    }
  }
}

function throwIfInterrupted() {
  if (interruption !== undefined) throw new Error('Interrupted: nothing was installed.')
}

/** The signal that has asked this process to end. @type {NodeJS.Signals | undefined} */
let interruption
/** npm, while it runs. @type {Child | undefined} */
let npm

const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])
for (const signal of signals) {
  process.on(signal, () => {
    interruption = signal
    npm?.kill(signal)
  })
}

try {
  const names = process.argv.slice(2)
  for (const name of names.length > 0 ? names : ['.']) {
    const wanted = wantedOf(name)
    if (!isInstalled(wanted)) await install(wanted)
    throwIfInterrupted()
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = interruption ? 128 + constants.signals[interruption] : 1
}
