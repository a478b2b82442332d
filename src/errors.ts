import { types } from 'node:util'

/** The code of a {@link TenureError}: stable, to decide by. See {@link errorCodes}. */
export type ErrorCode =
  | 'TENURE_ERR_NODE_VERSION'
  | 'TENURE_ERR_OPTION_TYPE'
  | 'TENURE_ERR_OPTION_UNKNOWN'
  | 'TENURE_ERR_OPTION_RELATION'
  | 'TENURE_ERR_RECONFIGURE'
  | 'TENURE_ERR_DURATION'
  | 'TENURE_ERR_LEASE_NAME'
  | 'TENURE_ERR_CORRELATION_ID'
  | 'TENURE_ERR_STORE_URL'
  | 'TENURE_ERR_STORE_MODULE'
  | 'TENURE_ERR_STORE_UNUSABLE'
  | 'TENURE_ERR_STORE_FILES_CHANGED'
  | 'TENURE_ERR_STORE_UNREACHABLE'
  | 'TENURE_ERR_STORE_CLOSED'
  | 'TENURE_ERR_ATTEMPT_TIMEOUT'
  | 'TENURE_ERR_TOKEN_LIMIT'
  | 'TENURE_ERR_HEART_DIED'
  | 'TENURE_ERR_THREAD'
  | 'TENURE_ERR_FILE_MISSING'
  | 'TENURE_ERR_NOT_LEADER'
  | 'TENURE_ERR_NOT_TRUSTED'
  | 'TENURE_ERR_TERM_ENDED'
  | 'TENURE_ERR_FENCED'
  | 'TENURE_ERR_FENCE_TIMEOUT'
  | 'TENURE_ERR_FENCE_TRANSACTION'
  | 'TENURE_ERR_FENCE_FAILED'
  | 'TENURE_ERR_FENCE_CLIENT'
  | 'TENURE_ERR_SCHEDULE'
  | 'TENURE_ERR_JOB_ID'
  | 'TENURE_ERR_JOB_EXISTS'
  | 'TENURE_ERR_JOB_UNKNOWN'
  | 'TENURE_ERR_JOB_SYSTEM'
  | 'TENURE_ERR_JOB_RUNNING'
  | 'TENURE_ERR_HANDLER_UNKNOWN'
  | 'TENURE_ERR_RUN_TIMEOUT'
  | 'TENURE_ERR_INVARIANT'

/**
 * Every code that a {@link TenureError} can have, and when it is thrown or logged. A test holds
 * this table against `docs/errors.md`.
 */
export const errorCodes: Readonly<Record<ErrorCode, string>> = {
  TENURE_ERR_NODE_VERSION: 'The Node.js that runs is too old.',
  TENURE_ERR_OPTION_TYPE: 'An option has the wrong type or a value outside of its range.',
  TENURE_ERR_OPTION_UNKNOWN: 'An option, or a parameter of a store URL, does not exist.',
  TENURE_ERR_OPTION_RELATION: 'Two or more settings contradict each other.',
  TENURE_ERR_RECONFIGURE: 'A setting cannot be changed after `createTenure`.',
  TENURE_ERR_DURATION: 'A value is not a duration.',
  TENURE_ERR_LEASE_NAME: 'A lease name is empty, too long or has control characters.',
  TENURE_ERR_CORRELATION_ID: 'A correlation id is empty, too long or has other characters.',
  TENURE_ERR_STORE_URL: 'The store URL cannot be understood or names an unknown store.',
  TENURE_ERR_STORE_MODULE:
    'The module of a store of your own, or the package that a store needs, cannot be loaded.',
  TENURE_ERR_STORE_UNUSABLE: 'The store answered, but cannot be used as it is.',
  TENURE_ERR_STORE_FILES_CHANGED:
    'The files of a SQLite store were removed, replaced or unlocked by somebody else.',
  TENURE_ERR_STORE_UNREACHABLE: 'The store did not answer, or the connection to it broke.',
  TENURE_ERR_STORE_CLOSED: 'The store was closed before the call.',
  TENURE_ERR_ATTEMPT_TIMEOUT: 'One attempt on the store took longer than its timeout.',
  TENURE_ERR_TOKEN_LIMIT: 'No higher fencing token can be granted for the lease.',
  TENURE_ERR_HEART_DIED: 'The thread that renews the lease ended unexpectedly; it is restarted.',
  TENURE_ERR_THREAD:
    'Node.js cannot start the thread that renews the lease: a limit, or a permission.',
  TENURE_ERR_FILE_MISSING: 'A file of this package is not where it belongs, as in a bundle.',
  TENURE_ERR_NOT_LEADER: 'The call is possible on the leader only.',
  TENURE_ERR_NOT_TRUSTED: 'The term is no longer trusted; the work must stop.',
  TENURE_ERR_TERM_ENDED: 'Reason of an abort signal: the term of this instance has ended.',
  TENURE_ERR_FENCED: 'A later term has written to this database already; the work must stop.',
  TENURE_ERR_FENCE_TIMEOUT: 'Another transaction holds the fence for longer than is waited for it.',
  TENURE_ERR_FENCE_TRANSACTION: 'No transaction is open, or it has failed: nothing can be fenced.',
  TENURE_ERR_FENCE_FAILED: 'The database could not check the fencing token.',
  TENURE_ERR_FENCE_CLIENT: '`fence` was given no database client that it knows.',
  TENURE_ERR_SCHEDULE: 'A schedule is not understood: its kind, cron expression or time zone.',
  TENURE_ERR_JOB_ID: 'A job id is empty, too long, has control characters or is reserved.',
  TENURE_ERR_JOB_EXISTS: "A job with this id exists and `onConflict` is `'error'`.",
  TENURE_ERR_JOB_UNKNOWN: 'No job with this id.',
  TENURE_ERR_JOB_SYSTEM: "The job is Tenure's own and cannot be changed.",
  TENURE_ERR_JOB_RUNNING: 'The job has as many runs going on as its `overlap` allows.',
  TENURE_ERR_HANDLER_UNKNOWN:
    'A job was to be stored, and this instance has no handler of that name.',
  TENURE_ERR_RUN_TIMEOUT: 'Reason of an abort signal: the run took longer than its `timeout`.',
  TENURE_ERR_INVARIANT: 'A fact that Tenure relies on did not hold: a defect.',
}

/**
 * The error of everything that Tenure throws, rejects with, logs, or aborts a signal with.
 *
 * - `code` is stable: decide by it, never by the message.
 * - `message` says what was expected, what was received, and the likely cause. It never holds a
 *   secret of a store URL.
 * - `cause` is the error below, if there is one.
 *
 * @example
 * ```ts
 * import { createTenure, TenureError } from 'tenure'
 * try {
 *   createTenure({ store: 'sqlite:./tenure.db', ttl: '1s' })
 * } catch (error) {
 *   if (error instanceof TenureError) console.error(error.code) // TENURE_ERR_OPTION_RELATION
 * }
 * ```
 */
export class TenureError extends Error {
  readonly code: ErrorCode

  // Not `ErrorOptions`, which a project that compiles for ES2021 does not know.
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
    this.name = 'TenureError'
  }
}

/** How many keys of an object are told. */
const keysShownMax = 20

/** How much of a message or a stack is told, in characters: each is remembered, sent and printed. */
const textMax = 10_000

/**
 * How a received value reads in an error: strings and numbers as they are, shortened, the rest by
 * its type only, because an object may hold a secret. Never throws: a value may be a proxy.
 */
export function describeValue(value: unknown): string {
  try {
    return describe(value)
  } catch {
    return 'something that cannot be looked at'
  }
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') {
    return `${fitForTerminals(JSON.stringify(shortened(value)))} (string)`
  }
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `an array of ${value.length}`
  // These have a key for each of their bytes or characters.
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes of binary data`
  if (types.isBoxedPrimitive(value)) return 'a boxed primitive'
  if (typeof value === 'object') return `an object with the keys [${keysOf(value).join(', ')}]`
  return shortened(`${(value as number | bigint | boolean | symbol).toString()} (${typeof value})`)
}

/**
 * JSON that a terminal may show: it leaves control characters above 127 as they are, and what turns the
 * direction of writing round, which some terminals obey.
 */
export function fitForTerminals(json: string): string {
  return json.replace(
    /[\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function keysOf(value: object): string[] {
  const keys = Object.keys(value)
  const more = keys.length > keysShownMax ? ['...'] : []
  return [...keys.slice(0, keysShownMax).map(shortened), ...more]
}

function shortened(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}

/**
 * The message of anything that was thrown, also if it is no `Error`; of a long one the beginning.
 * Never throws: what a handler throws may be made to be looked at by nobody.
 */
export function messageOf(error: unknown): string {
  try {
    const message: unknown = isError(error) ? error.message : undefined
    return typeof message === 'string' ? bounded(message) : describeValue(error)
  } catch {
    return 'something that throws when it is looked at'
  }
}

/**
 * The code of anything that was thrown, or else the name of an error, or else the type. Never
 * throws.
 */
export function codeOf(error: unknown): string {
  try {
    const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
    if (typeof code === 'string') return shortened(code)
    return isError(error) && typeof name === 'string' ? shortened(name) : typeof error
  } catch {
    return typeof error
  }
}

/** The code of an error of ours; `undefined` of anything else. Never throws. */
export function ownCodeOf(error: unknown): ErrorCode | undefined {
  try {
    return error instanceof TenureError ? error.code : undefined
  } catch {
    return undefined
  }
}

/** The stack of an error, if it has one. Never throws. */
export function stackOf(error: unknown): string | undefined {
  try {
    const stack: unknown = isError(error) ? error.stack : undefined
    return typeof stack === 'string' ? bounded(stack) : undefined
  } catch {
    return undefined
  }
}

/** What a handler throws may quote all that it worked on. */
function bounded(text: string): string {
  return text.length > textMax ? `${text.slice(0, textMax)}...` : text
}

/** An error of this realm or, as in a test of Jest's, of another. */
function isError(error: unknown): error is Error {
  return error instanceof Error || types.isNativeError(error)
}
