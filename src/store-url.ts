import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describeValue, TenureError } from './errors.ts'

/** Where a store is, once its URL is understood. */
export type StoreLocation =
  | { readonly scheme: 'sqlite'; readonly path: string }
  | { readonly scheme: 'memory'; readonly name: string }
  /** The URL without the parameters that are Tenure's own; it may hold a password. */
  | { readonly scheme: 'postgres'; readonly url: string; readonly schema: string | undefined }

/** The schemes of the stores that exist. */
export const storeSchemes: readonly StoreLocation['scheme'][] = ['sqlite', 'postgres', 'memory']

/** What a URL of PostgreSQL may say besides; all but the first are read by the client `pg`. */
const postgresParameters = [
  'schema',
  'application_name',
  'host',
  'password',
  'port',
  'ssl',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'uselibpqcompat',
  'user',
]

/**
 * What a store URL says.
 *
 * - `sqlite:./tenure.db`, `sqlite:/var/lib/app/tenure.db`, `sqlite:///var/lib/app/tenure.db`: a
 *   file, relative to the working directory; special characters percent-encoded.
 * - `postgres://user:password@host:5432/database?schema=tenure&sslmode=verify-full`: a database, as
 *   the client `pg` takes it, and the schema for the tables; `postgresql:` means the same.
 * - `memory:NAME`: the memory of this thread under that name.
 *
 * @throws TenureError `TENURE_ERR_STORE_URL`; `TENURE_ERR_OPTION_UNKNOWN` for a parameter
 */
export function parseStoreUrl(url: string): StoreLocation {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === 'postgres' || scheme === 'postgresql') return parsePostgresUrl(url)
  if (scheme !== 'sqlite' && scheme !== 'memory') {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      `Expected \`store\` to be a URL that begins with ${storeSchemes.join(': or ')}:, such as ` +
        `'sqlite:./tenure.db'; got ${describeValue(redactStoreUrl(url))}.`,
    )
  }
  const [rest, query] = splitQuery(url.slice(scheme.length + 1))
  if (query !== undefined) {
    throw new TenureError(
      'TENURE_ERR_OPTION_UNKNOWN',
      `Expected no parameters in a ${scheme}: URL; got [${parameterNames(query)}].`,
    )
  }
  if (scheme === 'memory') return { scheme, name: decode(rest, url) }
  return { scheme, path: sqlitePath(rest, url) }
}

function parsePostgresUrl(text: string): StoreLocation {
  const url = URL.parse(text)
  const [, hosts] = /^[^:]+:\/\/(?:[^@/]*@)?([^/?]*)/.exec(text) ?? []
  const isOneServer = hosts !== undefined && !hosts.includes(',')
  // What is hidden but for its scheme may have a password in the wrong place: see redactStoreUrl.
  if (url === null || !isOneServer || url.hash !== '' || /^[^/]*$/.test(redactStoreUrl(text))) {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      'Expected a URL of one PostgreSQL server such as ' +
        "'postgres://user:password@host:5432/database', with special characters of the password " +
        `percent-encoded; got ${describeValue(redactStoreUrl(text))}.`,
    )
  }
  const unknown = [...url.searchParams.keys()].filter((key) => !postgresParameters.includes(key))
  if (unknown.length > 0) {
    throw new TenureError(
      'TENURE_ERR_OPTION_UNKNOWN',
      `Expected only the parameters [${postgresParameters.join(', ')}] in a postgres: URL; ` +
        `got [${unknown.join(', ')}] besides.`,
    )
  }
  const schema = url.searchParams.get('schema') ?? undefined
  if (schema !== undefined) {
    // Longer identifiers would be cut off by the server.
    if (schema === '' || schema.includes('\0') || new TextEncoder().encode(schema).length > 63) {
      throw new TenureError(
        'TENURE_ERR_STORE_URL',
        `Expected \`schema\` in the store URL to be a name of 1 to 63 bytes; got ${describeValue(schema)}.`,
      )
    }
    url.searchParams.delete('schema')
  }
  return { scheme: 'postgres', url: url.href, schema }
}

function sqlitePath(rest: string, url: string): string {
  const path = rest.startsWith('//') ? pathOfFileUrl(rest, url) : decode(rest, url)
  if (path === '' || path === ':memory:' || path.endsWith('/') || path.includes('\0')) {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      `Expected a sqlite: URL to name a file, such as 'sqlite:./tenure.db', because several ` +
        `processes have to open it; got ${describeValue(redactStoreUrl(url))}.`,
    )
  }
  return resolve(path)
}

function pathOfFileUrl(rest: string, url: string): string {
  try {
    return fileURLToPath(`file:${rest}`)
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      'Expected a sqlite: URL with two slashes to name no host and an absolute path, such as ' +
        `'sqlite:///var/lib/app/tenure.db'; got ${describeValue(redactStoreUrl(url))}.`,
      { cause },
    )
  }
}

function decode(text: string, url: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      `Expected special characters of \`store\` to be percent-encoded; got ${describeValue(redactStoreUrl(url))}.`,
      { cause },
    )
  }
}

function splitQuery(text: string): [rest: string, query: string | undefined] {
  const at = text.search(/[?#]/)
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

function parameterNames(query: string): string {
  return [...new URLSearchParams(query).keys()].join(', ')
}

/**
 * A store URL as it may be shown: without the password, and without the values of its parameters.
 * Where it does not read as a URL should, it is hidden but for its scheme: somebody may have
 * written a password that is not percent-encoded.
 */
export function redactStoreUrl(url: string): string {
  const [rest, query] = splitQuery(url)
  const [scheme, place] = splitAt(rest, ':')
  const parameters = query === undefined ? '' : `?${parameterNames(query)}`
  if (scheme === 'sqlite' || scheme === 'memory') return `${rest}${parameters}`
  const [authority, path] = splitAt(place.replace(/^\/\//, ''), '/')
  const [userInfo, host] = authority.includes('@') ? splitAt(authority, '@') : ['', authority]
  const misplaced = [host, path, query ?? ''].some((part) => part.includes('@'))
  if (!place.startsWith('//') || misplaced) return place === '' ? '***' : `${scheme}:***`
  const user = userInfo === '' ? '' : `${userInfo.split(':')[0]}:***@`
  return `${scheme}://${user}${host}${path === '' ? '' : `/${path}`}${parameters}`
}

function splitAt(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
