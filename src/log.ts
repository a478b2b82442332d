import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
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
import { createRunStderrLogger, createStderrLogger } from './stderr-logger.ts'

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
        typeof fieldsOrMessage === 'string'
          ? logger[level](bound, fieldsOrMessage)
          : logger[level]({ ...bound, ...fieldsOrMessage }, message ?? '')
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #remember(line: LogLine): void {
    this.#recent.unshift(line)
    if (this.#recent.length > recentLinesMax) this.#recent.pop()
  }

  /** A logger that throws must not end a heartbeat, or the application. */
  #print(event: LogEventName, fields: object): void {
    const { level } = logEvents[event]
    const failed = (error: unknown): void =>
      this.#stderr.error({ ...fields, loggerError: messageOf(error) }, event)
    try {
      detachResult(this.#logger[level](fields, event), failed)
    } catch (error) {
      failed(error)
    }
  }
}
