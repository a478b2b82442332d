import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

import { describeValue, TenureError } from '../errors.ts'
import { parsePostgresUrl, type PostgresUrl } from './postgres/postgres-url.ts'

/** Where a store is, once its URL is understood. */
export type StoreLocation =
  | { readonly scheme: 'sqlite'; readonly path: string }
  | { readonly scheme: 'memory'; readonly name: string }
  | ({ readonly scheme: 'postgres' } & PostgresUrl)

/** The schemes of the stores that exist. */
export const storeSchemes: readonly StoreLocation['scheme'][] = ['sqlite', 'postgres', 'memory']

/**
 * What a store URL says.
 *
 * - `sqlite:./tenure.db`, `sqlite:/var/lib/app/tenure.db`, `sqlite:///var/lib/app/tenure.db`: a
 *   file, relative to the working directory; special characters percent-encoded.
 * - `postgres://user:password@host:5432/database?sslmode=verify-full&tenure_schema=billing`: a
 *   database, as others write it, and the schema for the tables; `postgresql:` means the same.
 * - `memory:NAME`: the memory of this thread under that name.
 *
 * @throws TenureError `TENURE_ERR_STORE_URL`; `TENURE_ERR_OPTION_UNKNOWN` for a parameter
 */
export function parseStoreUrl(url: string): StoreLocation {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase()
  if (scheme === 'postgres' || scheme === 'postgresql') {
    return { scheme: 'postgres', ...parsePostgresUrl(url, redactStoreUrl(url)) }
  }
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
  } catch {
    // Its error would hold the whole URL, and is told nobody.
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      'Expected a sqlite: URL with two slashes to name no host and an absolute path, such as ' +
        `'sqlite:///var/lib/app/tenure.db'; got ${describeValue(redactStoreUrl(url))}.`,
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

/** The names of parameters; where there is an @, they may be the end of a password. */
function parameterNames(query: string): string {
  if (query.includes('@')) return '***'
  return [...new URLSearchParams(query).keys()].join(', ')
}

/** A host, perhaps with a port; not every host is a good one. */
const hostPattern = /^(\[[\da-f:.]*\]|[^:[\]]*)(:\d*)?$/i

/**
 * A store URL as it may be shown: without the password, and without the values of its parameters.
 * Where it does not read as a URL should, it is hidden but for its scheme: somebody may have
 * written a password that is not percent-encoded.
 */
export function redactStoreUrl(url: string): string {
  const [rest, query] = splitQuery(url)
  const [scheme, place] = splitAt(rest, ':')
  const parameters = query === undefined ? '' : `?${parameterNames(query)}`
  const isPath = (scheme === 'sqlite' || scheme === 'memory') && !/^\/\/[^/]/.test(place)
  if (isPath) return `${rest}${parameters}`
  const [authority, path] = splitAt(place.replace(/^\/\//, ''), '/')
  const [userInfo, host] = splitAuthority(authority)
  const misplaced = [host, path, query ?? ''].some((part) => part.includes('@'))
  // Where the host was forgotten, the password stands in the place of its port.
  const areHosts = host.split(',').every((part) => hostPattern.test(part))
  if (!place.startsWith('//') || misplaced || !areHosts)
    return place === '' ? '***' : `${scheme}:***`
  const user = userInfo === '' ? '' : `${userInfo.split(':')[0]}:***@`
  return `${scheme}://${user}${host}${path === '' ? '' : `/${path}`}${parameters}`
}

/**
 * The user with the password, and the host. A user's name may have an @ in it, as Azure's have; it
 * is part of the name, and not of a password, if no colon is before it and one is after it.
 */
function splitAuthority(authority: string): [userInfo: string, host: string] {
  const [, user, host] = /^([^:@]+@[^:@]+:[^@]*)@([^@]*)$/.exec(authority) ?? []
  if (user !== undefined && host !== undefined) return [user, host]
  return authority.includes('@') ? splitAt(authority, '@') : ['', authority]
}

function splitAt(text: string, separator: string): [before: string, after: string] {
  const at = text.indexOf(separator)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
