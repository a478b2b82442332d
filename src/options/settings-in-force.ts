import { messageOf, TenureError } from '../errors.ts'
import {
  optionNames,
  reconfigurable,
  resolveRunning,
  type Environment,
  type FixedSettings,
  type ReconfigurableOptions,
  type RunningSettings,
  type Settings,
  type TenureOptions,
} from '../options.ts'
import { checkKeys } from './check.ts'

/** Checks what `reconfigure` was given. @throws TenureError `TENURE_ERR_RECONFIGURE` */
export function checkReconfigurable(changes: unknown): asserts changes is ReconfigurableOptions {
  checkKeys(changes, 'changes', optionNames)
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
