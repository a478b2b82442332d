import { getCACertificates, type ConnectionOptions } from 'node:tls'

import { TenureError } from '../../errors.ts'
import type { PostgresClient, PostgresClientConfig } from './client.ts'
import { KeptFiles } from './kept-files.ts'

/** How a connection goes: in plain text, or over TLS. */
export type Way = 'plain' | 'tls'

/** How long opening a connection may take in all, unless the URL says it. */
const openMsMax = 30_000
/** The least that libpq makes of `connect_timeout`, in seconds. */
const connectSecondsMin = 2

/** Which ways an `sslmode` allows, the preferred one first. */
const waysOfMode: Readonly<Record<string, readonly Way[]>> = {
  disable: ['plain'],
  allow: ['plain', 'tls'],
  prefer: ['tls', 'plain'],
}

/**
 * Where a store URL leads, and how: what the client is given for a connection. With libpq's meanings
 * of `sslmode`; the URL is one that `parsePostgresUrl` has read.
 */
export class Destination {
  /** How long opening a connection may take in all. */
  readonly openMsMax: number
  /** The address of the host, where the URL tells it; nothing is looked up then. */
  readonly hostAddress: string | undefined
  /** Whether the password has to be proved for this very TLS connection. */
  readonly bindsChannel: boolean
  readonly #files = new KeptFiles()
  readonly #parameters: URLSearchParams
  readonly #config: PostgresClientConfig
  /** The way that worked last. */
  #worked: Way | undefined

  constructor(text: string) {
    const url = new URL(text)
    const parameters = url.searchParams
    const value = (name: string): string | undefined => parameters.get(name) ?? undefined
    this.#parameters = parameters
    const seconds = Number(value('connect_timeout') ?? 0)
    this.openMsMax = seconds > 0 ? Math.max(seconds, connectSecondsMin) * 1_000 : openMsMax
    this.hostAddress = value('hostaddr')
    this.bindsChannel = value('channel_binding') === 'require'
    const host = decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, '$1')
    const port = Number(value('port') ?? url.port)
    const parts = {
      host: value('host') ?? (host || this.hostAddress),
      user: value('user') ?? decodeURIComponent(url.username),
      password: value('password') ?? decodeURIComponent(url.password),
      database: value('dbname') ?? decodeURIComponent(url.pathname.slice(1)),
      application_name: value('application_name'),
      options: value('options'),
    }
    const given = Object.entries(parts).filter(([, part]) => part !== undefined && part !== '')
    this.#config = { ...Object.fromEntries(given), ...(port > 0 && { port }) }
  }

  /** The ways to try, one after the other. */
  get ways(): readonly Way[] {
    const host = this.#config.host ?? process.env['PGHOST'] ?? ''
    // A socket in the file system is never encrypted.
    if (host.startsWith('/')) return ['plain']
    const ways = waysOfMode[this.#parameters.get('sslmode') ?? 'prefer'] ?? ['tls']
    if (!this.bindsChannel) return this.#worked === ways[1] ? ways.toReversed() : ways
    if (ways.includes('tls')) return ['tls']
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      'Expected an `sslmode` in the store URL that allows TLS, because `channel_binding` is ' +
        '`require`; got `disable`.',
    )
  }

  /** From now on this way is tried first. */
  worked(way: Way): void {
    this.#worked = way
  }

  /**
   * What the client is given; a way that must be secure is not exchanged for another.
   *
   * @param client the client that this is for, once there is one: its environment fills in the rest
   */
  config(way: Way, client: () => PostgresClient | undefined): PostgresClientConfig {
    const passfile = this.#parameters.get('passfile')
    const isNegotiated = this.#parameters.get('sslnegotiation') !== 'direct'
    const needsFile = passfile !== null && !this.#config.password && !process.env['PGPASSWORD']
    return {
      ...this.#config,
      ...(needsFile && { password: () => this.#passwordFrom(passfile, client()) }),
      ssl: way === 'tls' && this.#tls(),
      ...(way === 'tls' && !isNegotiated && { sslnegotiation: 'direct' }),
      ...(this.bindsChannel && { enableChannelBinding: true }),
    }
  }

  /** Read from the files anew, with each connection. */
  #tls(): ConnectionOptions {
    const text = (name: string): string | undefined => this.#parameters.get(name) ?? undefined
    const content = (name: string): Buffer | undefined => {
      const path = text(name)
      return path === undefined ? undefined : this.#files.read(path, name)
    }
    const isSystem = text('sslrootcert') === 'system'
    const authority = isSystem ? systemAuthorities() : content('sslrootcert')
    const verified = this.#verified(authority !== undefined, isSystem)
    const options = {
      ca: authority,
      cert: content('sslcert'),
      key: content('sslkey'),
      pfx: content('sslidentity'),
      crl: content('sslcrl'),
      passphrase: text('sslpassword'),
      minVersion: text('ssl_min_protocol_version'),
      maxVersion: text('ssl_max_protocol_version'),
      rejectUnauthorized: verified !== 'nothing',
      checkServerIdentity: verified === 'authority' ? () => undefined : undefined,
    }
    const given = Object.entries(options).filter(([, value]) => value !== undefined)
    return Object.fromEntries(given)
  }

  /** What of the server's certificate is verified. */
  #verified(hasAuthority: boolean, isSystem: boolean): 'nothing' | 'authority' | 'name' {
    const mode = this.#parameters.get('sslmode') ?? 'prefer'
    const isStrict = this.#parameters.get('sslaccept') === 'strict'
    if (mode === 'verify-full' || isSystem || isStrict) return 'name'
    if (mode === 'no-verify') return 'nothing'
    if (hasAuthority) return 'authority'
    // Of authorities that anybody may ask for a certificate, only the name tells the server.
    return mode === 'verify-ca' ? 'name' : 'nothing'
  }

  #passwordFrom(path: string, client: PostgresClient | undefined): string {
    const { host = '', port = 0, user = '', database = user } = client ?? {}
    const name = host.startsWith('/') ? 'localhost' : host
    return this.#files.password(path, [name, String(port), database, user])
  }
}

function systemAuthorities(): string[] {
  return [...getCACertificates('default'), ...getCACertificates('system')]
}
