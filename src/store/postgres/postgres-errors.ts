import { messageOf, TenureError } from '../../errors.ts'

/** What went wrong at PostgreSQL, by SQLSTATE (postgresql.org/docs/current/errcodes-appendix.html). */
const causesByState: Readonly<Record<string, string>> = {
  '28P01': 'a wrong user name or password',
  '28000': 'the server does not let this user in from here (pg_hba.conf), or does so only over TLS',
  '3D000': 'the database does not exist',
  '42501':
    'the role may not do this. If it may not create tables, let somebody who may run the file ' +
    'docs/stores/postgres.sql, which also grants what the role needs',
  '25006': 'the server is a standby or read-only. Name the primary in the store URL',
  '53300': 'the server has no connection left; Tenure needs one for each instance',
  '55P03': 'somebody else holds a lock on the tables for long',
}

/** What is asked for as a connection starts, and refused: it comes from the store URL. */
const startupPattern = /startup parameter/
const startupCause =
  'a pooler in between does not know what `options` in the store URL asks for. Leave it out, set ' +
  'it for the role or the database, or name the server itself'

/** States that pass by themselves: the server is not there now, or has ended the connection. */
const passing = /^(08|57P)/

/** Codes of Node.js and OpenSSL that mean that the server's certificate is not trusted. */
const untrusted =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_)/

/** A fault in the words of the errors of Tenure; `where` is shown, and so holds no secret. */
export function describeFault(error: unknown, where: string): unknown {
  if (error instanceof TenureError) return error
  const code = codeOf(error)
  const said = `got "${messageOf(error)}"${code === undefined ? '' : ` (${code})`}.`
  // Only what the server itself says has a severity; EPIPE has five letters as well.
  const isState = error instanceof Error && 'severity' in error
  const isStartup = isState && startupPattern.test(messageOf(error))
  if (isState && (isStartup || !passing.test(code ?? ''))) {
    const cause = isStartup ? startupCause : causesByState[code ?? '']
    return new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected a PostgreSQL database that can be used at ${where}; ${said}` +
        (cause === undefined ? '' : ` Likely cause: ${cause}.`),
      { cause: error },
    )
  }
  if (code !== undefined && untrusted.test(code)) {
    return new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected that the certificate of the server at ${where} can be trusted; ${said} Likely ` +
        'cause: it is signed by an authority of your own. Name its certificate by `sslrootcert` ' +
        'in the store URL.',
      { cause: error },
    )
  }
  if (/does not support SSL|SSL connection/.test(messageOf(error))) {
    return new TenureError(
      'TENURE_ERR_STORE_UNUSABLE',
      `Expected that the server at ${where} speaks TLS, as \`sslmode\` demands; ${said}`,
      { cause: error },
    )
  }
  return new TenureError(
    'TENURE_ERR_STORE_UNREACHABLE',
    `Expected an answer from the PostgreSQL server at ${where}; ${said}`,
    { cause: error },
  )
}

/** Whether a table, a function or the whole schema is not there. */
export function isMissingSchema(error: unknown): boolean {
  const code = codeOf(error)
  return code === '3F000' || code === '42P01' || code === '42883'
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
