import { codeOf, messageOf, ownCodeOf, stackOf, TenureError, type ErrorCode } from '../errors.ts'

/** An error as it crosses threads: cloning an `Error` loses its code. */
export interface ErrorRecord {
  /** The code of a {@link TenureError}; `undefined` of an error of anybody else's. */
  readonly code: ErrorCode | undefined
  /** The code of anybody's error, or else its name. */
  readonly error: string
  readonly message: string
  readonly stack: string | undefined
}

/** An error as a record. Never throws, whatever was thrown. */
export function recordOfError(error: unknown): ErrorRecord {
  return {
    code: ownCodeOf(error),
    error: codeOf(error),
    message: messageOf(error),
    stack: stackOf(error),
  }
}

/** The error of a record, with the stack of the thread that it came from. */
export function errorOfRecord(record: ErrorRecord): Error {
  const { code, error: name, message, stack } = record
  const error =
    code === undefined
      ? Object.assign(new Error(message), { code: name })
      : new TenureError(code, message)
  if (stack !== undefined) error.stack = stack
  return error
}

/** The error of a heart that could not begin: anybody else's is the cause of one of ours. */
export function deathOf(record: ErrorRecord): TenureError {
  const cause = errorOfRecord(record)
  if (cause instanceof TenureError) return cause
  const message = `Expected the heartbeat to begin; it failed: ${record.message}`
  return new TenureError('TENURE_ERR_HEART_DIED', message, { cause })
}
