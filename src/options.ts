import { checkChoice, checkCount, checkKeys, checkName } from './check.ts'
import { durationOr, formatDuration, parseDuration, type Duration } from './duration.ts'
import { describeValue, messageOf, TenureError } from './errors.ts'
import type { Logger } from './events.ts'
import { parseStoreUrl, redactStoreUrl, type StoreLocation } from './store-url.ts'

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
export type HeartHost = 'thread' | 'main'

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
   * because an own file in each container would make every instance leader.
   */
  readonly store?: string | StoreModuleOption | undefined
  /** The name of the lease; one for each scheduler. Environment: `TENURE_LEASE`. @default 'scheduler' */
  readonly lease?: string | undefined
  /**
   * The name of the application, to warn of two applications on one lease. Environment:
   * `TENURE_APPLICATION`. @default 'application'
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
   * event loop stops: for tests and demonstrations. Environment: `TENURE_HOST`.
   * @default 'thread'; a `memory:` store always runs in `'main'`
   */
  readonly host?: HeartHost | undefined
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
  readonly keep?:
    | { readonly runs?: number | undefined; readonly age?: Duration | undefined }
    | undefined
  /** Where log lines go. @default warnings and errors to stderr, as lines of JSON */
  readonly logger?: Logger | undefined
}

/** The options that may be changed while running, by `tenure.reconfigure`. */
export type ReconfigurableOptions = Pick<
  TenureOptions,
  | 'ttl'
  | 'heartbeat'
  | 'attemptTimeout'
  | 'retryBackoff'
  | 'stopGrace'
  | 'safetyMargin'
  | 'stallLimit'
  | 'onStall'
  | 'drain'
  | 'eligible'
>

/** The settings that stay as they were when the Tenure was made. */
export interface FixedSettings {
  /** The store as it may be shown, without secrets. */
  readonly store: string
  readonly lease: string
  readonly application: string
  readonly label: string | undefined
  readonly host: HeartHost
  readonly witness: WitnessMode
  /** How much of the history of runs is kept. */
  readonly keep: { readonly runs: number; readonly ageMs: number }
}

/** The settings that are resolved anew at each firing of the heartbeat. */
export interface RunningSettings {
  readonly ttlMs: number
  readonly heartbeatMs: number
  readonly attemptTimeoutMs: number
  readonly retryBackoffMs: number
  readonly stopGraceMs: number
  readonly safetyMarginMs: number
  readonly stallLimitMs: number
  readonly onStall: OnStall
  readonly drainMs: number
  readonly eligible: boolean
}

/** The settings in force: options over environment over defaults, all there, in milliseconds. */
export interface Settings extends FixedSettings, RunningSettings {}

/** The store as the threads open it: plain data, which may hold secrets and is never shown. */
export type ResolvedStore = StoreLocation | { readonly module: string; readonly options: unknown }

type Environment = Readonly<Record<string, string | undefined>>

/** The environment variable of each option that has one. A test holds it against the document. */
export const environmentNames: Readonly<
  Record<Exclude<keyof TenureOptions, 'keep' | 'logger'>, string>
> = {
  store: 'TENURE_STORE',
  lease: 'TENURE_LEASE',
  application: 'TENURE_APPLICATION',
  label: 'TENURE_LABEL',
  ttl: 'TENURE_TTL',
  heartbeat: 'TENURE_HEARTBEAT',
  attemptTimeout: 'TENURE_ATTEMPT_TIMEOUT',
  retryBackoff: 'TENURE_RETRY_BACKOFF',
  stopGrace: 'TENURE_STOP_GRACE',
  safetyMargin: 'TENURE_SAFETY_MARGIN',
  stallLimit: 'TENURE_STALL_LIMIT',
  onStall: 'TENURE_ON_STALL',
  drain: 'TENURE_DRAIN',
  eligible: 'TENURE_ELIGIBLE',
  host: 'TENURE_HOST',
  witness: 'TENURE_WITNESS',
}

/** The options that `reconfigure` takes. */
export const reconfigurable: readonly (keyof ReconfigurableOptions)[] = [
  'ttl',
  'heartbeat',
  'attemptTimeout',
  'retryBackoff',
  'stopGrace',
  'safetyMargin',
  'stallLimit',
  'onStall',
  'drain',
  'eligible',
]

/** The default of `ttl`. */
export const ttlMsDefault = 20_000
/** The default of `heartbeat`: that of the classic heartbeat. */
export const heartbeatMsDefault = 5_000
/** The default of `attemptTimeout`: the timeout of the classic heartbeat. */
export const attemptTimeoutMsDefault = 5_000
/** The default of `stallLimit`. */
export const stallLimitMsDefault = 60_000
/** The default of `drain`. */
export const drainMsDefault = 10_000

/** How much of the history of runs is kept unless `keep` says so. */
const keepRunsDefault = 100
const keepAgeMsDefault = 7 * 86_400_000

/** One value, and what to call it in an error. */
interface Source {
  readonly value: unknown
  readonly name: string
}

/** The value of an option: given, or else in the environment, or else `undefined`. */
function sourceOf(
  options: TenureOptions,
  environment: Environment,
  key: keyof typeof environmentNames,
): Source {
  const given: unknown = options[key]
  if (given !== undefined) return { value: given, name: key }
  const variable = environmentNames[key]
  const value = environment[variable]
  return { value: value === '' ? undefined : value, name: `${key} (${variable})` }
}

/** The settings that are fixed from here on. @throws TenureError */
export function resolveFixed(options: TenureOptions, environment: Environment): FixedSettings {
  checkKeys(options, 'options', [...Object.keys(environmentNames), 'keep', 'logger'])
  checkLogger(options.logger)
  const read = (key: keyof typeof environmentNames): Source => sourceOf(options, environment, key)
  const store = resolveStore(options, environment)
  return {
    store: describeStore(options, environment),
    lease: nameOf(read('lease'), 'TENURE_ERR_LEASE_NAME') ?? 'scheduler',
    application: nameOf(read('application'), 'TENURE_ERR_OPTION_TYPE') ?? 'application',
    label: nameOf(read('label'), 'TENURE_ERR_OPTION_TYPE'),
    host: hostOf(choiceOf(read('host'), ['thread', 'main']), store),
    witness: witnessOf(read('witness'), store),
    keep: readKeep(options.keep ?? {}),
  }
}

/** The settings as they are now, checked against each other. @throws TenureError */
export function resolveRunning(
  options: ReconfigurableOptions,
  environment: Environment,
): RunningSettings {
  const read = (key: keyof ReconfigurableOptions): Source => sourceOf(options, environment, key)
  const ttlMs = durationOf(read('ttl')) ?? ttlMsDefault
  const heartbeatMs = durationOf(read('heartbeat')) ?? heartbeatMsDefault
  const settings: RunningSettings = {
    ttlMs,
    heartbeatMs,
    attemptTimeoutMs: durationOf(read('attemptTimeout')) ?? attemptTimeoutMsDefault,
    retryBackoffMs: durationOf(read('retryBackoff')) ?? heartbeatMs / 10,
    stopGraceMs: durationOf(read('stopGrace')) ?? ttlMs / 10,
    safetyMarginMs: durationOf(read('safetyMargin')) ?? Math.max(ttlMs / 20, marginMsMin(ttlMs)),
    stallLimitMs: durationOf(read('stallLimit')) ?? stallLimitMsDefault,
    onStall: choiceOf(read('onStall'), ['expire', 'kill']) ?? 'expire',
    drainMs: durationOf(read('drain')) ?? drainMsDefault,
    eligible: flagOf(read('eligible')) ?? true,
  }
  checkRelations(settings)
  return settings
}

/** The store that the options name. @throws TenureError */
export function resolveStore(options: TenureOptions, environment: Environment): ResolvedStore {
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

function describeStore(options: TenureOptions, environment: Environment): string {
  const { value } = sourceOf(options, environment, 'store')
  if (typeof value === 'string') return redactStoreUrl(value)
  return `module:${String((value as StoreModuleOption).module)}`
}

function durationOf({ value, name }: Source): number | undefined {
  return value === undefined ? undefined : parseDuration(value, name)
}

function choiceOf<Choice extends string>(
  { value, name }: Source,
  choices: readonly Choice[],
): Choice | undefined {
  return checkChoice(value, name, choices)
}

/** A flag, which the environment has as a word. */
function flagOf({ value, name }: Source): boolean | undefined {
  const word = checkChoice(typeof value === 'boolean' ? String(value) : value, name, [
    'true',
    'false',
  ])
  return word === undefined ? undefined : word === 'true'
}

function nameOf(
  { value, name }: Source,
  code: 'TENURE_ERR_LEASE_NAME' | 'TENURE_ERR_OPTION_TYPE',
): string | undefined {
  return value === undefined ? undefined : checkName(value, name, code)
}

function checkLogger(logger: unknown): void {
  if (logger === undefined) return
  const missing = ['debug', 'info', 'warn', 'error'].filter(
    (level) => typeof (logger as Record<string, unknown> | null)?.[level] !== 'function',
  )
  if (missing.length === 0) return
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    'Expected `logger` to have the methods debug, info, warn and error, as a pino logger has; ' +
      `got ${describeValue(logger)}, without [${missing.join(', ')}].`,
  )
}

function readKeep(keep: unknown): FixedSettings['keep'] {
  checkKeys(keep, 'keep', ['runs', 'age'])
  const { runs, age } = keep as Record<string, unknown>
  const ageMs = durationOr(keepAgeMsDefault, age, 'keep.age')
  return {
    runs: runs === undefined ? keepRunsDefault : checkCount(runs, 'keep.runs', 10_000),
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

function hostOf(host: HeartHost | undefined, store: ResolvedStore): HeartHost {
  const inMemory = isInMemory(store)
  if (inMemory && host === 'thread') {
    throw new TenureError(
      'TENURE_ERR_OPTION_RELATION',
      "Expected `host` to be 'main' with a memory: store, which lives in the main thread; got " +
        "'thread'. Leave `host` out, or use a store that a thread can open by itself.",
    )
  }
  return host ?? (inMemory ? 'main' : 'thread')
}

/** The least safety margin: clock rates differ by up to 1 %, and half a second for the rest. */
function marginMsMin(ttlMs: number): number {
  return 0.01 * ttlMs + 500
}

/** The relations between the settings that the lease protocol rests on. Nothing is clamped. */
function checkRelations(settings: RunningSettings): void {
  const { ttlMs, heartbeatMs, attemptTimeoutMs, retryBackoffMs } = settings
  const { stopGraceMs, safetyMarginMs, stallLimitMs } = settings
  const show = formatDuration
  const positive = { ttlMs, heartbeatMs, attemptTimeoutMs, retryBackoffMs }
  for (const [name, ms] of Object.entries(positive)) {
    check(ms > 0, `\`${name.slice(0, -2)}\` to be above 0`, show(ms), 'Set it to a longer time')
  }
  check(
    heartbeatMs <= ttlMs / 3,
    '`heartbeat` to be at most `ttl` / 3, so that two may fail',
    `heartbeat ${show(heartbeatMs)} and ttl ${show(ttlMs)}`,
    `Set heartbeat to ${show(ttlMs / 3)} or less, or ttl to ${show(heartbeatMs * 3)} or more`,
  )
  check(
    attemptTimeoutMs < ttlMs / 3,
    '`attemptTimeout` to be less than `ttl` / 3',
    `attemptTimeout ${show(attemptTimeoutMs)} and ttl ${show(ttlMs)}`,
    `Set attemptTimeout below ${show(ttlMs / 3)}, or ttl above ${show(attemptTimeoutMs * 3)}`,
  )
  check(
    safetyMarginMs >= marginMsMin(ttlMs),
    '`safetyMargin` to be at least 1 % of `ttl` plus 0.5 s',
    `safetyMargin ${show(safetyMarginMs)} and ttl ${show(ttlMs)}`,
    `Set safetyMargin to ${show(marginMsMin(ttlMs))} or more, or leave it out`,
  )
  const neededMs = heartbeatMs + 2 * attemptTimeoutMs + retryBackoffMs
  const softStopMs = ttlMs - stopGraceMs - safetyMarginMs
  check(
    neededMs <= softStopMs,
    'a heartbeat and its retry to fit before the soft stop: `heartbeat` + 2 `attemptTimeout` + ' +
      '`retryBackoff` <= `ttl` - `stopGrace` - `safetyMargin`',
    `${show(heartbeatMs)} + 2 x ${show(attemptTimeoutMs)} + ${show(retryBackoffMs)} = ` +
      `${show(neededMs)} and ${show(ttlMs)} - ${show(stopGraceMs)} - ${show(safetyMarginMs)} = ` +
      show(softStopMs),
    `Make the first shorter by ${show(neededMs - softStopMs)}, or ttl longer`,
  )
  check(
    stallLimitMs >= ttlMs,
    '`stallLimit` to be at least `ttl`, because busy is not dead',
    `stallLimit ${show(stallLimitMs)} and ttl ${show(ttlMs)}`,
    `Set stallLimit to ${show(ttlMs)} or more`,
  )
}

function check(holds: boolean, rule: string, received: string, remedy: string): void {
  if (holds) return
  throw new TenureError(
    'TENURE_ERR_OPTION_RELATION',
    `Expected ${rule}; got ${received}. ${remedy}.`,
  )
}

/** Checks the ttl against what a store can carry. @throws TenureError */
export function checkTtlOfStore(ttlMs: number, ttlMsMin: number): void {
  check(
    ttlMs >= ttlMsMin,
    `\`ttl\` to be at least ${formatDuration(ttlMsMin)} with this store`,
    formatDuration(ttlMs),
    `Set ttl to ${formatDuration(ttlMsMin)} or more`,
  )
}

/** Checks what `reconfigure` was given. @throws TenureError `TENURE_ERR_RECONFIGURE` */
export function checkReconfigurable(changes: unknown): asserts changes is ReconfigurableOptions {
  checkKeys(changes, 'changes', [...Object.keys(environmentNames), 'logger'])
  const fixed = Object.keys(changes).filter((key) => !reconfigurable.some((name) => name === key))
  if (fixed.length === 0) return
  throw new TenureError(
    'TENURE_ERR_RECONFIGURE',
    `Expected only settings that may change while running [${reconfigurable.join(', ')}]; ` +
      `got [${fixed.join(', ')}]. Make a new Tenure for those.`,
  )
}

/** The options that may be changed while running, out of all. */
export function pickReconfigurable(options: TenureOptions): ReconfigurableOptions {
  return Object.fromEntries(reconfigurable.map((name) => [name, options[name]]))
}

/**
 * The settings at each moment, where the environment may change under a running program: if it is
 * changed to nonsense, the last good settings stay in force, and the fault is told once.
 */
export class SettingsInForce {
  readonly #fixed: FixedSettings
  readonly #environment: Environment
  readonly #onFault: (error: unknown) => void
  #options: ReconfigurableOptions
  #last: RunningSettings
  #fault: string | undefined

  /** @throws TenureError if the settings are wrong to begin with */
  constructor(
    fixed: FixedSettings,
    options: ReconfigurableOptions,
    environment: Environment,
    onFault: (error: unknown) => void = () => {},
  ) {
    this.#fixed = fixed
    this.#options = options
    this.#environment = environment
    this.#onFault = onFault
    this.#last = resolveRunning(options, environment)
  }

  get options(): ReconfigurableOptions {
    return this.#options
  }

  /** Changes the options; they have been checked before. */
  set options(options: ReconfigurableOptions) {
    this.#options = options
  }

  get current(): Settings {
    try {
      this.#last = resolveRunning(this.#options, this.#environment)
      this.#fault = undefined
    } catch (error) {
      const fault = messageOf(error)
      if (fault !== this.#fault) this.#onFault(error)
      this.#fault = fault
    }
    return { ...this.#fixed, ...this.#last }
  }
}
