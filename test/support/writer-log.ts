import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import { atEnd, ownFolder } from './fastify-app.ts'
import { pidsThatName } from './launcher.ts'

/** A log for writers; those that are left after the test, because it failed, are ended. */
export function createWriterLog(t: TestContext): string {
  const log = join(ownFolder(t), 'log')
  atEnd(t, () => {
    for (const pid of pidsThatName(log)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended meanwhile.
      }
    }
  })
  return log
}

/** A script that appends lines to a log, and so do its child and its grandchild: see the file. */
export function writerCommand(log: string, manner: 'stubborn' | 'polite'): string[] {
  return ['sh', new URL('./writer.sh', import.meta.url).pathname, log, '2', manner]
}

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
