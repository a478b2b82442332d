import { Console } from 'node:console'

import { createSystemClock, type Clock } from './clock.ts'
import { messageOf, stackOf } from './errors.ts'
import type { LogEventName, Logger } from './events.ts'

/**
 * What is printed besides warnings and errors where no logger is given: that this instance leads,
 * and that it does not any more, which a working service would otherwise never say.
 */
const toldEvents: ReadonlySet<string> = new Set<LogEventName>(['lease_acquired', 'lease_released'])

/**
 * The logger where none is given: lines of JSON on stderr, in the shape of pino's. Warnings, errors,
 * and who leads; debug lines are dropped.
 */
export function createStderrLogger(clock: Clock = createSystemClock()): Logger {
  const logger = createRunStderrLogger(clock)
  return {
    ...logger,
    info(fields, message) {
      if (toldEvents.has(message)) logger.info(fields, message)
    },
  }
}

/** The same for the lines that jobs log by themselves, all of which but debug lines are printed. */
export function createRunStderrLogger(clock: Clock): Logger {
  let console: Console | undefined
  // A console ignores that nobody reads any more; a stream would end the application.
  const stderr = (): Console => (console ??= new Console(process.stderr))
  const at =
    (level: number) =>
    (fields: object, message: string): void => {
      const line = lineOf({ level, time: clock.wallMs(), ...fields, msg: message })
      stderr().error(line)
    }
  return { debug: () => {}, info: at(30), warn: at(40), error: at(50) }
}

function lineOf(line: { level: number; time: number; msg: string }): string {
  try {
    return fitForTerminals(JSON.stringify(line, plain))
  } catch {
    // A field with a circle in it is no reason to lose the line.
    const { level, time, msg } = line
    return fitForTerminals(JSON.stringify({ level, time, msg }))
  }
}

/** JSON leaves the control characters above 127 as they are, which some terminals obey. */
function fitForTerminals(json: string): string {
  return json.replace(
    /[\u007F-\u009F\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { message: messageOf(value), stack: stackOf(value) }
  return typeof value === 'bigint' ? String(value) : value
}
