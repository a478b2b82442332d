import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { fastifyPlugin } from 'fastify-plugin'

import { createTenure, registerHeartbeat, type Tenure } from '../index.ts'
import { addCorrelation } from './correlation-hooks.ts'
import { readPluginOptions, type TenurePluginOptions } from './plugin-options.ts'
import { addRoutes } from './routes.ts'

export { correlationHeader } from './correlation-hooks.ts'
export type { HealthReply } from '../index.ts'
export { tenureRoutes, type TenurePluginOptions, type TenureRoute } from './plugin-options.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The Tenure of this application, by the plugin `tenure/fastify`. */
    tenure: Tenure
  }
}

/**
 * A Fastify plugin: one Tenure for the application, at `app.tenure`.
 *
 * - It starts when the application is ready, as a candidate: a store that cannot be reached keeps
 *   no application from starting.
 * - It stops when the application closes, before anything else of it does: running jobs end within
 *   `drain` and find all that they use, the lease is released, and requests under way go on.
 * - Every request has a correlation id, that of its header `x-correlation-id` or a fresh one: in
 *   force in all that it does, in the lines of `request.log`, and in the reply's header. Register
 *   the plugin before what shall have it.
 * - `routes` serves the status, the probes and the page; see {@link TenureRoute}.
 *
 * @throws TenureError (the application does not become ready) if an option is wrong
 *
 * @example
 * ```ts
 * import fastify from 'fastify'
 * import { tenurePlugin } from 'tenure/fastify'
 *
 * const app = fastify({ logger: true })
 * await app.register(tenurePlugin, { store: 'sqlite:./tenure.db', routes: ['health', 'page'] })
 * await app.tenure.schedule('purge', { every: '30s' }, (run) => purgeSessions(run.signal))
 * await app.listen({ port: 3000 })
 * ```
 */
export const tenurePlugin: FastifyPluginAsync<TenurePluginOptions> = fastifyPlugin(addTenure, {
  name: 'tenure',
  fastify: '5.x',
})

async function addTenure(app: FastifyInstance, options: TenurePluginOptions): Promise<void> {
  const resolved = readPluginOptions(options)
  const { logger = app.log, ...rest } = resolved.tenureOptions
  const tenure = resolved.tenure ?? createTenure({ ...rest, logger })
  app.decorate('tenure', tenure)
  // Pending until the start, which registers it; one that was started already has it registered.
  registerHeartbeat(app)
  addCorrelation(app)
  if (resolved.routes.size > 0) addRoutes(app, tenure, resolved)

  app.addHook('onReady', () => tenure.start())
  // The first of all hooks at a close: the resources that running jobs use are closed by `onClose`
  // hooks, in whatever order; and the next leader need not wait for slow requests to end.
  app.addHook('preClose', () => tenure.stop())
  // A request that was still under way may have looked at the store again.
  app.addHook('onClose', () => tenure.stop())
}
