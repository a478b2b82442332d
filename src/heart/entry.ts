import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { TenureError } from '../errors.ts'

/**
 * Where the file is that the witness begins with. The package has it in one file of CommonJS as well,
 * with which Node.js begins sooner; sources and most bundles do not.
 */
export function witnessUrl(): URL {
  const sooner = entryUrl('tenure-witness', '.cjs')
  return existsSync(sooner) ? sooner : entryUrl('tenure-witness')
}

/**
 * Where a module of this folder is that a thread, or the witness, begins with: beside this one, with
 * the same extension, which the compiler does not rewrite. In a bundle that is beside the bundle;
 * there is no `import.meta.url` in one that is CommonJS.
 *
 * @param name begins with `tenure-`, so that it meets no file of an application
 * @param extension instead of that of this module
 */
export function entryUrl(name: `tenure-${string}`, extension?: string): URL {
  const here = (import.meta.url as string | undefined) ?? pathToFileURL(__filename).href
  return new URL(`./${name}${extension ?? extname(new URL(here).pathname)}`, here)
}

/** What is wrong with an entry, if it is not there: it is a subpath of the package. */
export function faultOfEntry(url: URL, subpath: string): TenureError | undefined {
  if (existsSync(url)) return undefined
  return new TenureError(
    'TENURE_ERR_FILE_MISSING',
    `Expected ${subpath} at ${fileURLToPath(url)}; there is no such file. If the application is ` +
      `bundled, leave \`tenure\` out of the bundle, or build \`${subpath}\` to this file as an entry ` +
      'point of its own: see docs/bundlers.md.',
  )
}
