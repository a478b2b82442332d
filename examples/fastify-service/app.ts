import fastify, { type FastifyInstance } from 'fastify'

// In a service of your own: from 'tenure' and from 'tenure/fastify'.
import { TenureError } from '../../src/index.ts'
import { tenurePlugin } from '../../src/fastify/tenure-plugin.ts'
import { Database } from './database.ts'
import { scheduleJobs } from './jobs.ts'
import type { Settings } from './settings.ts'

/** The service: sessions over HTTP, and three jobs that run on one of its instances only. */
export async function createApp(settings: Settings): Promise<FastifyInstance> {
  // A machine that starts much else at the same time is no reason to give up after ten seconds.
  const pluginTimeout = 60_000
  const app = fastify({ logger: { level: process.env['LOG_LEVEL'] ?? 'info' }, pluginTimeout })
  const database = new Database(settings.database)
  // Tenure stops before any `onClose` hook is called: a job never finds the database closed.
  app.addHook('onClose', async () => database.close())

  await app.register(tenurePlugin, {
    store: settings.store,
    application: 'fastify-service',
    routes: ['status', 'health', 'health/leader', 'page'],
  })
  await scheduleJobs(app.tenure, database, settings)
  addRoutes(app, database, settings)

  app.addHook('onResponse', async (request, reply) => {
    const route = `${request.method} ${request.routeOptions.url ?? '(none)'}`
    if (request.routeOptions.url?.startsWith('/tenure')) return
    database.logRequest({ route, status: reply.statusCode, durationMs: reply.elapsedTime })
  })
  return app
}

function addRoutes(app: FastifyInstance, database: Database, settings: Settings): void {
  const body = {
    type: 'object',
    required: ['user'],
    additionalProperties: false,
    properties: { user: { type: 'string', minLength: 1, maxLength: 100 } },
  }
  app.post<{ Body: { user: string } }>('/sessions', { schema: { body } }, (request, reply) => {
    const session = database.createSession(request.body.user, settings.sessionLifetimeMs)
    return reply.code(201).send(session)
  })

  app.get<{ Params: { id: string } }>('/sessions/:id', async (request, reply) => {
    return database.session(request.params.id) ?? reply.code(404).send({ error: 'no such session' })
  })

  app.get('/figures', async () => database.figures())

  // Whoever wants fresh figures asks the leader for them. The run has the request's correlation id.
  app.post('/figures', async (_request, reply) => {
    try {
      return await app.tenure.runNow('roll-up-requests')
    } catch (error) {
      if (!(error instanceof TenureError)) throw error
      return reply.code(409).send({ error: error.code, message: error.message })
    }
  })
}
