/** The schemas of what the routes answer: for Fastify's serializer, and for documents made of it. */

/** A JSON schema, as Fastify takes it. */
type Schema = Readonly<Record<string, unknown>>

const nullableNumber: Schema = { type: ['number', 'null'] }

/** An object whose fields the types of the public surface describe: all of them are sent. */
const open: Schema = { type: 'object', additionalProperties: true }

const listOfOpen: Schema = { type: 'array', items: open }

/** Of `GET {prefix}/health`. */
export const healthSchema: Schema = {
  type: 'object',
  required: ['status', 'role'],
  properties: {
    status: { type: 'string', enum: ['ok', 'failing'] },
    role: { type: 'string', enum: ['stopped', 'candidate', 'observer', 'leader', 'ending'] },
    reason: { type: 'string' },
  },
}

/** Of `GET {prefix}/health/leader`. */
export const leaderSchema: Schema = {
  type: 'object',
  required: ['leader'],
  properties: {
    leader: { type: 'boolean' },
    fencingToken: { type: 'integer' },
  },
}

/** Of `GET {prefix}/status`: what an instance adds to these fields is sent as well. */
export const statusSchema: Schema = {
  type: 'object',
  additionalProperties: true,
  required: ['instance', 'role', 'terms', 'heartbeat', 'jobs', 'recentRuns', 'settings'],
  properties: {
    instance: {
      ...open,
      properties: {
        label: { type: 'string' },
        application: { type: 'string' },
        host: { type: 'string' },
        pid: { type: 'integer' },
        startedAtMs: nullableNumber,
      },
    },
    role: { type: 'string', enum: ['stopped', 'candidate', 'observer', 'leader', 'ending'] },
    term: open,
    lease: open,
    lastToken: { type: 'integer' },
    terms: listOfOpen,
    storeError: { type: 'string' },
    heartbeat: open,
    jobs: listOfOpen,
    jobsHash: { type: 'string' },
    recentRuns: listOfOpen,
    recentSkips: listOfOpen,
    recentLines: listOfOpen,
    settings: open,
  },
}
