import { Console } from 'node:console'

import { createSystemClock, type Clock } from './clock.ts'
import { fitForTerminals, messageOf, stackOf } from './errors.ts'
import {
  detachResult,
  logEvents,
  type LogEventName,
  type Logger,
  type LogLevel,
  type LogLine,
  type RunLogCall,
  type RunLogger,
} from './events.ts'

/** How many of the last lines are remembered, for the status. */
export const recentLinesMax = 100

/** The log of one Tenure: gives each line its level, and remembers the last ones. */
export class Log {
  readonly #clock: Clock
  readonly #lease: string
  readonly #stderr: Logger
  readonly #logger: Logger
  /** For the lines of the jobs' own. */
  readonly #runLogger: Logger
  #recent: LogLine[] = []

  constructor(clock: Clock, lease: string, logger: Logger | undefined) {
    this.#clock = clock
    this.#lease = lease
    this.#stderr = createStderrLogger(clock)
    this.#logger = logger ?? this.#stderr
    this.#runLogger = logger ?? createRunStderrLogger(clock)
  }

  /** The last lines, the newest first. */
  get recent(): readonly LogLine[] {
    return this.#recent
  }

  /** Logs a line of this moment. */
  write(event: LogEventName, fields: Readonly<Record<string, unknown>>): void {
    const { err: _, ...plain } = fields
    const timeMs = this.#clock.wallMs()
    this.#remember({ event, timeMs, fields: { lease: this.#lease, ...plain } })
    this.#print(event, { lease: this.#lease, ...fields })
  }

  /** Logs lines of the heart, which may have waited for a blocked main thread: `at` is their time. */
  lines(lines: readonly LogLine[]): void {
    for (const line of lines) {
      this.#remember(line)
      this.#print(line.event, { ...line.fields, at: new Date(line.timeMs).toISOString() })
    }
  }

  /** The logger of the application, with these fields on each line. */
  loggerWith(fields: Readonly<Record<string, unknown>>): RunLogger {
    const logger = this.#runLogger
    const bound = { lease: this.#lease, ...fields }
    const at =
      (level: LogLevel): RunLogCall =>
      (fieldsOrMessage: object | string, message?: string) =>
        this.#guarded(bound, [message, fieldsOrMessage].find(isText) ?? '', () =>
          typeof fieldsOrMessage === 'string'
            ? logger[level](bound, fieldsOrMessage)
            : logger[level]({ ...bound, ...fieldsOrMessage }, message ?? ''),
        )
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #remember(line: LogLine): void {
    this.#recent.unshift(line)
    if (this.#recent.length > recentLinesMax) this.#recent.pop()
  }

  #print(event: LogEventName, fields: object): void {
    const { level } = logEvents[event]
    this.#guarded(fields, event, () => this.#logger[level](fields, event))
  }

  /** A logger that throws must not end a heartbeat, a run, or the application. */
  #guarded(fields: object, message: string, give: () => unknown): void {
    const failed = (error: unknown): void =>
      this.#stderr.error({ ...fields, loggerError: messageOf(error) }, message)
    try {
      detachResult(give(), failed)
    } catch (error) {
      failed(error)
    }
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

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

function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { message: messageOf(value), stack: stackOf(value) }
  return typeof value === 'bigint' ? String(value) : value
}
