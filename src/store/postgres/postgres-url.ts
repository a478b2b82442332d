import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

import { describeValue, TenureError } from '../../errors.ts'

/** A URL of a PostgreSQL server, once it is understood. */
export interface PostgresUrl {
  /**
   * With nothing in it but what its connection is made of: other tools' parameters are translated or
   * left out, paths are absolute. It may hold a password. Reading it again changes nothing.
   */
  readonly url: string
  /** The schema for the tables, where `tenure_schema` names one. */
  readonly schema: string | undefined
  /** The names of parameters that mean nothing here. */
  readonly passedOver: readonly string[]
}

/** Tenure's own parameters: a name that begins as theirs do and is none of them is misspelt. */
const own = ['tenure_schema']
const ownPattern = /^tenure/i

/** What a connection is made of; by the names of libpq but for Prisma's `sslaccept` and `sslidentity`. */
const kept = [
  'application_name',
  'channel_binding',
  'connect_timeout',
  'dbname',
  'host',
  'hostaddr',
  'options',
  'passfile',
  'password',
  'port',
  'ssl_max_protocol_version',
  'ssl_min_protocol_version',
  'sslaccept',
  'sslcert',
  'sslcrl',
  'sslidentity',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslpassword',
  'sslrootcert',
  'user',
]

/** The parameters that name files: they are found however the working directory changes later. */
const paths = ['passfile', 'sslcert', 'sslcrl', 'sslidentity', 'sslkey', 'sslrootcert']

/** What an environment says about files and TLS where the URL does not; the client reads the others. */
const fromEnvironment: Readonly<Record<string, string>> = {
  channel_binding: 'PGCHANNELBINDING',
  passfile: 'PGPASSFILE',
  sslcert: 'PGSSLCERT',
  sslcrl: 'PGSSLCRL',
  sslkey: 'PGSSLKEY',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
}

/** How a connection may be protected: libpq's words, and one of `pg`'s, which encrypts only. */
const sslModes = ['disable', 'allow', 'prefer', 'no-verify', 'require', 'verify-ca', 'verify-full']

const protocolVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/** The values of parameters that have only so many. */
const choices: Readonly<Record<string, readonly string[]>> = {
  channel_binding: ['disable', 'prefer', 'require'],
  ssl_max_protocol_version: protocolVersions,
  ssl_min_protocol_version: protocolVersions,
  sslaccept: ['strict', 'accept_invalid_certs'],
  sslmode: sslModes,
  sslnegotiation: ['postgres', 'direct'],
}

/** What `pg` calls `ssl`, in the words of `sslmode`. */
const modeOfSsl: Readonly<Record<string, string>> = {
  true: 'verify-full',
  '1': 'verify-full',
  false: 'disable',
  '0': 'disable',
  'no-verify': 'no-verify',
}

/** The folder that Prisma's paths are relative to. */
const prismaFolder = 'prisma'

/**
 * Understands a URL as libpq, `pg`, Prisma and the providers of databases document it.
 *
 * @param shown the URL as it may be shown
 * @throws TenureError `TENURE_ERR_STORE_URL`; `TENURE_ERR_OPTION_UNKNOWN` for a misspelt parameter
 *   of Tenure's own
 */
export function parsePostgresUrl(
  text: string,
  shown: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): PostgresUrl {
  const url = readUrl(text, shown)
  const given = url.searchParams
  const schema = readOwn(given)
  const passedOver = [...new Set(given.keys())].filter((name) => !isUnderstood(name, given))
  const read = new Map(
    kept.flatMap((name) => {
      // Of several the last counts, as for libpq and `pg`.
      const value = given.getAll(name).at(-1)
      return value === undefined || value === '' ? [] : [[name, value] as const]
    }),
  )
  readSsl(read, given.getAll('ssl').at(-1))
  checkChoices(read)
  translatePrisma(read)
  for (const [name, variable] of Object.entries(fromEnvironment)) {
    const value = environment[variable]
    if (value !== undefined && value !== '' && !read.has(name)) read.set(name, value)
  }
  checkChoices(read)
  checkSeconds(read.get('connect_timeout'))
  for (const port of [url.port, read.get('port') ?? '']) checkPort(port)
  checkDirect(read)
  readSocket(read)
  for (const name of paths) {
    const path = read.get(name)
    const isPath = path !== undefined && !(name === 'sslrootcert' && path === 'system')
    if (isPath) read.set(name, resolve(path))
  }
  const parameters = new URLSearchParams([...read])
  parameters.sort()
  url.search = parameters.toString()
  return { url: url.href, schema, passedOver }
}

/** Parses the URL, also with a user but without a host, which the standard for URLs does not know. */
function readUrl(text: string, shown: string): URL {
  const [, scheme, user, port, rest] =
    /^([a-z]+:\/\/)(?:([^@/?#]*)@)?(?::(\d*))?((?:\/[^?#]*)?(?:\?.*)?)$/is.exec(text) ?? []
  const isWithoutHost = scheme !== undefined && (user !== undefined || port !== undefined)
  const url = URL.parse(isWithoutHost ? `${scheme}${rest}` : text)
  const [, hosts] = /^[^:]+:\/\/(?:[^/?]*@)?([^/?]*)/.exec(text) ?? []
  const named = url?.searchParams.getAll('host').at(-1) ?? ''
  const isOneServer = ![hosts ?? ',', named].some((host) => /^[^/].*,|^,/.test(host))
  // What is hidden but for its scheme may have a password in the wrong place: see redactStoreUrl.
  if (url === null || !isOneServer || url.hash !== '' || /^[^/]*$/.test(shown)) {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      'Expected a URL of one PostgreSQL server such as ' +
        "'postgres://user:password@host:5432/database', with special characters of the password " +
        `percent-encoded; got ${describeValue(shown)}.`,
    )
  }
  // The client would find these out each time that it connects, and say it less clearly.
  for (const part of [url.username, url.password, url.hostname, url.pathname]) decode(part, shown)
  if (!isWithoutHost) return url
  const [name = '', password] = (user ?? '').split(/:(.*)/s)
  const parts = { user: name, password: password ?? '', port: port ?? '' }
  for (const [key, part] of Object.entries(parts)) {
    if (part !== '' && !url.searchParams.has(key)) url.searchParams.set(key, decode(part, shown))
  }
  return url
}

function decode(part: string, shown: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      `Expected special characters of \`store\` to be percent-encoded; got ${describeValue(shown)}.`,
    )
  }
}

/** The schema for the tables; a parameter that only looks like one of Tenure's is a mistake. */
function readOwn(given: URLSearchParams): string | undefined {
  const misspelt = [...given.keys()].filter((name) => ownPattern.test(name) && !own.includes(name))
  if (misspelt.length > 0) {
    throw new TenureError(
      'TENURE_ERR_OPTION_UNKNOWN',
      `Expected only [${own.join(', ')}] among the parameters of a postgres: URL that begin with ` +
        `\`tenure\`; got [${misspelt.join(', ')}] besides.`,
    )
  }
  const schema = given.getAll('tenure_schema').at(-1)
  if (schema === undefined) return undefined
  // Longer identifiers would be cut off by the server.
  const bytes = new TextEncoder().encode(schema).length
  if (bytes > 0 && bytes <= 63 && !schema.includes('\0')) return schema
  throw new TenureError(
    'TENURE_ERR_STORE_URL',
    'Expected `tenure_schema` in the store URL to be a name of 1 to 63 bytes; got ' +
      `${describeValue(schema)}.`,
  )
}

function isUnderstood(name: string, given: URLSearchParams): boolean {
  if (kept.includes(name) || own.includes(name) || name === 'ssl') return true
  // libpq's meanings are the only ones here.
  if (name === 'uselibpqcompat') return true
  // Tenure writes, and so needs what these ask for anyway.
  const attributes = ['any', 'primary', 'read-write']
  return name === 'target_session_attrs' && attributes.includes(given.get(name) ?? '')
}

/** Has the words of `sslmode` say what `ssl` does. */
function readSsl(read: Map<string, string>, ssl: string | undefined): void {
  if (ssl === undefined || ssl === '' || read.has('sslmode')) return
  const mode = modeOfSsl[ssl]
  if (mode !== undefined) return void read.set('sslmode', mode)
  throw new TenureError(
    'TENURE_ERR_STORE_URL',
    `Expected \`ssl\` in the store URL to be one of [${Object.keys(modeOfSsl).join(', ')}]; ` +
      `got ${describeValue(ssl)}.`,
  )
}

/**
 * Prisma's `sslcert` is the certificate of the server's authority, and has no key; what it does not
 * accept, if it is told to be strict, includes a certificate for another name.
 */
function translatePrisma(read: Map<string, string>): void {
  for (const name of ['sslcert', 'sslidentity']) {
    const path = read.get(name)
    const isPrismas = name === 'sslidentity' || !read.has('sslkey')
    if (path === undefined || !isPrismas) continue
    const there = resolve(prismaFolder, path)
    if (existsSync(there)) read.set(name, there)
  }
  const authority = read.get('sslcert')
  if (authority !== undefined && !read.has('sslkey') && !read.has('sslrootcert')) {
    read.set('sslrootcert', authority)
    read.delete('sslcert')
  }
  const [mode = 'prefer', accept] = [read.get('sslmode'), read.get('sslaccept')]
  if (accept === undefined) return
  // What is encrypted only if the server likes still has to be checked if it is.
  if (accept === 'strict' && ['allow', 'prefer'].includes(mode)) return
  read.delete('sslaccept')
  if (accept === 'strict' && mode !== 'disable') read.set('sslmode', 'verify-full')
  if (accept !== 'strict' && mode === 'require') read.set('sslmode', 'no-verify')
}

/** TLS without being asked for it needs TLS. */
function checkDirect(read: Map<string, string>): void {
  if (read.get('sslnegotiation') !== 'direct') return
  const mode = read.get('sslmode')
  if (mode === undefined) return void read.set('sslmode', 'require')
  if (!['disable', 'allow', 'prefer'].includes(mode)) return
  throw new TenureError(
    'TENURE_ERR_STORE_URL',
    'Expected `sslmode` in the store URL to be `require` or stronger, because `sslnegotiation` is ' +
      `\`direct\`; got ${describeValue(mode)}.`,
  )
}

/** A host may be the path of the very socket, which ends in its port; the client wants the folder. */
function readSocket(read: Map<string, string>): void {
  const [, folder, port] = /^(\/.*)\/\.s\.PGSQL\.(\d+)$/.exec(read.get('host') ?? '') ?? []
  if (folder === undefined || port === undefined) return
  read.set('host', folder)
  if (!read.has('port')) read.set('port', port)
}

function checkChoices(read: Map<string, string>): void {
  for (const [name, allowed] of Object.entries(choices)) {
    const value = read.get(name)
    if (value === undefined || allowed.includes(value)) continue
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      `Expected \`${name}\` in the store URL, or in the environment, to be one of ` +
        `[${allowed.join(', ')}]; got ${describeValue(value)}.`,
    )
  }
}

function checkSeconds(value: string | undefined): void {
  if (value === undefined || /^-?\d{1,9}$/.test(value)) return
  throw new TenureError(
    'TENURE_ERR_STORE_URL',
    'Expected `connect_timeout` in the store URL to be a number of seconds; got ' +
      `${describeValue(value)}.`,
  )
}

function checkPort(port: string): void {
  if (port === '' || (/^\d+$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) return
  throw new TenureError(
    'TENURE_ERR_STORE_URL',
    `Expected the port in the store URL to be from 1 to 65535; got ${describeValue(port)}.`,
  )
}
