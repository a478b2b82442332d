import { isIP } from 'node:net'

import type { FastifyRequest } from 'fastify'

/** The names under which the status and the page may be asked for, besides those that are always. */
export type Hosts = readonly string[] | 'any'

/**
 * Whether a request names a host that the status and the page answer to. A browser shows a stranger's
 * page under a name of the stranger's; if that name is then made to mean this machine (DNS
 * rebinding), the page could read what is served here. It cannot do so under an address or as
 * `localhost`, which are no names of anybody's; whoever sends no host is no browser.
 */
export function isHostAllowed({ headers }: Pick<FastifyRequest, 'headers'>, hosts: Hosts): boolean {
  const authority = headers.host ?? headers[':authority']
  if (hosts === 'any' || authority === undefined) return true
  const host = hostnameOf(String(authority))
  if (host === undefined) return false
  if (isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost')) return true
  return hosts.some((name) => hostnameOf(name) === host)
}

/** Without a port, the brackets of IPv6 and the dot at the end; `undefined` if it is none. */
export function hostnameOf(authority: string): string | undefined {
  const [, address, name] = /^(?:\[([^\]]+)\]|([^:[\]/\s@]+))(?::\d*)?$/.exec(authority) ?? []
  return (address ?? name)?.toLowerCase().replace(/\.$/, '')
}
