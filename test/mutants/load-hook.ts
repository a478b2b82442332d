import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { applyChanges, type Change } from './mutant.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const preload = new URL('preload.ts', import.meta.url)
const compiled = `${root}node_modules/.cache/tenure-mutants`

/** Whatever this thread loads from here on is loaded with these changes. */
export function breakSource(changes: readonly Change[]): void {
  const files = new Map(changes.map(({ file }) => [pathToFileURL(`${root}${file}`).href, file]))
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      const file = files.get(url)
      if (file === undefined) return loaded
      const { source = '' } = loaded
      const code = typeof source === 'string' ? source : new TextDecoder().decode(source ?? '')
      return { ...loaded, source: applyChanges(file, code, changes) }
    },
  })
}

/** Throws if a change cannot be made. */
export function checkChanges(changes: readonly Change[]): void {
  for (const { file } of changes) {
    applyChanges(file, readFileSync(`${root}${file}`, 'utf8'), changes)
  }
}

/** An environment in which Node.js, its threads and the processes that it starts are so changed. */
export function environmentWith(changes: readonly Change[]): NodeJS.ProcessEnv {
  checkChanges(changes)
  const { NODE_OPTIONS = '' } = process.env
  const url = new URL(preload)
  url.search = Buffer.from(JSON.stringify(changes)).toString('base64url')
  return {
    ...process.env,
    NODE_OPTIONS: `${NODE_OPTIONS} --import=${url.href}`.trim(),
    // All but one file is the same code each time, which needs no compiling again.
    NODE_COMPILE_CACHE: compiled,
    // What is broken shows nothing about the lines of what is not. One that is only left out is
    // handed on all the same.
    NODE_V8_COVERAGE: undefined,
    NODE_TEST_CONTEXT: undefined,
  }
}
