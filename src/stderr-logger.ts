import { Console } from 'node:console'

import { createSystemClock, type Clock } from './clock.ts'
import type { Logger } from './events.ts'

/**
 * The logger where none is given: warnings and errors as lines of JSON on stderr, in the shape of
 * pino's. Everything less urgent is dropped.
 */
export function createStderrLogger(clock: Clock = createSystemClock()): Logger {
  let console: Console | undefined
  // A console ignores that nobody reads any more; a stream would end the application.
  const stderr = (): Console => (console ??= new Console(process.stderr))
  const at =
    (level: number) =>
    (fields: object, message: string): void => {
      const line = lineOf({ level, time: clock.wallMs(), ...fields, msg: message })
      stderr().error(line)
    }
  return { debug: () => {}, info: () => {}, warn: at(40), error: at(50) }
}

function lineOf(line: { level: number; time: number; msg: string }): string {
  try {
    return JSON.stringify(line, plain)
  } catch {
    // A field with a circle in it is no reason to lose the line.
    const { level, time, msg } = line
    return JSON.stringify({ level, time, msg })
  }
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { message: value.message, stack: value.stack }
  return typeof value === 'bigint' ? String(value) : value
}
