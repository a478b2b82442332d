import module from 'node:module'
import { isAbsolute, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import { codeOf, messageOf } from '../errors.ts'
import type { ResolvedStore } from '../options.ts'

/** Flags that have Node.js run something else, wait for a debugger, or write files of its own. */
const others =
  /^--?(e|p|pe|c|i|eval|print|check|interactive|input-type|entry-url|run|test|watch|inspect|debug|prof|cpu-prof|heap-prof|heapsnapshot|trace-event|perf|report|snapshot-blob|build-snapshot|build-sea|env-file|experimental-test|title)\b/

/** Flags that run code of the application before, such as its instrumentation. */
const preloads =
  /^(-r|--require|--import|--loader|--experimental-loader|--experimental-config-file|--experimental-default-config-file)(?![\w-])/

/**
 * Of all others, those that a thread does not have from its process: how modules are found and read,
 * how connections are made and secured, what is permitted, and what is warned of.
 */
const ofThreads =
  /^(-C|--(conditions|(experimental-)?default-type|preserve-symlinks|(no-)?addons|(no-)?global-search-paths|(no-)?(experimental-)?(strip-types|transform-types|require-module|detect-module|import-meta-resolve|wasm-modules|addon-modules|import-text|package-map|sqlite|vm-modules|eventsource|websocket)|(no-)?async-context-frame|enable-source-maps|tls|use-(system|openssl|bundled)-ca|use-env-proxy|dns-result-order|(no-|enable-)?network-family-autoselection|max-http-header-size|insecure-http-parser|permission|experimental-permission|allow-|(no-)?warnings|disable-warning|no-deprecation))/

/** Of these, those that take a URL or a path that begins with a dot. */
const isUrl = /^--(import|loader|experimental-loader)(?![\w-])/

/** Flags whose values are paths. */
const paths = /^--(allow-fs-|openssl-config|icu-data-dir|tls-keylog|experimental-package-map)/

/**
 * The folder that this process began in, as far as anybody knows: what was given by a relative path
 * was found from there, wherever the process has gone to since.
 */
const folderAtFirst = ((): string => {
  try {
    return process.cwd()
  } catch {
    // It has been deleted, and so has all that could be found from it.
    return '/'
  }
})()

/** A flag with its values, each of which is a word of its own, or is in the same. */
type Flag = readonly [flag: string, ...values: string[]]

/**
 * With what flags of the application's Node.js that of the witness runs: with all that decide how
 * modules are found, how connections are secured, and what is permitted. Code of the application
 * runs before only if modules may not be found without it: it costs time, and may do anything.
 *
 * @param flags each that does not begin with a dash is the value of the one before
 */
export function flagsForWitness(flags: readonly string[], store: ResolvedStore): string[] {
  const preloadsToo = 'module' in store || process.versions['pnp'] !== undefined
  return flagsOf(flags).flatMap((flag): readonly string[] => {
    const [name] = flag
    return others.test(name) || (preloads.test(name) && !preloadsToo) ? [] : settled(flag)
  })
}

/** The same of a thread, which has the rest of them from its process. */
export function flagsForThread(flags: readonly string[], store: ResolvedStore): string[] {
  return flagsOf(flagsForWitness(flags, store))
    .filter(([flag]) => preloads.test(flag) || ofThreads.test(flag))
    .flat()
}

/** The variables of this process, for its thread: its `NODE_OPTIONS` are no affair of that. */
export function environmentForThread(): Record<string, string | undefined> {
  const { NODE_OPTIONS: _, ...variables } = process.env
  return variables
}

/** The flags but those that Node.js refuses a thread, as its error says. */
export function withoutRefused(flags: readonly string[], error: unknown): string[] {
  if (codeOf(error) !== 'ERR_WORKER_INVALID_EXEC_ARGV') return [...flags]
  const refused = messageOf(error).split(/[\s,]+/)
  return flagsOf(flags)
    .filter(([flag]) => !refused.includes(flag))
    .flat()
}

/** The flags of this process: its own, and those in `NODE_OPTIONS`, which come first. */
export function flagsOfProcess(): string[] {
  return [...flagsOfOptions(process.env['NODE_OPTIONS'] ?? ''), ...process.execArgv]
}

/** The flags in a `NODE_OPTIONS`, which may be quoted there, as they are on a command line. */
export function flagsOfOptions(options: string): string[] {
  const quoted = options.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? []
  return quoted.map((flag) =>
    flag.replace(/"((?:\\.|[^"\\])*)"/g, (_, text: string) => text.replace(/\\(.)/g, '$1')),
  )
}

function flagsOf(words: readonly string[]): Flag[] {
  const flags: [string, ...string[]][] = []
  for (const word of words) {
    const last = flags.at(-1)
    if (word.startsWith('-') || last === undefined) flags.push([word])
    else last.push(word)
  }
  return flags
}

/** A flag as it was meant when the process began, wherever it has gone to since. */
function settled([flag, ...values]: Flag): Flag {
  const [, name, inline] = /^(--[^=]+=)(.*)$/s.exec(flag) ?? []
  const settle = (value: string): string => settledValue(flag, value)
  return name === undefined ? [flag, ...values.map(settle)] : [`${name}${settle(inline ?? '')}`]
}

function settledValue(flag: string, value: string): string {
  if (paths.test(flag)) return value.split(',').map(settledPath).join(',')
  if (!preloads.test(flag)) return value
  const asGiven = (path: string): string => (isUrl.test(flag) ? pathToFileURL(path).href : path)
  if (/^\.{1,2}\//.test(value)) return asGiven(resolve(folderAtFirst, value))
  if (isAbsolute(value) || value.includes(':')) return value
  try {
    // A package: its name is enough as long as the process is in that folder.
    if (process.cwd() === folderAtFirst) return value
    // By its full name: `createRequire` itself is what bundles are told to begin with.
    return asGiven(module.createRequire(`${folderAtFirst}/`).resolve(value))
  } catch {
    return value
  }
}

/** A path as it was meant when the process began. `*` is no path, but all. */
export function settledPath(path: string): string {
  return path === '' || path === '*' ? path : resolve(folderAtFirst, path)
}
