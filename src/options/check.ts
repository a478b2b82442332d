import { parseDuration } from '../duration.ts'
import { describeValue, TenureError, type ErrorCode } from '../errors.ts'

/** The names of leases, applications, instances and jobs may be this long, in bytes of UTF-8. */
export const nameBytesMax = 255

/**
 * Checks that a value is an object with no keys but the known ones.
 *
 * @throws TenureError `TENURE_ERR_OPTION_TYPE` or `TENURE_ERR_OPTION_UNKNOWN`
 */
export function checkKeys(
  value: unknown,
  name: string,
  known: readonly string[],
): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      `Expected \`${name}\` to be an object; got ${describeValue(value)}.`,
    )
  }
  const unknown = Object.keys(value).filter((key) => !known.includes(key))
  if (unknown.length > 0) {
    throw new TenureError(
      'TENURE_ERR_OPTION_UNKNOWN',
      `Expected \`${name}\` to have only the keys [${known.join(', ')}]; ` +
        `got [${unknown.join(', ')}] besides.`,
    )
  }
}

/** Whether a value can be a name: not empty, at most 255 bytes, without control characters. */
export function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    new TextEncoder().encode(value).length <= nameBytesMax &&
    !/\p{Cc}/u.test(value) &&
    value.isWellFormed()
  )
}

/** Checks a name that people give: see {@link isName}. */
export function checkName(value: unknown, name: string, code: ErrorCode): string {
  if (isName(value)) return value
  throw new TenureError(
    code,
    `Expected \`${name}\` to be a text of 1 to ${nameBytesMax} bytes without control ` +
      `characters; got ${describeValue(value)}.`,
  )
}

/** The one of the choices that a value is; `undefined` stays so. */
export function checkChoice<Choice extends string>(
  value: unknown,
  name: string,
  choices: readonly Choice[],
): Choice | undefined {
  if (value === undefined) return undefined
  const choice = choices.find((candidate) => candidate === value)
  if (choice !== undefined) return choice
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`${name}\` to be one of [${choices.join(', ')}]; got ${describeValue(value)}.`,
  )
}

/** A function that is called later, when it is too late to say that it is none. */
export function checkFunction(value: unknown, name: string): void {
  if (typeof value === 'function') return
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`${name}\` to be a function; got ${describeValue(value)}.`,
  )
}

/** A whole number from 1 to `max`. */
export function checkCount(value: unknown, name: string, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) {
    return value
  }
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`${name}\` to be a whole number from 1 to ${max}; got ${describeValue(value)}.`,
  )
}

/** A process group to be guarded, or none. A group of 1 would be all processes that there are. */
export function checkProcessGroup(group: unknown): void {
  const isId = typeof group === 'number' && Number.isSafeInteger(group) && group > 1
  if (isId || group === 'starting' || group === undefined) return
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    "Expected the id of a process group, a whole number above 1, or 'starting', or undefined; " +
      `got ${describeValue(group)}.`,
  )
}

/** The logger of the application. */
export function checkLogger(logger: unknown): void {
  if (logger === undefined) return
  const has = (name: string): boolean => {
    try {
      return typeof (logger as Record<string, unknown> | null)?.[name] === 'function'
    } catch {
      return false
    }
  }
  const missing = ['debug', 'info', 'warn', 'error'].filter((level) => !has(level))
  const adapter = 'For winston, NestJS and console there is an adapter in docs/loggers.md'
  if (missing.length > 0) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      'Expected `logger` to have the methods debug, info, warn and error, as a pino logger has; ' +
        `got ${describeValue(logger)}, without [${missing.join(', ')}]. ${adapter}.`,
    )
  }
  // It would take the fields for the message, and lose the name of every event.
  if (
    has('configure') &&
    'transports' in (logger as object) &&
    'exitOnError' in (logger as object)
  ) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      'Expected `logger` to take the fields first and the message second, as a pino logger does; ' +
        `got a logger of winston, which takes the message first. ${adapter}.`,
    )
  }
}

// ---- values that may come from the environment ----

/** One value, and what to call it in an error. */
export interface Source {
  readonly value: unknown
  readonly name: string
}

/** A duration, in milliseconds. */
export function durationOf({ value, name }: Source): number | undefined {
  return value === undefined ? undefined : parseDuration(value, name)
}

/** One of the choices. */
export function choiceOf<Choice extends string>(
  { value, name }: Source,
  choices: readonly Choice[],
): Choice | undefined {
  return checkChoice(value, name, choices)
}

/** A flag, which the environment has as a word. */
export function flagOf({ value, name }: Source): boolean | undefined {
  const word = checkChoice(typeof value === 'boolean' ? String(value) : value, name, [
    'true',
    'false',
  ])
  return word === undefined ? undefined : word === 'true'
}

/** A name that people give. */
export function nameOf(
  { value, name }: Source,
  code: 'TENURE_ERR_LEASE_NAME' | 'TENURE_ERR_OPTION_TYPE',
): string | undefined {
  return value === undefined ? undefined : checkName(value, name, code)
}
