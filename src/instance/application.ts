import { readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, isAbsolute, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

import { isName } from '../options/check.ts'

/** What of a process tells which application it is. */
export interface ProcessPlace {
  /** The path of the main module, as `process.argv[1]` has it; `undefined` where there is none. */
  readonly main: string | undefined
  /** The working directory. */
  readonly folder: string
}

/** Where this very process has its application. */
export function placeOfProcess(): ProcessPlace {
  let folder = ''
  try {
    folder = process.cwd()
  } catch {
    // It was removed: the main module may tell all the same.
  }
  return { main: process.argv[1], folder }
}

/**
 * The name of the application: that in the `package.json` nearest to the main module, or else to the
 * working directory. A `package.json` without a name, as builds put one into `dist/`, is passed
 * over. `undefined` if there is none, and if the main module is a package that was installed, which
 * runs somebody else's application: PM2, a test runner, `npx`. With the command of this package it
 * is the working directory that counts. Never throws.
 */
export function applicationOf({ main, folder }: ProcessPlace): string | undefined {
  // What follows `node -e CODE` is no path, and neither is a `[eval]`.
  const path = main !== undefined && isAbsolute(main) ? realPathOf(main) : undefined
  if (path !== undefined && !isOwnCommand(path)) {
    if (path.split(sep).includes('node_modules')) return undefined
    const found = nearestName(folderOf(path))
    if (found !== undefined) return found
  }
  return folder === '' ? undefined : nearestName(folder)
}

/** The command of this package: what it serves is in the working directory. */
function isOwnCommand(path: string): boolean {
  try {
    const folder = dirname(fileURLToPath(import.meta.url))
    return dirname(path) === join(folder, '..', 'cli') && basename(path).startsWith('main.')
  } catch {
    // In a bundle there is no command.
    return false
  }
}

/** Of a link, as in `node_modules/.bin`, where it leads. */
function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function folderOf(path: string): string {
  try {
    if (statSync(path).isDirectory()) return path
  } catch {
    // `node server` runs server.js.
  }
  return dirname(path)
}

function nearestName(start: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    const name = nameIn(join(folder, 'package.json'))
    if (name !== undefined) return name
    if (dirname(folder) === folder) return undefined
  }
}

function nameIn(path: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(path, 'utf8')) as { name?: unknown }
    return isName(name) ? name : undefined
  } catch {
    return undefined
  }
}
