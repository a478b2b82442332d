import { existsSync, readFileSync } from 'node:fs'

/** A line of a log that `writer.sh` writes. */
export interface WriterLine {
  readonly token: number
  readonly pid: number
  readonly depth: number
  /** Since the machine was started. */
  readonly uptimeMs: number
}

/** What the writers have written; a line that is being written is left out. */
export function readWriterLog(path: string): WriterLine[] {
  if (!existsSync(path)) return []
  const complete = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return complete.map((line) => {
    const [token, pid, depth, uptime] = line.split(' ').map(Number)
    if (token === undefined || pid === undefined || depth === undefined || !uptime) {
      throw new Error(`not a line of writer.sh: ${line}`)
    }
    return { token, pid, depth, uptimeMs: uptime * 1_000 }
  })
}

/** Since the machine was started, on the clock of the log. */
export function uptimeMs(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000
}
