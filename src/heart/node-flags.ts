import type { ResolvedStore } from '../options.ts'

/** Flags that have Node.js run something else, wait for a debugger, or write files of its own. */
const others =
  /^--?(e|p|pe|c|i|eval|print|check|interactive|input-type|entry-url|run|test|watch|inspect|debug|prof|cpu-prof|heap-prof|heapsnapshot|trace-event|snapshot-blob|build-snapshot|env-file|title)\b/

/** Flags that run code of the application before, such as its instrumentation. */
const preloads = /^(-r|--require|--import|--loader|--experimental-loader)\b/

/**
 * With what flags of the application's Node.js that of the witness runs: with all that decide how
 * modules are found, how connections are secured, and what is permitted. Code of the application
 * runs before only where modules may not be found without it: it costs time.
 *
 * @param flags each that does not begin with a dash is the value of the one before
 */
export function flagsForWitness(flags: readonly string[], store: ResolvedStore): string[] {
  const preloadsToo = 'module' in store || process.versions['pnp'] !== undefined
  let keeps = true
  return flags.filter((flag) => {
    if (flag.startsWith('-')) keeps = !others.test(flag) && (preloadsToo || !preloads.test(flag))
    return keeps
  })
}

/** The flags in a `NODE_OPTIONS`, as they are quoted there. */
export function flagsOfOptions(options: string): string[] {
  return options.match(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g) ?? []
}
