import { fstatSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs'

/**
 * Prints a line to stdout. When nobody reads any more (`tenure watch | head`) that is a good reason
 * to end, and no failure.
 */
export function print(line: string): void {
  if (process.stdout.listenerCount('error') === 0) {
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0)
      process.stderr.write(`tenure: error: stdout cannot be written: ${error.message}\n`)
      process.exit(1)
    })
  }
  process.stdout.write(`${line}\n`)
}

/**
 * Whether anybody still reads stdout, for a command that may have nothing to print for hours: nothing
 * tells it otherwise than a write that fails. A write of no bytes fails on a socket, as `spawn` of
 * Node.js makes one; on a pipe of a shell it does not, and so on Linux its readers are looked for.
 * Where they cannot be seen, the next line that is printed ends the command.
 */
export class OutputReaders {
  readonly #kind: 'socket' | 'pipe' | 'other'
  /** What a file descriptor of the pipe's other end links to. */
  readonly #link: string
  /** A descriptor that is known to read. */
  #reader: string | undefined

  constructor() {
    const stat = fstatSync(1)
    const isPipe = stat.isFIFO() && process.platform === 'linux'
    this.#kind = stat.isSocket() ? 'socket' : isPipe ? 'pipe' : 'other'
    this.#link = isPipe ? linkOf('/proc/self/fd/1') : ''
    if (isPipe) this.#reader = this.#findReader()
  }

  /** Whether there was somebody who read, and there is nobody any more. */
  get areGone(): boolean {
    if (this.#kind === 'socket') return !canWrite()
    if (this.#reader === undefined || this.#reads(this.#reader)) return false
    this.#reader = this.#findReader()
    return this.#reader === undefined
  }

  #findReader(): string | undefined {
    const processes = entriesOf('/proc').filter((name) => /^\d+$/.test(name))
    for (const id of processes) {
      const folder = `/proc/${id}/fd`
      const found = entriesOf(folder).find((fd) => this.#reads(`${folder}/${fd}`))
      if (found !== undefined) return `${folder}/${found}`
    }
    return undefined
  }

  /** Whether a descriptor is the end of the pipe that reads: its access mode is 0. */
  #reads(path: string): boolean {
    if (linkOf(path) !== this.#link) return false
    try {
      const info = readFileSync(path.replace('/fd/', '/fdinfo/'), 'utf8')
      const flags = /^flags:\s*([0-7]+)$/m.exec(info)?.[1]
      return flags !== undefined && (Number.parseInt(flags, 8) & 3) === 0
    } catch {
      return false
    }
  }
}

function canWrite(): boolean {
  try {
    writeSync(1, new Uint8Array(0))
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPIPE'
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** Of a process that is gone, or somebody else's, there are none. */
function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
