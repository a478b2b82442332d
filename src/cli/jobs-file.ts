import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

import type { Tenure } from '../index.ts'
import { UsageError } from './flags.ts'

/** The names that are looked for, in this order, where none is given. */
export const jobsFileNames = [
  'tenure.jobs.ts',
  'tenure.jobs.mts',
  'tenure.jobs.js',
  'tenure.jobs.mjs',
] as const

/** The path of the jobs file. @throws UsageError if there is none */
export function findJobsFile(given: string | undefined): string {
  if (given !== undefined) {
    const path = resolve(given)
    if (existsSync(path)) return path
    throw new UsageError(`Expected the jobs file to exist; got ${path}.`)
  }
  const found = jobsFileNames.map((name) => resolve(name)).find((path) => existsSync(path))
  if (found !== undefined) return found
  throw new UsageError(
    `Expected a jobs file, or one out of [${jobsFileNames.join(', ')}] in this folder; got neither.`,
  )
}

/** Has the jobs of a file scheduled. @throws Error that says what is wrong with the file */
export async function scheduleJobs(path: string, tenure: Tenure): Promise<void> {
  const exports = await attempt(`Expected that the jobs file ${path} can be loaded`, async () => {
    return (await import(pathToFileURL(path).href)) as { readonly jobs?: unknown }
  })
  const { jobs } = exports
  if (typeof jobs !== 'function') {
    throw new Error(
      `Expected the jobs file ${path} to export a function \`jobs(tenure)\`, which schedules ` +
        `the jobs; got the exports [${Object.keys(exports).join(', ')}].`,
    )
  }
  await attempt(`Expected \`jobs\` of ${path} to schedule the jobs`, async () => jobs(tenure))
}

/** What went wrong in somebody's own file, with the place in it. */
async function attempt<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    // Node.js keeps the place of such an error for itself, and shows it only if nobody catches it.
    const hint = cause instanceof SyntaxError ? ' To see the place, run it with node.' : ''
    throw new Error(`${what}; got: ${why}${hint}`, { cause })
  }
}
