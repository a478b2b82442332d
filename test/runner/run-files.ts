import { runFile, type FileResult } from './run-file.ts'

const filesAtOnce = 4
const fileMsMax = 600_000

/**
 * Files that start whole demonstrations, with instances that spin: only one of them runs at a time,
 * because a second one would take from the first the processors that its heartbeats need.
 */
const demonstrations = ['browser/', 'fastify/launcher', 'chaos/', 'processes/busy']

function demonstrates(file: string): boolean {
  return demonstrations.some((part) => file.startsWith(part))
}

/** Runs all files in their order, several at a time: most of them wait for processes and times. */
export async function runFiles(files: readonly string[], root: string): Promise<FileResult[]> {
  const results: FileResult[] = []
  const queue = [...files]
  let demonstrating = 0
  const next = (): string | undefined => {
    const at = queue.findIndex((file) => demonstrating === 0 || !demonstrates(file))
    return queue.splice(Math.max(at, 0), 1)[0]
  }
  const turns = async (): Promise<void> => {
    for (let file = next(); file !== undefined; file = next()) {
      const weight = demonstrates(file) ? 1 : 0
      demonstrating += weight
      results.push(await runFile(file, root, fileMsMax))
      demonstrating -= weight
    }
  }
  await Promise.all(Array.from({ length: filesAtOnce }, turns))
  return results
}
