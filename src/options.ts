import { durationOr, type Duration } from './duration.ts'
import { describeValue, TenureError } from './errors.ts'
import type { Logger } from './events.ts'
import {
  checkChoice,
  checkCount,
  checkKeys,
  checkLogger,
  choiceOf,
  durationOf,
  flagOf,
  nameOf,
  type Source,
} from './options/check.ts'
import { checkTimes, type Times } from './options/relations.ts'
import { parseStoreUrl, redactStoreUrl, type StoreLocation } from './store/store-url.ts'

/** A store of your own: a module, because the worker thread must open it by itself. */
export interface StoreModuleOption {
  /**
   * A package, or an absolute `file:` URL such as `new URL('./my-store.js', import.meta.url)`. It
   * exports `openLeaseStore(options)`, which returns a `LeaseStore`.
   */
  readonly module: string | URL
  /** Given to `openLeaseStore`; plain data that survives `structuredClone`. */
  readonly options?: unknown
}

/** What to do with a main thread that is blocked for longer than `stallLimit`. */
export type OnStall = 'expire' | 'kill'

/** Where the heartbeat runs. */
export type HeartbeatIn = 'thread' | 'main'

/** Who releases the lease of a process that ends without a word: see `docs/guarantees.md`. */
export type WitnessMode = 'auto' | 'warm' | false

/**
 * The options of `createTenure`. Each that is left out is taken from the environment variable
 * named at it, and then from its default.
 */
export interface TenureOptions {
  /**
   * Where the lease lives, the same for all instances: `'sqlite:./tenure.db'` for the instances of
   * one machine, `'postgres://user:password@host/database'` for those of many, `'memory:'` for
   * tests, or a store of your own. Environment: `TENURE_STORE` (a URL). There is no default,
   * because an own file in each container would make every instance leader; and the key has to be
   * written, so that it is not forgotten. With `undefined`, as with `process.env['MY_STORE']`, the
   * environment decides.
   */
  readonly store: string | StoreModuleOption | undefined
  /** The name of the lease; one for each scheduler. Environment: `TENURE_LEASE`. @default 'scheduler' */
  readonly lease?: string | undefined
  /**
   * The name of the application. Two applications on one lease are an error in the log of each:
   * only one of them runs its jobs at a time. Environment: `TENURE_APPLICATION`. @default the name
   * in the package.json nearest to the main module, or else to the working directory
   */
  readonly application?: string | undefined
  /** What people call this instance; never its identity. Environment: `TENURE_LABEL`. */
  readonly label?: string | undefined
  /** T: how long the store keeps an unrenewed lease. Environment: `TENURE_TTL`. @default '20s' */
  readonly ttl?: Duration | undefined
  /**
   * R: how long after a renewal was sent the next is due, at most `ttl / 3`. Environment:
   * `TENURE_HEARTBEAT`. @default '5s'
   */
  readonly heartbeat?: Duration | undefined
  /**
   * A: after how long one attempt on the store is cancelled, less than `ttl / 3`. Environment:
   * `TENURE_ATTEMPT_TIMEOUT`. @default '5s'
   */
  readonly attemptTimeout?: Duration | undefined
  /**
   * b: the delay before the first retry; later ones double it. Environment:
   * `TENURE_RETRY_BACKOFF`. @default heartbeat / 10
   */
  readonly retryBackoff?: Duration | undefined
  /**
   * G: from the soft stop, when no new run starts and running ones are aborted, to the hard fence,
   * when nothing is trusted. Environment: `TENURE_STOP_GRACE`. @default ttl / 10
   */
  readonly stopGrace?: Duration | undefined
  /**
   * e: how much earlier than the store an instance stops to believe in its lease; at least 1 % of
   * `ttl` plus 0.5 s. Environment: `TENURE_SAFETY_MARGIN`. @default the larger of that and ttl / 20
   */
  readonly safetyMargin?: Duration | undefined
  /**
   * For how long the main thread may be blocked before the lease is left to expire; at least
   * `ttl`. Environment: `TENURE_STALL_LIMIT`. @default '60s'
   */
  readonly stallLimit?: Duration | undefined
  /**
   * What happens then: `'expire'` stops renewing, `'kill'` ends the process with SIGKILL.
   * Environment: `TENURE_ON_STALL`. @default 'expire'
   */
  readonly onStall?: OnStall | undefined
  /**
   * For how long running work may go on after `stop` or `resign` before it is aborted.
   * Environment: `TENURE_DRAIN`. @default '10s'
   */
  readonly drain?: Duration | undefined
  /**
   * Whether this instance may lead. With `false` it never acquires the lease, and a leader that is
   * told so resigns; it can look at the lease, and ask the leader to resign. Environment:
   * `TENURE_ELIGIBLE` (`true` or `false`). @default true
   */
  readonly eligible?: boolean | undefined
  /**
   * Where the heartbeat runs. `'main'` has what everybody else has, a heartbeat that a blocked
   * event loop stops: for tests and demonstrations. Environment: `TENURE_HEARTBEAT_IN`.
   * @default 'thread'; a `memory:` store always runs in `'main'`
   */
  readonly heartbeatIn?: HeartbeatIn | undefined
  /**
   * A child process that releases the lease when this process dies without a word, as by
   * `kill -9`. `'auto'`: a waiting shell (2 MB), where there is a POSIX shell, child processes are
   * allowed, and Tenure runs in the main thread of its process. `'warm'`: a waiting Node.js (50 MB),
   * which is faster and needs no shell. `false`: none; the lease expires. Environment:
   * `TENURE_WITNESS`. @default 'auto'; none with a `memory:` store, which dies with its process
   */
  readonly witness?: WitnessMode | undefined
  /**
   * How much of the history of runs is kept in the store, in the ledger: of each job the newest
   * `runs` (from 1 to 10,000), and as many records of skipped ticks, for `age`.
   * @default { runs: 100, age: '7d' }
   */
  readonly history?:
    | { readonly runs?: number | undefined; readonly age?: Duration | undefined }
    | undefined
  /**
   * Where log lines go: what has pino's interface. For winston, Nest's and console there is an
   * adapter each in docs/loggers.md. @default warnings, errors, who leads and the lines of `run.log`
   * to stderr, as JSON
   */
  readonly logger?: Logger | undefined
}

/**
 * All options there are. From this list come their names, the environment variables and what
 * `reconfigure` takes, as types and as values: the compiler misses a row here as soon as
 * `TenureOptions` has one more.
 *
 * - `environment`: whether a variable stands in for it, named by {@link variableOf}
 * - `running`: whether it may change while running
 */
const optionTable = {
  store: { environment: true, running: false },
  lease: { environment: true, running: false },
  application: { environment: true, running: false },
  label: { environment: true, running: false },
  ttl: { environment: true, running: true },
  heartbeat: { environment: true, running: true },
  attemptTimeout: { environment: true, running: true },
  retryBackoff: { environment: true, running: true },
  stopGrace: { environment: true, running: true },
  safetyMargin: { environment: true, running: true },
  stallLimit: { environment: true, running: true },
  onStall: { environment: true, running: true },
  drain: { environment: true, running: true },
  eligible: { environment: true, running: true },
  heartbeatIn: { environment: true, running: false },
  witness: { environment: true, running: false },
  history: { environment: false, running: false },
  logger: { environment: false, running: false },
} as const

type OptionTable = typeof optionTable

/** The options of which this is so. */
type OptionsThat<Column extends 'environment' | 'running'> = {
  [Name in keyof OptionTable]: OptionTable[Name][Column] extends true ? Name : never
}[keyof OptionTable]

/** The names of all options of `createTenure`, for those who hand some of them on. */
export const optionNames: readonly (keyof TenureOptions)[] = Object.keys(
  optionTable satisfies Record<keyof TenureOptions, { environment: boolean; running: boolean }>,
) as (keyof TenureOptions)[]

function namesThat<Column extends 'environment' | 'running'>(
  column: Column,
): OptionsThat<Column>[] {
  return optionNames.filter((name) => optionTable[name][column]) as OptionsThat<Column>[]
}

/** The environment variable that stands in for an option: `TENURE_ATTEMPT_TIMEOUT`. */
function variableOf(option: string): string {
  return `TENURE_${option.replace(/[A-Z]/g, '_$&').toUpperCase()}`
}

/** The options that may be changed while running, by `tenure.reconfigure`. */
export type ReconfigurableOptions = Partial<Pick<TenureOptions, OptionsThat<'running'>>>

/** The settings that stay as they were when the Tenure was made. */
export interface FixedSettings {
  /** The store as it may be shown, without secrets. */
  readonly store: string
  readonly lease: string
  /** `undefined` where nobody has said it, and no package.json does. */
  readonly application: string | undefined
  readonly label: string | undefined
  readonly heartbeatIn: HeartbeatIn
  readonly witness: WitnessMode
  /** How much of the history of runs is kept. */
  readonly history: { readonly runs: number; readonly ageMs: number }
}

/** The settings that are resolved anew at each firing of the heartbeat. */
export interface RunningSettings extends Times {
  readonly onStall: OnStall
  readonly drainMs: number
  readonly eligible: boolean
}

/** The settings in force: options over environment over defaults, all there, in milliseconds. */
export interface Settings extends FixedSettings, RunningSettings {}

/** The store as the threads open it: plain data, which may hold secrets and is never shown. */
export type ResolvedStore = StoreLocation | { readonly module: string; readonly options: unknown }

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The environment variable of each option that has one. A test holds it against the document. */
export const environmentNames: Readonly<Record<OptionsThat<'environment'>, string>> =
  Object.fromEntries(namesThat('environment').map((name) => [name, variableOf(name)])) as Record<
    OptionsThat<'environment'>,
    string
  >

/** The options that `reconfigure` takes. */
export const reconfigurable: readonly (keyof ReconfigurableOptions)[] = namesThat('running')

/** The default of `drain`. */
export const drainMsDefault = 10_000

/** How much of the history of runs is kept unless `history` says so. */
const historyRunsDefault = 100
const historyAgeMsDefault = 7 * 86_400_000

/** The value of an option: given, or else in the environment, or else `undefined`. */
function sourceOf(
  options: Partial<TenureOptions>,
  environment: Environment,
  key: keyof typeof environmentNames,
): Source {
  const given: unknown = options[key]
  if (given !== undefined) return { value: given, name: key }
  const variable = environmentNames[key]
  const value = environment[variable]
  return { value: value === '' ? undefined : value, name: `${key} (${variable})` }
}

/**
 * The settings that are fixed from here on.
 *
 * @param applicationDefault finds the name of the application where nobody has set it
 * @throws TenureError
 */
export function resolveFixed(
  options: Partial<TenureOptions>,
  environment: Environment,
  applicationDefault: () => string | undefined = () => undefined,
): FixedSettings {
  checkKeys(options, 'options', optionNames)
  checkLogger(options.logger)
  const read = (key: keyof typeof environmentNames): Source => sourceOf(options, environment, key)
  const store = resolveStore(options, environment)
  return {
    store: describeStore(options, environment),
    lease: nameOf(read('lease'), 'TENURE_ERR_LEASE_NAME') ?? 'scheduler',
    application: nameOf(read('application'), 'TENURE_ERR_OPTION_TYPE') ?? applicationDefault(),
    label: nameOf(read('label'), 'TENURE_ERR_OPTION_TYPE'),
    heartbeatIn: heartbeatInOf(choiceOf(read('heartbeatIn'), ['thread', 'main']), store),
    witness: witnessOf(read('witness'), store),
    history: readHistory(options.history ?? {}),
  }
}

/** The settings as they are now, checked against each other. @throws TenureError */
export function resolveRunning(
  options: ReconfigurableOptions,
  environment: Environment,
): RunningSettings {
  const read = (key: keyof ReconfigurableOptions): Source => sourceOf(options, environment, key)
  const times = checkTimes({
    ttlMs: durationOf(read('ttl')),
    heartbeatMs: durationOf(read('heartbeat')),
    attemptTimeoutMs: durationOf(read('attemptTimeout')),
    retryBackoffMs: durationOf(read('retryBackoff')),
    stopGraceMs: durationOf(read('stopGrace')),
    safetyMarginMs: durationOf(read('safetyMargin')),
    stallLimitMs: durationOf(read('stallLimit')),
  })
  return {
    ...times,
    onStall: choiceOf(read('onStall'), ['expire', 'kill']) ?? 'expire',
    drainMs: durationOf(read('drain')) ?? drainMsDefault,
    eligible: flagOf(read('eligible')) ?? true,
  }
}

/** The store that the options name. @throws TenureError */
export function resolveStore(
  options: Partial<TenureOptions>,
  environment: Environment,
): ResolvedStore {
  const { value, name } = sourceOf(options, environment, 'store')
  if (typeof value === 'string') return parseStoreUrl(value)
  if (value === undefined) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      "Expected `store` (or TENURE_STORE) to be set, such as 'sqlite:./tenure.db'; got nothing. " +
        'It has no default, because instances that do not share a store would all lead.',
    )
  }
  checkKeys(value, name, ['module', 'options'])
  const { module, options: moduleOptions } = value as Partial<StoreModuleOption>
  const href = module instanceof URL ? module.href : module
  if (typeof href !== 'string' || href === '' || href.startsWith('.')) {
    throw new TenureError(
      'TENURE_ERR_STORE_MODULE',
      'Expected `store.module` to be the name of a package or an absolute file: URL, such as ' +
        `new URL('./my-store.js', import.meta.url); got ${describeValue(href)}.`,
    )
  }
  try {
    return { module: href, options: structuredClone(moduleOptions) }
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_STORE_MODULE',
      'Expected `store.options` to be plain data, because it is sent to a thread; got ' +
        `${describeValue(moduleOptions)}.`,
      { cause },
    )
  }
}

function describeStore(options: Partial<TenureOptions>, environment: Environment): string {
  const { value } = sourceOf(options, environment, 'store')
  if (typeof value === 'string') return redactStoreUrl(value)
  return `module:${String((value as StoreModuleOption).module)}`
}

function readHistory(history: unknown): FixedSettings['history'] {
  checkKeys(history, 'history', ['runs', 'age'])
  const { runs, age } = history as Record<string, unknown>
  const ageMs = durationOr(historyAgeMsDefault, age, 'history.age')
  return {
    runs: runs === undefined ? historyRunsDefault : checkCount(runs, 'history.runs', 10_000),
    ageMs,
  }
}

function isInMemory(store: ResolvedStore): boolean {
  return 'scheme' in store && store.scheme === 'memory'
}

function witnessOf({ value, name }: Source, store: ResolvedStore): WitnessMode {
  const given = value === false ? 'false' : value
  const choice = checkChoice(given, name, ['auto', 'warm', 'false']) ?? 'auto'
  const inMemory = isInMemory(store)
  if (inMemory && choice === 'warm') {
    throw new TenureError(
      'TENURE_ERR_OPTION_RELATION',
      "Expected `witness` to be 'auto' or false with a memory: store, which dies with its process; " +
        "got 'warm'. Leave `witness` out.",
    )
  }
  return inMemory || choice === 'false' ? false : choice
}

function heartbeatInOf(given: HeartbeatIn | undefined, store: ResolvedStore): HeartbeatIn {
  const inMemory = isInMemory(store)
  if (inMemory && given === 'thread') {
    throw new TenureError(
      'TENURE_ERR_OPTION_RELATION',
      "Expected `heartbeatIn` to be 'main' with a memory: store, which lives in the main thread; got " +
        "'thread'. Leave `heartbeatIn` out, or use a store that a thread can open by itself.",
    )
  }
  return given ?? (inMemory ? 'main' : 'thread')
}
