import { randomUUID } from 'node:crypto'

import type { FastifyInstance, FastifyRequest } from 'fastify'

import { isCorrelationId, withCorrelationId } from '../index.ts'

/** The header that a request may bring its correlation id in, and that the reply has it in. */
export const correlationHeader = 'x-correlation-id'

/**
 * Gives each request a correlation id, that of its header if it is a valid one, and has it in
 * force in everything that the request does, in the lines of `request.log`, and in the reply.
 */
export function addCorrelation(app: FastifyInstance): void {
  const ids = new WeakMap<FastifyRequest, string>()

  app.addHook('onRequest', (request, reply, done) => {
    const id = correlationIdOf(request.headers[correlationHeader])
    ids.set(request, id)
    reply.header(correlationHeader, id)
    // Fastify logs the end of a request by the reply's logger.
    request.log = reply.log = request.log.child({ correlationId: id })
    withCorrelationId(id, done)
  })

  // A body is read by events of the connection, which know nothing of the request: what follows
  // them, from here to the handler, would run without the id (nodejs/node#33723).
  app.addHook('preValidation', (request, _reply, done) => {
    const id = ids.get(request)
    if (id === undefined) done()
    else withCorrelationId(id, done)
  })
}

/** The id that a stranger's header asks for, or a fresh one where that cannot serve. */
function correlationIdOf(header: string | string[] | undefined): string {
  return isCorrelationId(header) ? header : randomUUID()
}
