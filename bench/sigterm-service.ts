// A Fastify service that closes on SIGTERM, for the benchmark of handovers.
import fastify from 'fastify'

import { tenurePlugin } from '../src/fastify/tenure-plugin.ts'

const app = fastify()
await app.register(tenurePlugin, { store: process.argv[2] })
app.tenure.on('term:acquired', () => {
  process.stdout.write(`leads ${Number(process.hrtime.bigint()) / 1e6}\n`)
})
process.once('SIGTERM', () => void app.close())
await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write('ready\n')
