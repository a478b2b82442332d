// The reporter of each file's process: tells the runner what its own parts of the tests did.
import { readFileSync, writeSync } from 'node:fs'
import type { TestEvent } from 'node:test/reporters'
import { inspect } from 'node:util'

import { eventsFd, type FileEvent } from './file-event.ts'

/** Of the times in `/proc/self/stat`, a tick is a hundredth of a second: see proc(5). */
const ticksPerSecond = 100

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  process.on('exit', () => say({ kind: 'processor', seconds: processorSeconds() }))
  for await (const event of events) {
    const said = eventOf(event)
    if (said !== undefined) say(said)
  }
  yield ''
}

function eventOf({ type, data }: TestEvent): FileEvent | undefined {
  switch (type) {
    case 'test:fail': {
      const { error } = data.details
      // A suite fails with each of its tests, and by itself only in what comes before and after.
      const isByTests = 'failureType' in error && error.failureType === 'subtestsFailed'
      if (isByTests) return undefined
      const note = inspect(error.cause instanceof Error ? error.cause : (error.cause ?? error))
      return { kind: 'test', name: data.name, outcome: 'failed', note }
    }
    case 'test:pass': {
      const { name, skip, details } = data
      // Of the tests of a suite that is skipped nothing is said.
      if (details.type === 'suite' && skip === undefined) return undefined
      const outcome = skip === undefined ? 'passed' : 'skipped'
      return { kind: 'test', name, outcome, note: String(skip ?? '') }
    }
    case 'test:diagnostic':
      return data.nesting > 0 ? { kind: 'diagnostic', message: data.message } : undefined
    default:
      return undefined
  }
}

function say(event: FileEvent): void {
  writeSync(eventsFd, `${JSON.stringify(event)}\n`)
}

/** Of this process, its threads, and all processes that it, or one of them, has waited for. */
function processorSeconds(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [user, system, usersChildren, systemsChildren] = fields.slice(11, 15).map(Number)
    const ticks = (user ?? 0) + (system ?? 0) + (usersChildren ?? 0) + (systemsChildren ?? 0)
    return ticks / ticksPerSecond
  } catch {
    // No /proc, as on macOS: of this process alone.
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }
}
