import { writeSync } from 'node:fs'

import type { Clock } from '../clock.ts'
import type { Logger, LogLevel } from '../index.ts'
import { jsonText, plainLines, plainText } from './words.ts'

/** pino's numbers: tools that read its lines read these. */
const levelNumbers: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
}

/** What a voice does with the log lines of a Tenure. */
export interface VoiceOptions {
  readonly json: boolean
  readonly clock: Clock
  /** The least urgent lines that are told. */
  readonly level: LogLevel
  /** Lines that the command itself tells better. */
  readonly silent?: readonly string[]
  /** Whether each line begins with the time of day. */
  readonly withTime?: boolean
  /** Hears every line, told or not. */
  readonly hear?: (event: string, fields: Readonly<Record<string, unknown>>) => void
}

/**
 * What the command has to say for itself: to stderr, so that it is never mixed into the output of
 * anything else; as sentences that begin with `tenure:`, or as lines of JSON.
 */
export class Voice {
  readonly #options: VoiceOptions

  constructor(options: VoiceOptions) {
    this.#options = options
  }

  /** Says something: `text` to people, `event` with the fields to programs. */
  say(
    event: string,
    text: string,
    fields: Readonly<Record<string, unknown>> = {},
    level: LogLevel = 'info',
  ): void {
    const { json, clock } = this.#options
    const line = json
      ? jsonText({ level: levelNumbers[level], time: clock.wallMs(), ...fields, msg: event, text })
      : `tenure: ${this.#time()}${level === 'info' ? '' : `${level}: `}${plainLines(text)}`
    writeToStderr(`${line}\n`)
  }

  /** A logger for a Tenure, whose lines are told in the same way. */
  get logger(): Logger {
    const at =
      (level: LogLevel) =>
      (fields: object, event: string): void =>
        this.#log(level, fields as Readonly<Record<string, unknown>>, event)
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  }

  #log(level: LogLevel, fields: Readonly<Record<string, unknown>>, event: string): void {
    const { level: least, silent, json, clock, hear } = this.#options
    hear?.(event, fields)
    if (levelNumbers[level] < levelNumbers[least] || silent?.includes(event)) return
    if (json) {
      const line = { level: levelNumbers[level], time: clock.wallMs(), ...fields, msg: event }
      return writeToStderr(`${jsonText(line)}\n`)
    }
    const { message } = fields
    const text = typeof message === 'string' ? `${event}: ${message}` : `${event}${wordsOf(fields)}`
    // What a job logs is somebody else's text, and one line.
    this.say(event, plainText(text), {}, level)
  }

  #time(): string {
    const { withTime, clock } = this.#options
    return withTime ? `${new Date(clock.wallMs()).toTimeString().slice(0, 8)} ` : ''
  }
}

/** How often a full pipe is tried again, without a pause, before a line is dropped. */
const writeTriesMax = 100

/**
 * Writes at once, so that what this process says and what its command does, which has the same
 * stderr, come in the order in which they were written. Besides, `process.stderr` makes a pipe
 * non-blocking when it is used for the first time, also for a command that has inherited it.
 */
function writeToStderr(text: string): void {
  let rest = Buffer.from(text)
  for (let tries = 0; tries < writeTriesMax && rest.length > 0; tries++) {
    try {
      rest = rest.subarray(writeSync(2, rest))
    } catch (error) {
      // Nobody reads any more (EPIPE), or stderr is closed: nobody is left to be told.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return
    }
  }
}

/** What people need not read in each line: it stands in the JSON. */
const fieldsForPrograms: ReadonlySet<string> = new Set([
  'lease',
  'at',
  'err',
  'holder',
  'runId',
  'correlationId',
])

function wordsOf(fields: Readonly<Record<string, unknown>>): string {
  const words = Object.entries(fields)
    .filter(([name]) => !fieldsForPrograms.has(name))
    .map(([name, value]) => ` ${name}=${typeof value === 'string' ? value : jsonText(value)}`)
  return words.join('')
}
