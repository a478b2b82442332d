import type { FastifyInstance, RouteShorthandOptions } from 'fastify'

import { pageDataOf, pageFiles, pageHeaders, type PageFile } from '../dashboard/page.ts'
import { healthOf, TenureError, type Tenure } from '../index.ts'
import { isHostAllowed } from './hosts.ts'
import type { ResolvedPluginOptions } from './plugin-options.ts'
import { healthSchema, leaderSchema, statusSchema } from './schemas.ts'

/** Probes and the page ask all the time: their requests are not worth a log line each. */
const quiet = { logLevel: 'warn' } as const satisfies RouteShorthandOptions

const wrongHost = {
  message:
    'The status is not served under this name. Allow it by the option `hosts` of the plugin.',
}

/** Serves the routes that were asked for, below the prefix, in a scope of their own. */
export function addRoutes(
  app: FastifyInstance,
  tenure: Tenure,
  { prefix, routes, hosts }: ResolvedPluginOptions,
): void {
  app.register(
    async (scope) => {
      scope.addHook('onSend', async (_request, reply) => {
        if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
      })
      // Probes come under whatever name, and learn nothing worth a stranger's while.
      if (routes.has('health')) addHealth(scope, tenure)
      if (routes.has('health/leader')) addLeader(scope, tenure)
      await scope.register(async (guarded) => {
        guarded.addHook('onRequest', async (request, reply) => {
          if (!isHostAllowed(request, hosts)) return reply.code(403).send(wrongHost)
        })
        if (routes.has('status')) addStatus(guarded, tenure)
        if (routes.has('page')) addPage(guarded, tenure, prefix)
      })
    },
    { prefix },
  )
}

function addStatus(scope: FastifyInstance, tenure: Tenure): void {
  const schema = { response: { 200: statusSchema } }
  scope.get('/status', { ...quiet, schema }, async () => tenure.status())
}

function addHealth(scope: FastifyInstance, tenure: Tenure): void {
  const schema = { response: { 200: healthSchema, 503: healthSchema } }
  scope.get('/health', { ...quiet, schema }, async (_request, reply) => {
    const health = healthOf(tenure)
    return reply.code(health.status === 'ok' ? 200 : 503).send(health)
  })
}

function addLeader(scope: FastifyInstance, tenure: Tenure): void {
  const schema = { response: { 200: leaderSchema, 503: leaderSchema } }
  scope.get('/health/leader', { ...quiet, schema }, async (_request, reply) => {
    if (!tenure.isLeader) return reply.code(503).send({ leader: false })
    return { leader: true, fencingToken: tenure.term?.fencingToken }
  })
}

function addPage(scope: FastifyInstance, tenure: Tenure, prefix: string): void {
  scope.get('/data.json', quiet, async () => pageDataOf(await tenure.status()))
  for (const { name, contentType, body } of readPage()) {
    scope.get(`/${name}`, quiet, async (request, reply) => {
      // The page's links are relative, so that it works behind a proxy with paths of its own; they
      // need the slash at the end. So does this redirection, which is relative as well.
      const [path] = request.url.split('?', 1)
      if (name === '' && !path?.endsWith('/')) {
        return reply.redirect(`${prefix.slice(prefix.lastIndexOf('/') + 1)}/`)
      }
      return reply.headers(pageHeaders).type(contentType).send(body)
    })
  }
}

function readPage(): PageFile[] {
  try {
    return pageFiles()
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_FILE_MISSING',
      "Expected the files of the page, for the route 'page', beside the module that serves them; " +
        'they are not there. If the application is bundled, leave `tenure` out of the bundle: see ' +
        'docs/bundlers.md.',
      { cause },
    )
  }
}
