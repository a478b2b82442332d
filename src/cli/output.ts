/**
 * Prints a line to stdout. When nobody reads any more (`tenure watch | head`) that is a good reason
 * to end, and no failure.
 */
export function print(line: string): void {
  if (process.stdout.listenerCount('error') === 0) {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      process.exit(0)
    })
  }
  process.stdout.write(`${line}\n`)
}
