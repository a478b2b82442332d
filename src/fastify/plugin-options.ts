import { hostnameOf, type Hosts } from './hosts.ts'
import { optionNames, TenureError, type Tenure, type TenureOptions } from '../index.ts'

/**
 * The routes that the plugin can serve, each below its `prefix`:
 *
 * - `'status'`: `GET {prefix}/status`, all of `tenure.status()` as JSON
 * - `'health'`: `GET {prefix}/health`, 200 while the heartbeat works here, else 503; for probes
 * - `'health/leader'`: `GET {prefix}/health/leader`, 200 on the leader, else 503; not for readiness
 * - `'page'`: `GET {prefix}/`, the page, with its files and its data
 */
export type TenureRoute = (typeof tenureRoutes)[number]

/** What the plugin adds to the options of `createTenure`. */
interface RouteOptions {
  /** What the paths of the routes begin with; `''` is the root of the application. @default '/tenure' */
  readonly prefix?: string
  /** The routes to serve. Everybody who reaches the application reaches them. @default none */
  readonly routes?: readonly TenureRoute[] | undefined
  /**
   * The names under which `'status'` and `'page'` are served, such as `['status.example.com']`: the
   * `Host` of a request, as it arrives here. Addresses and `localhost` always are. `'any'` takes any
   * name; then a page of a stranger's, shown by a browser that reaches this application, may read
   * them too, if nothing else keeps it out. Probes are answered under any name. @default []
   */
  readonly hosts?: Hosts | undefined
}

/** A Tenure that the plugin makes: with the options of `createTenure`, and `app.log` as its logger. */
interface MadeTenure extends TenureOptions {
  readonly tenure?: undefined
}

/** A Tenure of the application's own. */
type GivenTenure = { readonly [Key in keyof TenureOptions]?: undefined } & {
  /** Made by `createTenure`; the plugin starts and stops it. */
  readonly tenure: Tenure
}

/** The options of the plugin: those of `createTenure`, or a `tenure`; and the routes. */
export type TenurePluginOptions = RouteOptions & (MadeTenure | GivenTenure)

/** The options of the plugin once they are checked. */
export interface ResolvedPluginOptions {
  readonly prefix: string
  readonly routes: ReadonlySet<TenureRoute>
  readonly hosts: Hosts
  /** A Tenure to be used, or else the options to make one with. */
  readonly tenure: Tenure | undefined
  readonly tenureOptions: TenureOptions
}

/** All routes that there are, to ask for all of them. */
export const tenureRoutes = ['status', 'health', 'health/leader', 'page'] as const

/** Where the routes are unless `prefix` says otherwise. */
export const prefixDefault = '/tenure'

/** What makes a Tenure one, whichever copy of this package it comes from. */
const tenureMethods = ['start', 'stop', 'status', 'schedule', 'runNow', 'resign'] as const

/**
 * Checks what the plugin was registered with; the options of `createTenure` are left to itself.
 *
 * @throws TenureError `TENURE_ERR_OPTION_TYPE`, `TENURE_ERR_OPTION_UNKNOWN`,
 * `TENURE_ERR_OPTION_RELATION`
 */
export function readPluginOptions(options: TenurePluginOptions): ResolvedPluginOptions {
  const { prefix, routes, hosts, tenure, ...tenureOptions } = options
  const names: readonly string[] = optionNames
  const unknown = Object.keys(tenureOptions).filter((key) => !names.includes(key))
  if (unknown.length > 0) {
    throw new TenureError(
      'TENURE_ERR_OPTION_UNKNOWN',
      `Expected the options of the plugin to have only the keys [prefix, routes, hosts, tenure, ` +
        `${names.join(', ')}]; got [${unknown.join(', ')}] besides.`,
    )
  }
  return {
    prefix: prefixOf(prefix),
    routes: routesOf(routes),
    hosts: hostsOf(hosts),
    tenure: tenureOf(tenure, tenureOptions),
    tenureOptions: { ...tenureOptions, store: tenureOptions.store },
  }
}

function prefixOf(prefix: unknown = prefixDefault): string {
  if (prefix === '' || (typeof prefix === 'string' && /^(?:\/[\w.~-]+)+$/.test(prefix))) {
    return prefix
  }
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    "Expected `prefix` to be '' or a path such as '/tenure' or '/internal/tenure', which begins " +
      `with a slash and does not end with one; got ${describe(prefix)}.`,
  )
}

function routesOf(routes: unknown = []): ReadonlySet<TenureRoute> {
  const wrong: unknown = Array.isArray(routes)
    ? routes.find((route) => !tenureRoutes.includes(route))
    : routes
  if (wrong === undefined) return new Set(routes as readonly TenureRoute[])
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    `Expected \`routes\` to be an array out of [${tenureRoutes.join(', ')}]; got ` +
      `${Array.isArray(routes) ? 'one with ' : ''}${describe(wrong)}.`,
  )
}

function hostsOf(hosts: unknown = []): Hosts {
  if (hosts === 'any') return hosts
  const isName = (name: unknown): boolean =>
    typeof name === 'string' && hostnameOf(name) !== undefined && !/[:*]/.test(name)
  const wrong: unknown = Array.isArray(hosts) ? hosts.find((name) => !isName(name)) : hosts
  if (Array.isArray(hosts) && hosts.every(isName)) return hosts as string[]
  throw new TenureError(
    'TENURE_ERR_OPTION_TYPE',
    "Expected `hosts` to be 'any', or an array of names such as 'status.example.com', without " +
      `scheme, port and wildcards; got ${Array.isArray(hosts) ? 'one with ' : ''}` +
      `${describe(wrong)}.`,
  )
}

function tenureOf(tenure: unknown, tenureOptions: object): Tenure | undefined {
  if (tenure === undefined) return undefined
  const methods = tenure as Partial<Record<string, unknown>> | null
  if (tenureMethods.some((method) => typeof methods?.[method] !== 'function')) {
    throw new TenureError(
      'TENURE_ERR_OPTION_TYPE',
      `Expected \`tenure\` to be what \`createTenure\` returns; got ${describe(tenure)}.`,
    )
  }
  const besides = Object.entries(tenureOptions).filter(([, value]) => value !== undefined)
  if (besides.length > 0) {
    throw new TenureError(
      'TENURE_ERR_OPTION_RELATION',
      'Expected either a `tenure` or the options to make one; got both: `tenure` and ' +
        `[${besides.map(([key]) => key).join(', ')}]. Give those to \`createTenure\`.`,
    )
  }
  return tenure as Tenure
}

/** A received value in an error: an object is named by its type only, because it may hold a secret. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'string') return `${JSON.stringify(value.slice(0, 80))} (string)`
  return Array.isArray(value) ? 'an array' : `a value of the type ${typeof value}`
}
