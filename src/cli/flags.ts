import { parseArgs } from 'node:util'

import { parseDuration, type TenureOptions } from '../index.ts'

/** A flag of a command, as `--help` shows it. */
export interface Flag {
  /** Without the dashes. */
  readonly name: string
  /** What stands for its value in the help; a flag without one is merely set. */
  readonly value?: string
  readonly about: string
  /** What holds where neither the flag nor its environment variable is given, in words. */
  readonly fallback?: string
  /** Whether an environment variable stands in for it: see {@link variableOf}. */
  readonly variable?: boolean
}

/** The environment variable that stands in for a flag. */
export function variableOf({ name }: Pick<Flag, 'name'>): string {
  return `TENURE_${name.toUpperCase().replaceAll('-', '_')}`
}

/** Where the lease is, unless anybody says otherwise. */
export const storeDefault = 'sqlite:./tenure.db'

const commonFlags: readonly Flag[] = [
  {
    name: 'store',
    value: 'URL',
    about: 'where the lease lives',
    fallback: storeDefault,
    variable: true,
  },
  { name: 'lease', value: 'NAME', about: 'its name', fallback: 'scheduler', variable: true },
  {
    name: 'application',
    value: 'NAME',
    about: 'tells of two applications on one lease',
    fallback: 'the name in package.json',
    variable: true,
  },
  { name: 'label', value: 'NAME', about: 'what people call this instance', variable: true },
  {
    name: 'ttl',
    value: 'DURATION',
    about: 'how long an unrenewed lease lasts',
    fallback: '20s',
    variable: true,
  },
  {
    name: 'heartbeat',
    value: 'DURATION',
    about: 'how often it is renewed; at most a third of the ttl',
    fallback: '5s',
    variable: true,
  },
  {
    name: 'attempt-timeout',
    value: 'DURATION',
    about: 'how long one call of the store may take',
    fallback: '5s',
    variable: true,
  },
]

/** The flags of a command: its own, and those that all take, so that one set serves them all. */
export function flagsWith(...own: readonly Flag[]): readonly Flag[] {
  return [
    ...commonFlags,
    ...own,
    { name: 'json', about: 'prints JSON, one object a line, instead of text' },
    { name: 'help', about: 'prints this' },
  ]
}

/** What a command that does work takes besides: how its work ends. */
export const workFlags: readonly Flag[] = [
  {
    name: 'stop-grace',
    value: 'DURATION',
    about: 'time to stop before the lease is no longer trusted',
    fallback: 'ttl / 10',
    variable: true,
  },
  {
    name: 'drain',
    value: 'DURATION',
    about: 'time to end after SIGTERM, or when asked to resign',
    fallback: '10s',
    variable: true,
  },
]

/** Of a command that runs jobs in its own process. */
export const stallLimitFlag: Flag = {
  name: 'stall-limit',
  value: 'DURATION',
  about: 'how long a job may block the process before it is replaced',
  fallback: '60s',
  variable: true,
}

/** Somebody has called the command in a way that does not exist. */
export class UsageError extends Error {}

/** The flags of one call, checked, and its arguments. */
export class Flags {
  readonly #values: ReadonlyMap<string, string>
  readonly arguments: readonly string[]

  constructor(values: ReadonlyMap<string, string>, args: readonly string[]) {
    this.#values = values
    this.arguments = args
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  text(name: string): string | undefined {
    return this.#values.get(name)
  }

  /** @throws TenureError that names the flag */
  durationMs(name: string): number | undefined {
    const value = this.#values.get(name)
    return value === undefined ? undefined : parseDuration(value, `--${name}`)
  }
}

/**
 * Reads what follows the name of a command.
 *
 * @throws UsageError that says what was expected and what was received
 */
export function parseFlags(args: readonly string[], known: readonly Flag[]): Flags {
  const options = Object.fromEntries(
    known.map(({ name, value }) => [name, { type: value ? 'string' : 'boolean' } as const]),
  )
  const { tokens, positionals } = parseArgs({
    args: args.map((arg) => (arg === '-h' ? '--help' : arg)),
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values = new Map<string, string>()
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    const flag = known.find(({ name }) => name === token.name)
    if (flag === undefined || !token.rawName.startsWith('--')) {
      throw new UsageError(`Expected one of the flags [${listOf(known)}]; got ${token.rawName}.`)
    }
    if (values.has(flag.name)) {
      throw new UsageError(`Expected --${flag.name} once; got it more often.`)
    }
    values.set(flag.name, valueOf(flag, token))
  }
  return new Flags(values, positionals)
}

function valueOf(
  flag: Flag,
  { value, inlineValue }: { value: string | undefined; inlineValue: boolean | undefined },
): string {
  if (flag.value === undefined) {
    if (value === undefined) return ''
    throw new UsageError(`Expected --${flag.name} without a value; got ${JSON.stringify(value)}.`)
  }
  // What looks like the next flag is one: its value has been forgotten.
  const forgotten = value === undefined || (value.startsWith('-') && !inlineValue)
  if (!forgotten) return value
  throw new UsageError(
    `Expected --${flag.name} to be followed by its ${flag.value}; got ${value ?? 'nothing'}.`,
  )
}

function listOf(flags: readonly Flag[]): string {
  return flags.map(({ name }) => `--${name}`).join(', ')
}

/** The option of `createTenure` that a flag gives: `attemptTimeout` by `--attempt-timeout`. */
function optionOf(flag: string): string {
  return flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** The options of `createTenure` that the flags give; the environment is left to itself. */
export function tenureOptionsOf(flags: Flags): TenureOptions {
  const given = [...commonFlags, ...workFlags, stallLimitFlag].flatMap(({ name, value }) => {
    if (!flags.has(name)) return []
    return [[optionOf(name), value === 'DURATION' ? flags.durationMs(name) : flags.text(name)]]
  })
  const options = Object.fromEntries(given) as Partial<TenureOptions>
  return { ...options, store: isStoreDefault(flags) ? storeDefault : options.store }
}

/** Whether nobody has said where the lease is. */
export function isStoreDefault(flags: Flags): boolean {
  return !flags.has('store') && !process.env['TENURE_STORE']
}
