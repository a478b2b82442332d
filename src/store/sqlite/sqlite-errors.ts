import { codeOf, messageOf, TenureError } from '../../errors.ts'

/** The primary result codes that pass by themselves (sqlite.org/rescode.html). */
const busyCodes: ReadonlySet<number> = new Set([5 /* SQLITE_BUSY */, 6 /* SQLITE_LOCKED */])

/** The result codes that say, of a database that has been used, that somebody has written into it. */
const changedCodes: ReadonlySet<number> = new Set([
  11 /* SQLITE_CORRUPT */, 26 /* SQLITE_NOTADB */, 522 /* SQLITE_IOERR_SHORT_READ */,
])

/** Why nothing can be opened at a path. */
export const folderCause = 'the folder does not exist, or the process may not access it'

/** The primary result codes of a file that stays unusable until somebody mends it. */
const unusableCauses: Readonly<Record<number, string>> = {
  3: 'the process may not access the file',
  8: 'the file or its folder is read-only for this process',
  10: 'the disk reports an error, or is full',
  11: 'the file is damaged',
  13: 'the disk is full',
  14: folderCause,
  26: 'the file is something else than a database',
}

function numberError(path: string, cause: unknown): TenureError {
  return new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected that the tables of Tenure in ${path} have no number that is too large; got ` +
      `"${messageOf(cause)}". Likely cause: somebody has written a wrong number into them: correct ` +
      'the counter, the record and the history.',
    { cause },
  )
}

/** The fault of a unit of work, with its likely cause if it is one of the files or of what is in them. */
export function unusableError(path: string, error: unknown): unknown {
  if (codeOf(error) === 'ERR_OUT_OF_RANGE') return numberError(path, error)
  const code = resultCodeOf(error)
  const isOfFiles = error instanceof Error && 'syscall' in error
  if (code === undefined && !isOfFiles) return error
  const cause = code === undefined ? undefined : unusableCauses[code]
  return new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected a SQLite database that can be written at ${path}; got ` +
      `"${messageOf(error)}"${code === undefined ? '' : ` (result code ${code})`}.` +
      (cause === undefined ? '' : ` Likely cause: ${cause}.`),
    { cause: error },
  )
}

/** The store was closed, and is used. */
export function closedError(): TenureError {
  return new TenureError('TENURE_ERR_STORE_CLOSED', 'Expected an open store; it was closed.')
}

/** The extended result code of SQLite, if the error is one of SQLite's. */
function extendedCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/** The primary result code, which is the lowest byte. */
function resultCodeOf(error: unknown): number | undefined {
  const code = extendedCodeOf(error)
  return code === undefined ? undefined : code & 0xff
}

/** Whether the file is locked, which passes by itself. */
export function isBusy(error: unknown): boolean {
  const code = resultCodeOf(error)
  return code !== undefined && busyCodes.has(code)
}

/** Whether it says, of a database that has been used, that somebody has written into it. */
export function isOfChanged(error: unknown): boolean {
  const code = extendedCodeOf(error)
  return code !== undefined && changedCodes.has(code)
}
