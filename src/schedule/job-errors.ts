import { TenureError } from '../errors.ts'

/** A run by hand was asked of an instance that does not lead. */
export function notLeaderError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_NOT_LEADER',
    `Expected to lead, to run the job ${JSON.stringify(id)} now; this instance does not.`,
  )
}

/** A run by hand was to begin, and its term or its job was gone before. */
export function notBegunError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_NOT_LEADER',
    `Expected to lead until the run of ${JSON.stringify(id)} had begun; the term ended, or ` +
      'the job was removed.',
  )
}

/** A run by hand was asked of a job that has no free slot. */
export function runningError({ id, slots }: { id: string; slots: number }): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_RUNNING',
    `Expected that the job ${JSON.stringify(id)} has fewer than ${slots} runs going on or to be ` +
      'tried again; it has that many. See `overlap`.',
  )
}

/** A job was named that is not there. */
export function unknownError(id: string, ids: Iterable<string>): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_UNKNOWN',
    `Expected one of the jobs [${[...ids].slice(0, 20).join(', ')}]; got ${JSON.stringify(id)}.`,
  )
}

/** A job of the application was expected, and one of Tenure itself was named. */
export function reservedError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_SYSTEM',
    `Expected a job of the application; ${JSON.stringify(id)} is Tenure's own.`,
  )
}

/** A job was to be stored whose handler this instance has not. */
export function handlerUnknownError(name: string, names: readonly string[]): TenureError {
  return new TenureError(
    'TENURE_ERR_HANDLER_UNKNOWN',
    `Expected one of the handlers [${names.slice(0, 20).join(', ')}], as \`tenure.handle\` has given ` +
      `them; got ${JSON.stringify(name)}.`,
  )
}

/** A job was to be stored under the id of one of the application's code. */
export function ownError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_EXISTS',
    `Expected no job with the id ${JSON.stringify(id)}, to store one; the application has scheduled ` +
      'one in its code.',
  )
}

/** `onConflict: 'error'`, and there is a job with that id. */
export function existsError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_EXISTS',
    `Expected no job with the id ${JSON.stringify(id)}; there is one, and \`onConflict\` is 'error'.`,
  )
}

/** A stored job was to be removed that is not in the store. */
export function storedUnknownError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_UNKNOWN',
    `Expected the id of a stored job, as \`tenure.stored.list\` has them; got ${JSON.stringify(id)}. A ` +
      'job that was scheduled with a function is removed by `tenure.unschedule`.',
  )
}

/** A job of this instance's code was to be removed, and a stored one was named. */
export function storedError(id: string): TenureError {
  return new TenureError(
    'TENURE_ERR_JOB_UNKNOWN',
    `Expected the id of a job that this instance has scheduled; ${JSON.stringify(id)} is kept in the ` +
      'store. `tenure.stored.unschedule` removes it.',
  )
}
